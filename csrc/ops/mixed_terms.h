// The rows of a node's terms: values of units, pools of states, states themselves.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "mixed_run.h"

namespace efficient_nas::ops {

template <typename Sum>
class NodeTerms {
  public:
    NodeTerms(const CellRun<Sum>& run, std::size_t node)
        : run_(run), width_(run.program.states[node].size.width) {
        for (const std::size_t t : run.program.states[node].entering) {
            const Term& term = run.program.terms[t];
            if (!term.active || term.kind == TermKind::kBypass) continue;
            terms_.push_back(t);
            if (term.kind == TermKind::kUnit) {
                term_sources_.push_back(kAbsent);
                continue;
            }
            const std::size_t state = run.program.edge_sources[term.edge];
            const std::int64_t stride = run.program.edge_strides[term.edge];
            const auto found = std::find_if(sources_.begin(), sources_.end(),
                                            [&](const Source& source) { return source.state == state; });
            term_sources_.push_back(static_cast<std::size_t>(found - sources_.begin()));
            if (found == sources_.end()) sources_.push_back({state, stride});
            if (term.pool != kAbsent) reach_ = std::max(reach_, run.program.pools[term.pool].kernel);
        }
    }

    // Indices of the active terms, in the order of rows.
    const std::vector<std::size_t>& terms() const { return terms_; }

    // Memory of one thread for bands of so many rows of the node.
    struct Workspace {
        std::vector<Sum*> buffers, copies;
        std::vector<ImageRows<Sum>> images;
        std::vector<const void*> rows;
        const void** lines;
        Sum* scratch;
    };
    Workspace allocate(Arena& arena, std::int64_t band_rows) const {
        Workspace memory;
        for (const std::size_t t : terms_)
            memory.buffers.push_back(
                arena.take<Sum>(run_.sums_together(width_, pitch_of(t)) + width_ * pitch_of(t)));
        std::int64_t widest = 0;
        for (const Source& source : sources_) {
            const State& state = run_.program.states[source.state];
            const std::int64_t sums = state.size.width * state.layout.pitch;
            widest = std::max(widest, sums);
            const bool direct = run_.is_direct(run_.states[source.state]);
            memory.copies.push_back(
                direct ? nullptr : arena.take<Sum>((source.stride * band_rows + 2 * reach_) * sums));
        }
        memory.scratch = arena.take<Sum>(widest);
        memory.lines = arena.take<const void*>(reach_);
        memory.images.resize(sources_.size());
        memory.rows.resize(terms_.size());
        return memory;
    }

    void begin(const Piece& piece, Workspace& memory) const {
        for (std::size_t i = 0; i < sources_.size(); ++i) {
            const Image& image = run_.states[sources_[i].state];
            const std::int64_t stride = sources_[i].stride;
            const std::int64_t first = std::max<std::int64_t>(0, piece.first * stride - reach_);
            const std::int64_t last = std::min(image.size.height, piece.last * stride + reach_);
            memory.images[i] = run_.rows(image, piece.n, first, last, memory.copies[i]);
        }
    }

    // Sets memory.rows for `count` rows of the node from row o on, at most run.rows_together().
    void read(std::int64_t n, std::int64_t o, std::int64_t count, Workspace& memory) const {
        for (std::size_t i = 0; i < terms_.size(); ++i) {
            const Term& term = run_.program.terms[terms_[i]];
            Sum* buffer = memory.buffers[i];
            const std::size_t source = term_sources_[i];
            if (term.kind == TermKind::kUnit) {
                memory.rows[i] = run_.read(run_.unit_image(term.unit, run_.operands.saved[term.unit]), n, o,
                                           count, buffer);
            } else if (term.pool != kAbsent) {
                for (std::int64_t j = 0; j < count; ++j)
                    run_.pool_row(run_.program.pools[term.pool], memory.images[source], o + j, memory.lines,
                                  memory.scratch, buffer + j * width_ * pitch_of(terms_[i]));
                memory.rows[i] = buffer;
            } else if (sources_[source].stride == 1) {
                memory.rows[i] = memory.images[source].row(o);
            } else {
                const Image& image = run_.states[sources_[source].state];
                // What a row leaves behind its pixels, the next one takes.
                for (std::int64_t j = 0; j < count; ++j)
                    run_.load(image, n, (o + j) * sources_[source].stride, sources_[source].stride,
                              buffer + j * width_ * pitch_of(terms_[i]));
                memory.rows[i] = buffer;
            }
        }
    }

  private:
    std::int64_t pitch_of(std::size_t term) const { return run_.layout_of(run_.program.terms[term]).pitch; }

    struct Source {
        std::size_t state;
        std::int64_t stride;
    };
    const CellRun<Sum>& run_;
    std::int64_t width_;
    std::vector<std::size_t> terms_;
    std::vector<std::size_t> term_sources_;  // by term: index into sources_
    std::vector<Source> sources_;
    std::int64_t reach_ = 1;
};

}  // namespace efficient_nas::ops
