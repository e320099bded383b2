// The gradient of what a pass reads, from that of its plane.
#pragma once

#include <algorithm>
#include <vector>

#include "mixed_gradients.h"
#include "mixed_unit_gradient.h"

namespace efficient_nas::ops {

template <typename Sum>
class SourceGradient {
  public:
    explicit SourceGradient(const CellGradients<Sum>& gradients)
        : gradients_(gradients), run_(gradients.run) {}

    // The gradient behind a unit's norm. The last two sums add it up, and its products with the value.
    void finish_value(const Pass& pass, const PlaneRow& plane, const Image& image, const Sum* plane_gradient,
                      const Piece& piece, std::vector<Sums<Sum>>& sums, const PassWorkspace<Sum>& memory) {
        const std::int64_t plane_sums = pixels_of(plane) * pass.layout.pitch;
        const Image target = run_.unit_image(pass.unit, gradients_.values[pass.unit].data());
        const Prologue prologue = run_.prologue_of(pass);
        Sum* totals = sums[sums.size() - 2].current;
        Sum* products = sums[sums.size() - 1].current;
        for (std::int64_t r = piece.first; r < piece.last; ++r) {
            Sum* row = run_.rows_to_write(target, piece.n, r, memory.row);
            pass.layout.kernels->prologue_gradient_row(
                plane_gradient + r * plane_sums, plane, run_.read(image, piece.n, r, 1, memory.value_row),
                prologue, pass.layout.pitch, row, false, totals, products);
            run_.write(target, piece.n, r, 1, row);
        }
    }

    // Adds to the gradient of a state; the pass that carries the rest begins it.
    void finish_state(const Pass& pass, bool has_units, const PlaneRow& plane, const Image& image,
                      const Sum* plane_gradient, const Piece& piece, const PassWorkspace<Sum>& memory) {
        const MixedKernels& kernels = *pass.layout.kernels;
        const std::int64_t width = pass.size.width, pitch = pass.layout.pitch;
        const std::int64_t plane_sums = pixels_of(plane) * pitch;
        const Image& target = gradients_.states[pass.state];
        Image before = target;
        // That of a part begins with nothing (finish_gradient).
        if (pass.carries_rest)
            before.data =
                run_.program.states[pass.state].divisor > 1
                    ? nullptr
                    : static_cast<std::byte*>(const_cast<void*>(gradients_.given_gradient(pass.state)));
        const bool direct = run_.is_direct(target);
        Sum* rest = direct ? reinterpret_cast<Sum*>(run_.address(target, piece.n, 0))
                           : memory.rest - piece.first * width * pitch;
        for (std::int64_t r = piece.first; r < piece.last; ++r) {
            if (direct && before.data == target.data) break;
            if (before.data == nullptr)
                std::fill_n(rest + r * width * pitch, width * pitch, Sum{0});
            else
                run_.load(before, piece.n, r, 1, rest + r * width * pitch);
        }
        if (pass.carries_rest) add_rest(pass, image, piece, rest, memory);
        for (std::int64_t r = piece.first; r < piece.last; ++r) {
            Sum* row = rest + r * width * pitch;
            if (has_units)
                kernels.prologue_gradient_row(plane_gradient + r * plane_sums, plane,
                                              run_.read(image, piece.n, r, 1, memory.value_row),
                                              run_.prologue_of(pass), pitch, row, true, nullptr, nullptr);
            run_.write(target, piece.n, r, 1, row);
        }
    }

  private:
    // What reaches a state's gradient past its activations: states that are terms themselves, and pools.
    void add_rest(const Pass& pass, const Image& image, const Piece& piece, Sum* rest,
                  const PassWorkspace<Sum>& memory) {
        const MixedProgram& program = run_.program;
        const std::int64_t width = pass.size.width, pitch = pass.layout.pitch;
        const MixedKernels& kernels = *pass.layout.kernels;
        for (const std::size_t t : program.states[pass.state].leaving) {
            const Term& term = program.terms[t];
            if (!term.active || (term.kind != TermKind::kIdentity && term.kind != TermKind::kZero)) continue;
            const Image& gradient = gradients_.sums[program.edge_targets[term.edge]];
            const std::int64_t stride = program.edge_strides[term.edge];
            const void* scales[] = {gradients_.terms[t].scale.data()};
            const void* means[] = {gradients_.zero.data()};
            for (std::int64_t o = ceiling_division(piece.first, stride);
                 o < ceiling_division(piece.last, stride); ++o) {
                const Sum* row = run_.read(gradient, piece.n, o, 1, memory.gradient_row);
                const std::int64_t pixels = stride == 1 ? width : 1;
                for (std::int64_t j = 0; j < gradient.size.width; j += pixels) {
                    const void* rows[] = {row + j * pitch};
                    kernels.weighted_sum_row(rows, scales, means, 1, gradients_.zero.data(), pixels, pitch,
                                             rest + (o * stride * width + j * stride) * pitch, true);
                }
            }
        }
        for (const std::size_t p : program.states[pass.state].pools)
            if (program.pools[p].active) add_pool(program.pools[p], pass, image, piece, rest, memory);
    }

    void add_pool(const Pool& pool, const Pass& pass, const Image& image, const Piece& piece, Sum* rest,
                  const PassWorkspace<Sum>& memory) {
        const MixedKernels& kernels = *pass.layout.kernels;
        const std::int64_t pitch = pass.layout.pitch, width = pass.size.width, height = pass.size.height;
        const PoolWindow window{pool.kernel, pool.stride, pool.kernel / 2, width};
        const std::int64_t reach = pool.kernel - 1 - window.padding;
        const std::int64_t first =
            std::max<std::int64_t>(0, ceiling_division(piece.first - reach, pool.stride));
        const std::int64_t last =
            std::min(pool.size.height, floor_division(piece.last - 1 + window.padding, pool.stride) + 1);
        if (first >= last) return;
        const std::int64_t begin = std::max<std::int64_t>(0, first * pool.stride - window.padding);
        const std::int64_t end = std::min(height, (last - 1) * pool.stride - window.padding + pool.kernel);
        const ImageRows<Sum> rows = run_.rows(image, piece.n, begin, end, memory.copies);
        // All edges that share the pool: their gradients in one sum.
        std::vector<const void*> rows_read, scales, means;
        AlignedVector<Sum> slope(static_cast<std::size_t>(pitch)), shift(static_cast<std::size_t>(pitch));
        std::vector<const Image*> images;
        const Sum* mean = nullptr;  // of the pool's values, where a norm follows
        for (const std::size_t t : pool.terms) {
            if (!run_.program.terms[t].active) continue;
            const NormGradient<Sum>& norm = gradients_.terms[t];
            images.push_back(&gradients_.sums[run_.program.edge_targets[run_.program.terms[t].edge]]);
            scales.push_back(norm.scale.data());
            means.push_back(gradients_.zero.data());
            for (std::size_t c = 0; c < slope.size(); ++c) {
                slope[c] += norm.slope[c];
                shift[c] += norm.shift[c];
            }
            if (run_.program.terms[t].norm.kind != NormKind::kNone && run_.call.training)
                mean = norm.mean.data();
        }
        if (mean != nullptr) {
            scales.push_back(slope.data());
            means.push_back(mean);
        }
        rows_read.resize(scales.size());
        for (std::int64_t o = first; o < last; ++o) {
            run_.pool_row(pool, rows, o, memory.lines, memory.scratch, memory.values);
            std::int64_t inside = 0;
            for (std::int64_t u = 0; u < pool.kernel; ++u) {
                const std::int64_t r = o * pool.stride - window.padding + u;
                inside += memory.lines[u] != nullptr;
                memory.targets[u] = piece.first <= r && r < piece.last ? rest + r * width * pitch : nullptr;
            }
            for (std::size_t i = 0; i < images.size(); ++i)
                rows_read[i] =
                    run_.read(*images[i], piece.n, o, 1,
                              memory.gradient_row + static_cast<std::int64_t>(i) * pool.size.width * pitch);
            if (mean != nullptr) rows_read.back() = memory.values;
            kernels.weighted_sum_row(rows_read.data(), scales.data(), means.data(),
                                     static_cast<std::int64_t>(rows_read.size()), shift.data(),
                                     pool.size.width, pitch, memory.row, false);
            if (pool.maximum)
                kernels.max_pool_gradient_row(memory.lines, window, memory.values, memory.row,
                                              pool.size.width, pitch, memory.targets);
            else
                kernels.average_pool_gradient_row(window, memory.row, inside, pool.size.width, pitch,
                                                  memory.targets);
        }
    }

    const CellGradients<Sum>& gradients_;
    const CellRun<Sum>& run_;
};

}  // namespace efficient_nas::ops
