// The channels that pass by candidates on part of the channels (PC-DARTS), forward. They are worked on as
// whole pixels, of which the candidates' channels come to nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "mixed_run.h"

namespace efficient_nas::ops {

// A maximum of 2x2 pixels, which brings what passes by to the size of a node.
inline PoolWindow bypass_window(const Geometry& size) { return {2, 2, 0, size.width}; }

// The rows of an image that row o of the maximum reads; the second is nullptr where there is none.
template <typename Sum>
void bypass_lines(const CellRun<Sum>& run, const Image& image, std::int64_t n, std::int64_t o, Sum* copies,
                  const void* (&lines)[2]) {
    const std::int64_t last = std::min(2 * o + 2, image.size.height);
    const ImageRows<Sum> rows = run.rows(image, n, 2 * o, last, copies);
    lines[0] = rows.row(2 * o);
    lines[1] = 2 * o + 1 < last ? rows.row(2 * o + 1) : nullptr;
}

// The rows that pass by into a node, one of each edge that takes part.
template <typename Sum>
class NodeBypass {
  public:
    NodeBypass(const CellRun<Sum>& run, std::size_t node)
        : run_(run),
          state_(run.program.states[node]),
          node_(run.wholes[node]),
          pitch_(state_.whole.pitch),
          part_(state_.sum.channels) {
        for (const std::size_t t : state_.entering) {
            const Term& term = run.program.terms[t];
            if (!term.active || term.kind != TermKind::kBypass) continue;
            terms_.push_back(t);
            scales_.emplace_back(pitch_, static_cast<Sum>(run.call.alphas[term.alpha]));
        }
        zero_.resize(static_cast<std::size_t>(pitch_));
        for (const auto& scale : scales_) {
            scale_rows_.push_back(scale.data());
            means_.push_back(zero_.data());
        }
    }

    const std::vector<std::size_t>& terms() const { return terms_; }
    const std::vector<const void*>& means() const { return means_; }

    struct Workspace {
        std::vector<Sum*> buffers;
        std::vector<const void*> rows;
        Sum *copies, *scratch, *sums, *shuffled;
    };
    Workspace allocate(Arena& arena) const {
        Workspace memory;
        const std::int64_t together = run_.sums_together(state_.size.width, pitch_);
        for (std::size_t i = 0; i < terms_.size(); ++i) memory.buffers.push_back(arena.take<Sum>(together));
        memory.rows.resize(terms_.size());
        // Rows that a maximum reads are up to twice as wide.
        memory.copies = arena.take<Sum>(4 * state_.size.width * pitch_);
        memory.scratch = arena.take<Sum>(2 * state_.size.width * pitch_);
        memory.sums = arena.take<Sum>(together);
        memory.shuffled = arena.take<Sum>(together);
        return memory;
    }

    // Sets memory.rows for `count` rows of the node from row o on.
    void read(std::int64_t n, std::int64_t o, std::int64_t count, Workspace& memory) const {
        for (std::size_t i = 0; i < terms_.size(); ++i) {
            const std::size_t edge = run_.program.terms[terms_[i]].edge;
            const Image& image = run_.wholes[run_.program.edge_sources[edge]];
            if (run_.program.edge_strides[edge] == 1) {
                memory.rows[i] = run_.read(image, n, o, count, memory.buffers[i]);
                continue;
            }
            for (std::int64_t j = 0; j < count; ++j) {
                const void* lines[2];
                bypass_lines(run_, image, n, o + j, memory.copies, lines);
                image.layout.kernels->max_pool_row(lines, bypass_window(image.size), state_.size.width,
                                                   pitch_, memory.buffers[i] + j * state_.size.width * pitch_,
                                                   memory.scratch);
            }
            memory.rows[i] = memory.buffers[i];
        }
    }

    // Writes `count` rows of the node: what its candidates make, and what passes by. Images of candidates may
    // hold several of the node's.
    void write(std::int64_t n, std::int64_t o, std::int64_t count, const Sum* mixed,
               Workspace& memory) const {
        for (std::int64_t g = 0; g < state_.sum.groups; ++g)
            write_image(n * state_.sum.groups + g, o, count, mixed + g * part_, memory);
    }

    // The reverse for gradients: of what candidates make to `mixed`, others to memory.sums in the order of
    // the sources' channels.
    void split(const Sum* gradient, std::int64_t pixels, Sum* mixed, Workspace& memory) const {
        const std::int64_t groups = state_.sum_divisor;
        for (std::int64_t p = 0; p < pixels; ++p) {
            const Sum* of_pixel = gradient + p * pitch_;
            Sum* passed = memory.sums + p * pitch_;
            for (std::int64_t c = 0; c < part_; ++c) {
                mixed[p * state_.sum.pitch + c] = *of_pixel++;
                passed[c] = 0;
                for (std::int64_t g = 1; g < groups; ++g) passed[g * part_ + c] = *of_pixel++;
            }
        }
    }

  private:
    void write_image(std::int64_t n, std::int64_t o, std::int64_t count, const Sum* mixed,
                     Workspace& memory) const {
        const std::int64_t pixels = count * state_.size.width, groups = state_.sum_divisor;
        read(n, o, count, memory);
        node_.layout.kernels->weighted_sum_row(memory.rows.data(), scale_rows_.data(), means_.data(),
                                               static_cast<std::int64_t>(terms_.size()), zero_.data(), pixels,
                                               pitch_, memory.sums, false);
        for (std::int64_t p = 0; p < pixels; ++p) {
            const Sum* of_pixel = memory.sums + p * pitch_;
            Sum* target = memory.shuffled + p * pitch_;
            for (std::int64_t c = 0; c < part_; ++c) {
                *target++ = mixed[p * state_.sum.pitch + c];
                for (std::int64_t g = 1; g < groups; ++g) *target++ = of_pixel[g * part_ + c];
            }
        }
        node_.layout.kernels->store_row(memory.shuffled, pixels, pitch_, node_.layout.channels,
                                        run_.address(node_, n, o), node_.pixel_pitch, nullptr, nullptr,
                                        nullptr);
    }

    const CellRun<Sum>& run_;
    const State& state_;
    const Image& node_;
    std::int64_t pitch_, part_;
    std::vector<std::size_t> terms_;
    std::vector<std::vector<Sum>> scales_;
    std::vector<Sum> zero_;
    std::vector<const void*> scale_rows_, means_;
};

}  // namespace efficient_nas::ops
