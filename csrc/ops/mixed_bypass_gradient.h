// Gradients of the channels that pass by candidates on part of the channels.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "flush_subnormals.h"
#include "mixed_bypass.h"
#include "mixed_gradients.h"
#include "mixed_node_gradient.h"

namespace efficient_nas::ops {

// Takes the gradient of a node apart, and sums up those of the weights of what passes by.
template <typename Sum>
void split_gradient(CellGradients<Sum>& gradients, std::size_t node) {
    const CellRun<Sum>& run = gradients.run;
    const NodeBypass<Sum> bypass(run, node);
    const State& state = run.program.states[node];
    const Image &gradient = gradients.wholes[node], &mixed = gradients.sums[node],
                &passed = gradients.passed[node];
    const std::int64_t pitch = state.whole.pitch, width = state.size.width;
    const std::int64_t groups = state.sum.groups, most_pitch = std::max(pitch, state.sum.pitch);
    const auto terms = static_cast<std::int64_t>(bypass.terms().size());
    const Pieces pieces = run.pieces_of(state.size, state.sum);
    const std::int64_t together = run.rows_together(width, most_pitch);
    std::vector<typename Sums<Sum>::Finished> parts(pieces.parts());
    for_each_piece(pieces.parts(), run.threads, [&](std::size_t part) {
        const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
        typename NodeBypass<Sum>::Workspace memory;
        Sums<Sum> sums{(terms + 1) * pitch};
        Sum *buffer = nullptr, *of_mixed = nullptr;
        const auto allocate = [&](Arena arena) {
            memory = bypass.allocate(arena);
            sums.current = arena.take<Sum>(sums.size);
            buffer = arena.take<Sum>(run.sums_together(width, pitch));
            of_mixed = arena.take<Sum>(run.sums_together(width, most_pitch));
            return arena.used();
        };
        const std::size_t bytes = allocate(Arena());
        void* block = scratch(bytes);
        std::memset(block, 0, bytes);  // lanes beyond the channels stay zero
        allocate(Arena(block));
        std::vector<void*> products;
        for (std::int64_t i = 0; i < terms; ++i) products.push_back(sums.current + i * pitch);
        std::int64_t pixels = 0;
        pieces.for_each(part, [&](const Piece& piece) {
            for (std::int64_t o = piece.first; o < piece.last; o += together) {
                const std::int64_t count = std::min(together, piece.last - o);
                for (std::int64_t g = 0; g < groups; ++g) {
                    const std::int64_t n = piece.n * groups + g;
                    bypass.split(run.read(gradient, n, o, count, buffer), count * width,
                                 of_mixed + g * state.sum.channels, memory);
                    bypass.read(n, o, count, memory);
                    state.whole.kernels->dot_rows(memory.sums, memory.rows.data(), bypass.means().data(),
                                                  terms, count * width, pitch, products.data(),
                                                  sums.current + terms * pitch);
                    passed.layout.kernels->store_row(memory.sums, count * width, pitch,
                                                     passed.layout.channels, run.address(passed, n, o),
                                                     passed.pixel_pitch, nullptr, nullptr, nullptr);
                }
                mixed.layout.kernels->store_row(of_mixed, count * width, mixed.layout.pitch,
                                                mixed.layout.channels, run.address(mixed, piece.n, o),
                                                mixed.pixel_pitch, nullptr, nullptr, nullptr);
                pixels += groups * count * width;
                if (pixels < kPixelsOfProducts) continue;
                sums.flush();
                pixels = 0;
            }
        });
        parts[part] = sums.finished();
    });
    std::vector<double> totals(static_cast<std::size_t>((terms + 1) * pitch));
    for (const auto& part : parts) part.add_to(totals);
    for (std::int64_t i = 0; i < terms; ++i) {
        const Term& term = run.program.terms[bypass.terms()[static_cast<std::size_t>(i)]];
        double& total = gradients.operands.alpha_gradients[term.alpha];
        // Not of the channels that do not pass by, where zeros met any value.
        for (std::int64_t c = state.sum.channels; c < state.whole.channels; ++c)
            total += totals[static_cast<std::size_t>(i * pitch + c)];
    }
}

// The gradient of a state, all channels: what is given from outside, what passed by, and what came from the
// passes that read part of the channels.
template <typename Sum>
void finish_gradient(const CellGradients<Sum>& gradients, std::size_t index) {
    const CellRun<Sum>& run = gradients.run;
    const State& state = run.program.states[index];
    const Image& target = gradients.wholes[index];
    if (target.data == nullptr) return;
    Image given = target;
    given.data = static_cast<std::byte*>(const_cast<void*>(gradients.given_gradient(index)));
    const Image& of_part = gradients.states[index];
    const std::int64_t pitch = state.whole.pitch, width = state.size.width;
    // By stride: terms' gradients in one sum.
    std::vector<const Image*> images[2];
    std::vector<std::vector<Sum>> scales;
    std::vector<const void*> scale_rows[2];
    for (const std::size_t t : state.leaving) {
        const Term& term = run.program.terms[t];
        if (!term.active || term.kind != TermKind::kBypass) continue;
        const auto stride = static_cast<std::size_t>(run.program.edge_strides[term.edge] - 1);
        images[stride].push_back(&gradients.passed[run.program.edge_targets[term.edge]]);
        scales.emplace_back(pitch, static_cast<Sum>(run.call.alphas[term.alpha]));
        scale_rows[stride].push_back(scales.back().data());
    }
    const std::size_t most = std::max(images[0].size(), images[1].size());
    const std::vector<const void*> means(most, gradients.zero.data());
    const Pieces pieces(run.call.batch, state.size, pitch);
    for_each_piece(pieces.parts(), run.threads, [&](std::size_t part) {
        const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
        std::vector<Sum*> buffers(most);
        std::vector<const void*> rows(most);
        Sum *sums = nullptr, *copies = nullptr, *maxima = nullptr, *row = nullptr, *scratch_row = nullptr,
            *part_row = nullptr;
        const std::int64_t row_sums = width * pitch;
        const auto allocate = [&](Arena arena) {
            for (Sum*& buffer : buffers) buffer = arena.take<Sum>(row_sums);
            sums = arena.take<Sum>(pieces.band_rows() * row_sums);
            copies = arena.take<Sum>(2 * row_sums);
            maxima = arena.take<Sum>(row_sums);
            row = arena.take<Sum>(row_sums);
            scratch_row = arena.take<Sum>(row_sums);
            part_row = arena.take<Sum>(width * state.layout.pitch);
            return arena.used();
        };
        allocate(Arena(scratch(allocate(Arena()))));
        pieces.for_each(part, [&](const Piece& piece) {
            const auto sum_up = [&](std::size_t stride, std::int64_t o, std::int64_t pixels, Sum* to,
                                    bool add) {
                for (std::size_t i = 0; i < images[stride].size(); ++i)
                    rows[i] = run.read(*images[stride][i], piece.n, o, 1, buffers[i]);
                state.whole.kernels->weighted_sum_row(rows.data(), scale_rows[stride].data(), means.data(),
                                                      static_cast<std::int64_t>(images[stride].size()),
                                                      gradients.zero.data(), pixels, pitch, to, add);
            };
            const auto row_of = [&](std::int64_t r) { return sums + (r - piece.first) * row_sums; };
            for (std::int64_t r = piece.first; r < piece.last; ++r) {
                if (given.data != nullptr) run.load(given, piece.n, r, 1, row_of(r));
                sum_up(0, r, width, row_of(r), given.data != nullptr);
                const std::int64_t g = piece.n % state.layout.groups;
                const Sum* added = run.read(of_part, piece.n / state.layout.groups, r, 1, part_row);
                for (std::int64_t j = 0; j < width; ++j)
                    for (std::int64_t c = 0; c < state.layout.channels; ++c)
                        row_of(r)[j * pitch + c] +=
                            added[j * state.layout.pitch + g * state.layout.channels + c];
            }
            const PoolWindow window = bypass_window(state.size);
            const std::int64_t columns = ceiling_division(width, 2);
            for (std::int64_t o = piece.first / 2; !images[1].empty() && 2 * o < piece.last; ++o) {
                const void* lines[2];
                bypass_lines(run, run.wholes[index], piece.n, o, copies, lines);
                state.whole.kernels->max_pool_row(lines, window, columns, pitch, maxima, scratch_row);
                sum_up(1, o, columns, row, false);
                void* targets[2];
                for (std::int64_t u = 0; u < 2; ++u) {
                    const std::int64_t r = 2 * o + u;
                    targets[u] = piece.first <= r && r < piece.last ? row_of(r) : nullptr;
                }
                state.whole.kernels->max_pool_gradient_row(lines, window, maxima, row, columns, pitch,
                                                           targets);
            }
            target.layout.kernels->store_row(
                sums, (piece.last - piece.first) * width, pitch, target.layout.channels,
                run.address(target, piece.n, piece.first), target.pixel_pitch, nullptr, nullptr, nullptr);
        });
    });
}

}  // namespace efficient_nas::ops
