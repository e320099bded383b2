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
        Sum* output_gradient = memory.output_gradient - first * gradient_sums;
        const bool weigh = mix_sums.size + depthwise_sums.size > 0;
        const std::int64_t together = run_.rows_together(width, std::max(unit.in.pitch, unit.out.pitch));
        for (std::int64_t o = first, end = first; o < last; o = end) {
            const bool owned = owned_first <= o && o < owned_last;
            end = std::min({o + together, last, o < owned_first ? owned_first : owned ? owned_last : last});
            const Sum* values = value_gradients(index, piece.n, o, end - o, memory);
            if (owned && weigh) add_mix(unit, packed, pass, source, values, o, end, mix_sums, memory);
            if (!convolves && wants_source)
                scatter(unit, packed, pass, plane_gradient, values, o, end, piece);
            if (!convolves) continue;
            convolved_gradient(unit, packed, values, end - o, output_gradient + o * gradient_sums);
            if (!owned || !weigh) continue;
            for (RowRun run{o, o, 0, 0}; run.last < end;) {
                run = packed.runs.from(run.last, end);
                run_.unit_lines(unit, pass, packed.plane, source, run.first, memory.lines);
                unit.in.kernels->depthwise_outer_rows(
                    memory.lines, run_.line_step(pass, packed.plane),
                    packed.taps.view(run.line_first, run.line_last),
                    output_gradient + run.first * gradient_sums + packed.gradient_taps.left * unit.in.pitch,
                    gradient_sums, run.last - run.first, width, unit.in.pitch, depthwise_sums.current);
            }
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
            run_.convolve(unit, pass, packed, source, first, last, memory.lines, memory.row);
            const void* convolved = memory.row;
            return add(&convolved, values, (last - first) * width);
        }
        for (std::int64_t i = first; i < last; ++i) {
            run_.unit_lines(unit, pass, packed.plane, source, i, memory.lines);
            add(memory.lines, values + (i - first) * width * unit.out.pitch, width);
        }
    }

    // Rows of the gradient of what a depthwise convolution gives, between zeros.
    void convolved_gradient(const Unit& unit, const UnitWeights<Sum>& packed, const Sum* values,
                            std::int64_t rows, Sum* lines) const {
        const std::int64_t pitch = unit.in.pitch, row_sums = unit.size.width * pitch;
        const std::int64_t before = packed.gradient_taps.left * pitch;
        const std::int64_t step = packed.gradient_taps.pixels * pitch;
        for (std::int64_t i = 0; i < rows; ++i) {
            Sum* line = lines + i * step;
            std::fill_n(line, before, Sum{0});
            std::fill(line + before + row_sums, line + step, Sum{0});
            if (unit.mix.empty()) std::copy_n(values + i * row_sums, row_sums, line + before);
        }
        const void* mixed = values;
        if (!unit.mix.empty())
            unit.in.kernels->mix_rows(&mixed, 1, unit.size.width * unit.out.pitch,
                                      packed.mix_transposed.data(), rows, unit.size.width, unit.out.sums(),
                                      unit.out.pitch, pitch, lines + before, step, false);
    }

    // The data gradient of matrices that read the plane themselves, of rows [first, last).
    void scatter(const Unit& unit, const UnitWeights<Sum>& packed, const Pass& pass, Sum* plane_gradient,
                 const Sum* values, std::int64_t first, std::int64_t last, const Piece& piece) const {
        const std::int64_t plane_sums = pixels_of(packed.plane) * pass.layout.pitch;
        const std::int64_t row_sums = unit.size.width * unit.out.pitch;
        for (std::size_t t = 0; t < unit.mix.size(); ++t) {
            // Those whose tap is in the piece.
            const std::int64_t tap_row = unit.mix[t].row;
            const std::int64_t begin = std::max(first, ceiling_division(piece.first - tap_row, unit.stride));
            const std::int64_t end =
                std::min(last, floor_division(piece.last - 1 - tap_row, unit.stride) + 1);
            if (begin >= end) continue;
            const void* mixed = values + (begin - first) * row_sums;
            Sum* target = plane_gradient + (begin * unit.stride + tap_row) * plane_sums +
                          pixel_of(packed.plane, unit.mix[t].column) * pass.layout.pitch;
            unit.in.kernels->mix_rows(
                &mixed, 1, row_sums,
                packed.mix_transposed.data() + static_cast<std::int64_t>(t) * unit.out.sums() * unit.in.pitch,
                end - begin, unit.size.width, unit.out.sums(), unit.out.pitch, unit.in.pitch, target,
                unit.stride * plane_sums, true);
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
            for (std::int64_t shift = 0; shift < unit.stride; ++shift) {
                // Rows a stride apart share their taps, as far as these are inside of the output.
                const std::int64_t last = std::min(first + together, piece.last);
                for (std::int64_t r = first + shift, end = r; r < last; r = end) {
                    const RowRun run = packed.gradient_runs.from(r, last);
                    const std::int64_t rows = ceiling_division(run.last - r, unit.stride);
                    end = r + rows * unit.stride;
                    for (std::int64_t i = run.line_first; i < run.line_last; ++i)
                        memory.lines[i] = output_gradient + gradient_output(unit, taps, r, i) * gradient_sums;
                    gather_rows(unit, packed, run, memory.lines, rows, plane_gradient + r * plane_sums,
                                unit.stride * plane_sums, overwrite);
                }
            }
    }

    // Rows of a run.
    void gather_rows(const Unit& unit, const UnitWeights<Sum>& packed, const RowRun& run,
                     const void* const* lines, std::int64_t rows, Sum* target, std::int64_t target_step,
                     bool overwrite) const {
        const GradientTaps& taps = packed.gradient_taps;
        const std::int64_t num_lines = run.line_last - run.line_first, pitch = unit.in.pitch;
        for (const auto& residue : row_class(unit, taps, run.first).residues) {
            Sum* pixels = target + residue.first * pitch;
            if (!residue.rows.empty() && num_lines > 0)
                unit.in.kernels->depthwise_rows(
                    lines, taps.pixels * pitch,
                    {residue.rows.data() + run.line_first, num_lines, taps.spacing},
                    packed.depthwise_gradient.data(), rows, residue.count, pitch, pixels, target_step,
                    !overwrite);
            else if (overwrite)
                for (std::int64_t i = 0; i < rows; ++i)
                    std::fill_n(pixels + i * target_step, residue.count * pitch, Sum{0});
        }
    }

    const CellGradients<Sum>& gradients_;
    const CellRun<Sum>& run_;
};

}  // namespace efficient_nas::ops
