// What a unit contributes to the gradient of the image that it reads, and to those of its weights.
#pragma once

#include <algorithm>
#include <vector>

#include "mixed_gradients.h"

namespace efficient_nas::ops {

// Memory of one thread for a pass.
template <typename Sum>
struct PassWorkspace {
    Sum *plane, *plane_gradient, *output_gradient, *rest, *row, *values, *value_row, *gradient_row, *scratch,
        *copies;
    const void** lines;
    void** targets;
};

template <typename Sum>
class UnitGradient {
  public:
    explicit UnitGradient(const CellGradients<Sum>& gradients) : gradients_(gradients), run_(gradients.run) {}

    // Rows of the output's gradient that a band of so many rows of the image needs, with the zeros around
    // them.
    static std::int64_t output_rows(const Unit& unit, std::int64_t band_rows) {
        return band_rows + unit.before + unit.after + 2;
    }

    // Whether the first unit of a pass gives every pixel of the image a value, so that nothing must be
    // cleared.
    bool writes(std::size_t index) const {
        return run_.program.units[index].depthwise != kAbsent && run_.program.units[index].stride == 1;
    }

    // Adds what one unit contributes to the gradient of the plane, and to the gradients of its weights.
    void add(std::size_t index, const Pass& pass, const Sum* source, Sum* plane_gradient, bool wants_source,
             bool is_first, const Piece& piece, Sums<Sum>& depthwise_sums, Sums<Sum>& mix_sums,
             const PassWorkspace<Sum>& memory) {
        const Unit& unit = run_.program.units[index];
        const UnitWeights<Sum>& packed = run_.weights[index];
        const std::int64_t stride = unit.stride, height = unit.size.height, width = unit.size.width;
        // Outputs whose taps lie in the piece, and those that belong to it.
        const std::int64_t owned_first = ceiling_division(piece.first, stride);
        const std::int64_t owned_last = ceiling_division(piece.last, stride);
        const std::int64_t first =
            wants_source
                ? std::clamp<std::int64_t>(ceiling_division(piece.first - unit.after, stride), 0, owned_first)
                : owned_first;
        const std::int64_t last =
            wants_source
                ? std::clamp(floor_division(piece.last - 1 + unit.before, stride) + 1, owned_last, height)
                : owned_last;
        const bool convolves = unit.depthwise != kAbsent;
        const std::int64_t gradient_pixels = packed.gradient_taps.pixels;
        const std::int64_t gradient_sums = gradient_pixels * unit.in.pitch;
        // Rows that the rows of the piece read: zeros where there are no outputs.
        const std::int64_t read_first =
            std::min(owned_first, floor_division(piece.first - unit.after, stride));
        const std::int64_t read_last =
            std::max(owned_last, floor_division(piece.last - 1 + unit.before, stride) + 1);
        Sum* output_gradient = memory.output_gradient - read_first * gradient_sums;
        if (convolves && wants_source) {
            std::fill_n(output_gradient + read_first * gradient_sums, (first - read_first) * gradient_sums,
                        Sum{0});
            std::fill_n(output_gradient + last * gradient_sums, (read_last - last) * gradient_sums, Sum{0});
        }
        const bool weigh = mix_sums.size + depthwise_sums.size > 0;
        const std::int64_t together = run_.rows_together(width, std::max(unit.in.pitch, unit.out.pitch));
        for (std::int64_t o = first, end = first; o < last; o = end) {
            const bool owned = owned_first <= o && o < owned_last;
            end = std::min({o + together, last, o < owned_first ? owned_first : owned ? owned_last : last});
            const Sum* values = value_gradients(index, piece.n, o, end - o, memory);
            if (owned && weigh) add_mix(unit, packed, pass, source, values, o, end, mix_sums, memory);
            if (!convolves && wants_source)
                for (std::int64_t i = o; i < end; ++i)
                    scatter(unit, packed, pass, plane_gradient, values + (i - o) * width * unit.out.pitch, i,
                            piece);
            if (!convolves) continue;
            for (std::int64_t i = o; i < end; ++i)
                convolved_gradient(unit, packed, values + (i - o) * width * unit.out.pitch,
                                   output_gradient + i * gradient_sums);
            if (!owned || !weigh) continue;
            run_.unit_lines(unit, pass, packed.plane, source, o, memory.lines);
            unit.in.kernels->depthwise_outer_rows(
                memory.lines, run_.line_step(pass, packed.plane), packed.taps.view(),
                output_gradient + o * gradient_sums + packed.gradient_taps.left * unit.in.pitch,
                gradient_sums, end - o, width, unit.in.pitch, depthwise_sums.current);
        }
        if (convolves && wants_source)
            gather(unit, packed, pass, plane_gradient, output_gradient, is_first && writes(index), piece,
                   memory);
    }

  private:
    // The gradient of rows of a unit's value, before its norm.
    const Sum* value_gradients(std::size_t index, std::int64_t n, std::int64_t row, std::int64_t count,
                               const PassWorkspace<Sum>& memory) {
        const Unit& unit = run_.program.units[index];
        const NormGradient<Sum>& norm = gradients_.norms[index];
        const Image saved = run_.unit_image(index, run_.operands.saved[index]);
        const Image behind = unit.last ? gradients_.sums[run_.program.edge_targets[unit.edge]]
                                       : run_.unit_image(index, gradients_.values[index].data());
        const void* rows[] = {run_.read(behind, n, row, count, memory.gradient_row),
                              run_.read(saved, n, row, count, memory.value_row)};
        const void* scales[] = {norm.scale.data(), norm.slope.data()};
        const void* means[] = {gradients_.zero.data(), norm.mean.data()};
        unit.out.kernels->weighted_sum_row(rows, scales, means, run_.call.training ? 2 : 1, norm.shift.data(),
                                           count * unit.size.width, unit.out.pitch, memory.values, false);
        return memory.values;
    }

    // Adds rows [first, last) to the gradient of a unit's matrices, whose inputs are computed again.
    void add_mix(const Unit& unit, const UnitWeights<Sum>& packed, const Pass& pass, const Sum* source,
                 const Sum* values, std::int64_t first, std::int64_t last, const Sums<Sum>& sums,
                 const PassWorkspace<Sum>& memory) const {
        if (unit.mix.empty()) return;
        const std::int64_t width = unit.size.width;
        const auto add = [&](const void* const* sources, const Sum* gradient, std::int64_t count) {
            unit.out.kernels->outer_row(sources, static_cast<std::int64_t>(unit.mix.size()), gradient, count,
                                        unit.in.sums(), unit.in.pitch, unit.out.pitch, sums.current);
        };
        if (unit.depthwise != kAbsent) {
            run_.unit_lines(unit, pass, packed.plane, source, first, memory.lines);
            unit.in.kernels->depthwise_rows(memory.lines, run_.line_step(pass, packed.plane),
                                            packed.taps.view(), packed.depthwise.data(), last - first, width,
                                            unit.in.pitch, memory.row, width * unit.in.pitch, false);
            const void* convolved = memory.row;
            return add(&convolved, values, (last - first) * width);
        }
        for (std::int64_t i = first; i < last; ++i) {
            run_.unit_lines(unit, pass, packed.plane, source, i, memory.lines);
            add(memory.lines, values + (i - first) * width * unit.out.pitch, width);
        }
    }

    // A row of the gradient of what a depthwise convolution gives, between zeros.
    void convolved_gradient(const Unit& unit, const UnitWeights<Sum>& packed, const Sum* values,
                            Sum* line) const {
        const std::int64_t width = unit.size.width, pitch = unit.in.pitch;
        Sum* target = line + packed.gradient_taps.left * pitch;
        std::fill(line, target, Sum{0});
        std::fill(target + width * pitch, line + packed.gradient_taps.pixels * pitch, Sum{0});
        const void* mixed = values;
        if (unit.mix.empty())
            std::copy_n(values, width * pitch, target);
        else
            unit.in.kernels->mix_row(&mixed, 1, packed.mix_transposed.data(), width, unit.out.sums(),
                                     unit.out.pitch, pitch, target, false);
    }

    // The data gradient of matrices that read the plane themselves.
    void scatter(const Unit& unit, const UnitWeights<Sum>& packed, const Pass& pass, Sum* plane_gradient,
                 const Sum* value_gradient, std::int64_t o, const Piece& piece) const {
        const std::int64_t plane_sums = pixels_of(packed.plane) * pass.layout.pitch;
        const void* mixed = value_gradient;
        for (std::size_t t = 0; t < unit.mix.size(); ++t) {
            const std::int64_t r = o * unit.stride + unit.mix[t].row;
            if (r < piece.first || r >= piece.last) continue;
            Sum* target = plane_gradient + r * plane_sums +
                          pixel_of(packed.plane, unit.mix[t].column) * pass.layout.pitch;
            unit.in.kernels->mix_row(
                &mixed, 1,
                packed.mix_transposed.data() + static_cast<std::int64_t>(t) * unit.out.sums() * unit.in.pitch,
                unit.size.width, unit.out.sums(), unit.out.pitch, unit.in.pitch, target, true);
        }
    }

    // The data gradient of a depthwise convolution.
    void gather(const Unit& unit, const UnitWeights<Sum>& packed, const Pass& pass, Sum* plane_gradient,
                const Sum* output_gradient, bool overwrite, const Piece& piece,
                const PassWorkspace<Sum>& memory) const {
        const GradientTaps& taps = packed.gradient_taps;
        const std::int64_t gradient_sums = taps.pixels * unit.in.pitch;
        const std::int64_t plane_sums = pixels_of(packed.plane) * pass.layout.pitch;
        const std::int64_t together = run_.rows_together(pass.size.width, unit.in.pitch) * unit.stride;
        for (std::int64_t first = piece.first; first < piece.last; first += together)
            for (std::int64_t r = first; r < std::min(first + unit.stride, piece.last); ++r) {
                // Rows a stride apart share their taps.
                const std::int64_t rows =
                    ceiling_division(std::min(first + together, piece.last) - r, unit.stride);
                const auto& row_class =
                    taps.classes[static_cast<std::size_t>((r + unit.padding) % unit.stride)];
                for (std::size_t i = 0; i < row_class.kernel_rows.size(); ++i) {
                    const std::int64_t o =
                        (r + unit.padding - row_class.kernel_rows[i] * unit.dilation) / unit.stride;
                    memory.lines[i] = output_gradient + o * gradient_sums;
                }
                for (const auto& residue : row_class.residues) {
                    if (residue.rows.empty()) continue;
                    const Taps view{residue.rows.data(), static_cast<std::int64_t>(residue.rows.size()),
                                    taps.spacing};
                    unit.in.kernels->depthwise_rows(
                        memory.lines, gradient_sums, view, packed.depthwise_gradient.data(), rows,
                        residue.count, unit.in.pitch,
                        plane_gradient + r * plane_sums + residue.first * unit.in.pitch,
                        unit.stride * plane_sums, !overwrite);
                }
            }
    }

    const CellGradients<Sum>& gradients_;
    const CellRun<Sum>& run_;
};

}  // namespace efficient_nas::ops
