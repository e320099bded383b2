#include <stdexcept>
#include <utility>

#include "flush_subnormals.h"
#include "mixed_bypass.h"
#include "mixed_cell.h"
#include "mixed_moments.h"
#include "mixed_run.h"
#include "mixed_terms.h"

namespace efficient_nas::ops {
namespace {

template <typename Sum>
class Forward {
  public:
    Forward(const MixedCell& cell, const CellCall& call, const ForwardOperands& operands, std::size_t threads)
        : run_(cell, call, operands, {operands.outputs.begin(), operands.outputs.end()}, Direction::kForward,
               threads) {
        if (!call.training) take_running(operands.running);
    }

    void run() {
        for (std::size_t s = 0; s < run_.states.size(); ++s) {
            if (s >= run_.program.num_inputs) compute_node(s);
            run_.copy_part(s);
            for (std::size_t level = 0; level < kLevels; ++level) compute_level(s, level);
        }
    }

  private:
    // What one part of a pass adds up, for its units and then for its state's pools.
    using PartMoments = std::vector<Moments>;

    struct Job {
        const Pass* pass;
        Pieces pieces;
        std::vector<std::size_t> units{}, pools{};
        std::vector<PartMoments> parts{};
    };

    struct Workspace {
        Sum *plane, *row, *values, *scratch, *pivot, *sums, *squares, *copies;
        const void** lines;
    };

    // In evaluation the running statistics stand for the batch's.
    void take_running(const std::vector<const void*>& running) {
        const MixedProgram& program = run_.program;
        if (running.size() != program.num_running)
            throw std::invalid_argument("MixedCell: running must be " + std::to_string(program.num_running) +
                                        ", got " + std::to_string(running.size()));
        program.for_each_norm([&](const NormTensors& norm, std::int64_t channels, const Geometry&, bool) {
            double* statistics = run_.operands.statistics + norm.statistics;
            for (std::int64_t c = 0; c < channels; ++c) {
                statistics[c] = double(static_cast<const Sum*>(running[norm.running])[c]);
                statistics[channels + c] = double(static_cast<const Sum*>(running[norm.running + 1])[c]);
            }
        });
    }

    // Whether a pool is computed for its statistics.
    bool needs_statistics(const Pool& pool) const {
        return run_.call.training && std::any_of(pool.terms.begin(), pool.terms.end(), [&](std::size_t t) {
                   const Term& term = run_.program.terms[t];
                   return term.active && term.norm.kind != NormKind::kNone;
               });
    }

    // The units that are so many units away from a state that is known.
    void compute_level(std::size_t state, std::size_t level) {
        std::vector<Job> jobs;
        std::vector<std::pair<std::size_t, std::size_t>> work;  // job, part
        for (const Pass& pass : run_.program.passes) {
            if (pass.level != level || run_.root_of(pass) != state) continue;
            Job job{&pass, run_.pieces_of(pass.size, pass.layout)};
            for (const std::size_t u : pass.units)
                if (run_.program.units[u].active) job.units.push_back(u);
            if (pass.carries_rest)
                for (const std::size_t p : run_.program.states[state].pools)
                    if (needs_statistics(run_.program.pools[p])) job.pools.push_back(p);
            if (job.units.empty() && job.pools.empty()) continue;
            job.parts.resize(job.pieces.parts());
            for (std::size_t part = 0; part < job.parts.size(); ++part) work.emplace_back(jobs.size(), part);
            jobs.push_back(std::move(job));
        }
        for_each_piece(work.size(), run_.threads, [&](std::size_t index) {
            Job& job = jobs[work[index].first];
            job.parts[work[index].second] = compute_part(job, work[index].second);
        });
        for (const Job& job : jobs) finish(job);
    }

    void finish(const Job& job) {
        const auto merged = [&](std::size_t i) {
            Moments moments = job.parts.front()[i];
            for (std::size_t part = 1; part < job.parts.size(); ++part) moments.add(job.parts[part][i]);
            return moments;
        };
        for (std::size_t i = 0; i < job.units.size(); ++i) {
            const Unit& unit = run_.program.units[job.units[i]];
            if (run_.call.training) set_statistics(merged(i), unit.norm, unit.out);
            run_.norms[job.units[i]] = run_.affine_of(unit.norm, unit.out);
        }
        for (std::size_t i = 0; i < job.pools.size(); ++i) {
            const Moments moments = merged(job.units.size() + i);
            for (const std::size_t t : run_.program.pools[job.pools[i]].terms) {
                const Term& term = run_.program.terms[t];
                if (term.norm.kind != NormKind::kNone)
                    set_statistics(moments, term.norm, run_.layout_of(term));
            }
        }
    }

    void set_statistics(const Moments& of_sums, const NormTensors& norm, const ChannelLayout& layout) {
        const Moments moments = of_sums.joined(layout.groups);
        const std::int64_t channels = layout.channels;
        double* statistics = run_.operands.statistics + norm.statistics;
        for (std::int64_t c = 0; c < channels; ++c) {
            statistics[c] = moments.mean(static_cast<std::size_t>(c));
            statistics[channels + c] = moments.variance(static_cast<std::size_t>(c));
        }
        for (const ChannelPart& part : norm.bias)
            for (std::int64_t c = 0; c < part.count; ++c)
                statistics[part.first + c] += double(run_.parameter(part.parameter)[c]);
    }

    PartMoments compute_part(const Job& job, std::size_t part) {
        const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
        const Pass& pass = *job.pass;
        const PlaneRow plane = plane_of(pass);
        const Image image = run_.source_of(pass);
        std::int64_t pitch = pass.layout.pitch, lines = 1;
        PartMoments moments;
        for (const std::size_t u : job.units) {
            pitch = std::max(pitch, run_.program.units[u].out.pitch);
            lines = std::max(lines, run_.num_lines(run_.program.units[u]));
            moments.emplace_back(run_.program.units[u].out.sums());
        }
        for (const std::size_t p : job.pools) {
            lines = std::max(lines, run_.program.pools[p].kernel);
            moments.emplace_back(pass.layout.sums());
        }
        Workspace memory{};
        const auto allocate = [&](Arena arena) {
            const std::int64_t band = job.pieces.band_rows(), row = pass.size.width * pitch;
            memory.plane =
                arena.take<Sum>(run_.plane_rows(pass, band) * pixels_of(plane) * pass.layout.pitch);
            if (!job.pools.empty() && !run_.is_direct(image))
                memory.copies = arena.take<Sum>((band + 2 * lines) * row);
            memory.row = arena.take<Sum>(run_.sums_together(pass.size.width, pitch));
            memory.values = arena.take<Sum>(run_.sums_together(pass.size.width, pitch));
            memory.scratch = arena.take<Sum>(row);
            memory.pivot = arena.take<Sum>(pitch);
            memory.sums = arena.take<Sum>(pitch);
            memory.squares = arena.take<Sum>(pitch);
            memory.lines = arena.take<const void*>(lines);
            return arena.used();
        };
        allocate(Arena(scratch(allocate(Arena()))));
        std::fill_n(memory.sums, pitch, Sum{0});
        std::fill_n(memory.squares, pitch, Sum{0});

        job.pieces.for_each(part, [&](const Piece& piece) {
            const std::int64_t first = ceiling_division(piece.first, pass.stride);
            const std::int64_t last = ceiling_division(piece.last, pass.stride);
            if (!job.units.empty() && first < last) {
                const Sum* rows = run_.load_plane(pass, plane, image, piece.n, first, last, memory.plane);
                for (std::size_t i = 0; i < job.units.size(); ++i)
                    compute_unit(job.units[i], pass, rows, {piece.n, first, last}, memory, moments[i]);
            }
            if (job.pools.empty()) return;
            const std::int64_t begin = std::max<std::int64_t>(0, piece.first - lines);
            const std::int64_t end = std::min(pass.size.height, piece.last + lines);
            const ImageRows<Sum> rows = run_.rows(image, piece.n, begin, end, memory.copies);
            for (std::size_t i = 0; i < job.pools.size(); ++i)
                add_pool(run_.program.pools[job.pools[i]], rows, piece, memory,
                         moments[job.units.size() + i]);
        });
        return moments;
    }

    void compute_unit(std::size_t index, const Pass& pass, const Sum* rows, const Piece& piece,
                      const Workspace& memory, Moments& moments) {
        const Unit& unit = run_.program.units[index];
        const UnitWeights<Sum>& packed = run_.weights[index];
        const Image saved = run_.unit_image(index, run_.operands.saved[index]);
        const std::int64_t width = unit.size.width;
        const std::int64_t together = run_.rows_together(width, std::max(unit.in.pitch, unit.out.pitch));
        const bool convolves = unit.depthwise != kAbsent;
        for (std::int64_t first = piece.first; first < piece.last; first += together) {
            const std::int64_t count = std::min(together, piece.last - first);
            Sum* values = run_.rows_to_write(saved, piece.n, first, memory.values);
            if (convolves)
                run_.convolve(unit, pass, packed, rows, first, first + count, memory.lines,
                              unit.mix.empty() ? values : memory.row);
            if (!convolves) {
                run_.unit_lines(unit, pass, packed.plane, rows, first, memory.lines);
                mix(unit, packed, memory.lines, run_.line_step(pass, packed.plane), count, values);
            } else if (!unit.mix.empty()) {
                const void* convolved = memory.row;
                mix(unit, packed, &convolved, width * unit.in.pitch, count, values);
            }
            if (run_.call.training) add_rows(values, count * width, unit.out, first == piece.first, memory);
            run_.write(saved, piece.n, first, count, values);
        }
        if (run_.call.training)
            moments.add((piece.last - piece.first) * width, memory.pivot, memory.sums, memory.squares);
    }

    static void mix(const Unit& unit, const UnitWeights<Sum>& packed, const void* const* sources,
                    std::int64_t source_step, std::int64_t rows, Sum* target) {
        const std::int64_t width = unit.size.width;
        unit.out.kernels->mix_rows(sources, static_cast<std::int64_t>(unit.mix.size()), source_step,
                                   packed.mix.data(), rows, width, unit.in.sums(), unit.in.pitch,
                                   unit.out.pitch, target, width * unit.out.pitch, false);
    }

    void add_pool(const Pool& pool, const ImageRows<Sum>& rows, const Piece& piece, const Workspace& memory,
                  Moments& moments) {
        const std::int64_t first = ceiling_division(piece.first, pool.stride);
        const std::int64_t last = ceiling_division(piece.last, pool.stride);
        if (first == last) return;
        for (std::int64_t o = first; o < last; ++o) {
            run_.pool_row(pool, rows, o, memory.lines, memory.scratch, memory.values);
            add_rows(memory.values, pool.size.width, run_.program.states[pool.state].layout, o == first,
                     memory);
        }
        moments.add((last - first) * pool.size.width, memory.pivot, memory.sums, memory.squares);
    }

    // Deviations are taken from the first pixel of a piece, so that a large mean does not cost the variance.
    static void add_rows(const Sum* rows, std::int64_t count, const ChannelLayout& layout, bool first,
                         const Workspace& memory) {
        if (first) std::copy_n(rows, layout.pitch, memory.pivot);
        layout.kernels->store_row(rows, count, layout.pitch, layout.pitch, nullptr, 0, memory.pivot,
                                  memory.sums, memory.squares);
    }

    void compute_node(std::size_t state) {
        const NodeTerms<Sum> node(run_, state);
        const NodeBypass<Sum> bypass(run_, state);
        const bool passes = run_.program.states[state].sum_divisor > 1;
        const ChannelLayout& layout = run_.program.states[state].sum;
        const Image& output = run_.wholes[state];
        const auto pitch = static_cast<std::size_t>(layout.pitch);
        std::vector<Affine<Sum>> affine;
        std::vector<double> shifts(pitch);
        std::vector<const void*> scales, means;
        for (const std::size_t t : node.terms()) {
            const Term& term = run_.program.terms[t];
            const double alpha = run_.call.alphas[term.alpha] * (term.kind == TermKind::kZero ? 0 : 1);
            affine.push_back(run_.affine_of(term.norm, layout));
            for (std::size_t c = 0; c < pitch; ++c) {
                shifts[c] += alpha * double(affine.back().shift[c]);
                affine.back().scale[c] = static_cast<Sum>(alpha * double(affine.back().scale[c]));
            }
        }
        for (const Affine<Sum>& of_term : affine) {
            scales.push_back(of_term.scale.data());
            means.push_back(of_term.mean.data());
        }
        const AlignedVector<Sum> base(shifts.begin(), shifts.end());
        const Pieces pieces = run_.pieces_of(output.size, layout);
        const std::int64_t together =
            run_.rows_together(output.size.width, std::max(layout.pitch, output.layout.pitch));
        for_each_piece(pieces.parts(), run_.threads, [&](std::size_t part) {
            const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
            typename NodeTerms<Sum>::Workspace memory;
            typename NodeBypass<Sum>::Workspace bypass_memory;
            Sum* buffer = nullptr;
            const auto allocate = [&](Arena arena) {
                memory = node.allocate(arena, pieces.band_rows());
                if (passes) bypass_memory = bypass.allocate(arena);
                buffer = arena.take<Sum>(run_.sums_together(output.size.width, layout.pitch));
                return arena.used();
            };
            allocate(Arena(scratch(allocate(Arena()))));
            pieces.for_each(part, [&](const Piece& piece) {
                node.begin(piece, memory);
                for (std::int64_t o = piece.first; o < piece.last; o += together) {
                    const std::int64_t count = std::min(together, piece.last - o);
                    node.read(piece.n, o, count, memory);
                    Sum* target = passes ? buffer : run_.rows_to_write(output, piece.n, o, buffer);
                    layout.kernels->weighted_sum_row(memory.rows.data(), scales.data(), means.data(),
                                                     static_cast<std::int64_t>(memory.rows.size()),
                                                     base.data(), count * output.size.width, layout.pitch,
                                                     target, false);
                    if (passes)
                        bypass.write(piece.n, o, count, target, bypass_memory);
                    else
                        run_.write(output, piece.n, o, count, target);
                }
            });
        });
    }

    CellRun<Sum> run_;
};

}  // namespace

void forward(const MixedCell& cell, const CellCall& call, const ForwardOperands& operands,
             std::size_t threads) {
    if (call.storage == Storage::kFloat64)
        Forward<double>(cell, call, operands, threads).run();
    else
        Forward<float>(cell, call, operands, threads).run();
}

}  // namespace efficient_nas::ops
