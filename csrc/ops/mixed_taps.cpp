#include "mixed_taps.h"

#include <algorithm>
#include <numeric>

namespace efficient_nas::ops {

PlaneRow plane_of(const Pass& pass) {
    const std::int64_t outputs = ceiling_division(pass.size.width, pass.stride);
    const std::int64_t reach = (outputs - 1) * pass.stride + pass.after + 1;
    const std::int64_t width = pass.before + std::max(pass.size.width, reach);
    return {pass.size.width, pass.before, pass.stride, ceiling_division(width, pass.stride)};
}

DepthwiseTaps forward_taps(const Unit& unit, const PlaneRow& plane) {
    DepthwiseTaps taps;
    const std::int64_t divisor = std::gcd(unit.stride, unit.dilation), step = unit.stride / divisor;
    taps.spacing = unit.dilation / divisor;
    taps.of_line = std::min(step, unit.kernel);
    for (std::int64_t u = 0; u < unit.kernel; ++u)
        for (std::int64_t v = 0; v < taps.of_line; ++v) {
            const auto first = static_cast<std::int64_t>(taps.weight_taps.size());
            for (std::int64_t tap = v; tap < unit.kernel; tap += step)
                taps.weight_taps.push_back(u * unit.kernel + tap);
            taps.rows.push_back({u, pixel_of(plane, v * unit.dilation - unit.padding), first,
                                 static_cast<std::int64_t>(taps.weight_taps.size()) - first});
        }
    return taps;
}

RowRuns forward_runs(const Unit& unit, std::int64_t height) {
    // Kernel row u reads row o * stride - padding + u * dilation.
    return {unit.size.height, 1, [&](std::int64_t o) {
                const std::int64_t begin = unit.padding - o * unit.stride;
                const std::int64_t first =
                    std::clamp<std::int64_t>(ceiling_division(begin, unit.dilation), 0, unit.kernel);
                return RowRun{
                    o, o + 1, first,
                    std::clamp(ceiling_division(begin + height, unit.dilation), first, unit.kernel)};
            }};
}

GradientTaps gradient_taps(const Unit& unit, const PlaneRow& plane) {
    const std::int64_t stride = unit.stride, dilation = unit.dilation;
    GradientTaps taps;
    taps.spacing = dilation / std::gcd(stride, dilation);
    std::int64_t last = unit.size.width - 1;
    // Output column j reads column j * stride - padding + v * dilation for tap v.
    const auto output_column = [&](std::int64_t column, std::int64_t v) {
        return floor_division(column + unit.padding - v * dilation, stride);
    };
    const auto reads = [&](std::int64_t position, std::int64_t v) {
        return (position + unit.padding - v * dilation) % stride == 0;
    };
    for (std::int64_t a = 0; a < stride; ++a) {
        GradientTaps::RowClass row_class;
        for (std::int64_t u = 0; u < unit.kernel; ++u)
            if ((a - u * dilation) % stride == 0) row_class.kernel_rows.push_back(u);
        for (std::int64_t residue = 0; residue < stride; ++residue) {
            // Pixel i of the residue is column i * stride + residue - left.
            const std::int64_t begin =
                std::max<std::int64_t>(0, ceiling_division(plane.left - residue, stride));
            const std::int64_t end = ceiling_division(plane.columns + plane.left - residue, stride);
            if (end <= begin) continue;
            GradientTaps::Residue of_residue{residue * plane.residue_pitch + begin, end - begin, {}};
            const std::int64_t column = begin * stride + residue - plane.left;
            for (std::size_t line = 0; line < row_class.kernel_rows.size(); ++line) {
                const auto first = static_cast<std::int64_t>(taps.weight_taps.size());
                std::int64_t first_column = 0;
                for (std::int64_t v = unit.kernel - 1; v >= 0; --v) {
                    if (!reads(column, v)) continue;
                    const std::int64_t j = output_column(column, v);
                    if (static_cast<std::int64_t>(taps.weight_taps.size()) == first) first_column = j;
                    taps.weight_taps.push_back(row_class.kernel_rows[line] * unit.kernel + v);
                    taps.left = std::max(taps.left, -j);
                    last = std::max(last, j + of_residue.count - 1);
                }
                const auto count = static_cast<std::int64_t>(taps.weight_taps.size()) - first;
                if (count > 0)
                    of_residue.rows.push_back({static_cast<std::int64_t>(line), first_column, first, count});
            }
            row_class.residues.push_back(std::move(of_residue));
        }
        taps.classes.push_back(std::move(row_class));
    }
    taps.pixels = taps.left + last + 1;
    for (auto& row_class : taps.classes)
        for (auto& residue : row_class.residues)
            for (TapRow& row : residue.rows) row.column += taps.left;
    return taps;
}

const GradientTaps::RowClass& row_class(const Unit& unit, const GradientTaps& taps, std::int64_t r) {
    return taps.classes[static_cast<std::size_t>((r + unit.padding) % unit.stride)];
}

std::int64_t gradient_output(const Unit& unit, const GradientTaps& taps, std::int64_t r, std::int64_t line) {
    const std::int64_t u = row_class(unit, taps, r).kernel_rows[static_cast<std::size_t>(line)];
    return floor_division(r + unit.padding - u * unit.dilation, unit.stride);
}

RowRuns gradient_runs(const Unit& unit, const GradientTaps& taps, std::int64_t height) {
    return {height, unit.stride, [&](std::int64_t r) {
                // A later row of the kernel reads an earlier one of the output.
                auto last = static_cast<std::int64_t>(row_class(unit, taps, r).kernel_rows.size());
                std::int64_t first = 0;
                while (first < last && gradient_output(unit, taps, r, first) >= unit.size.height) ++first;
                while (first < last && gradient_output(unit, taps, r, last - 1) < 0) --last;
                return RowRun{r, r + 1, first, last};
            }};
}

}  // namespace efficient_nas::ops
