#include "depthwise_pass.h"

#include <algorithm>
#include <numeric>

namespace efficient_nas::ops {
namespace {

// Pixels of a band: few enough for a large image to be shared by threads, and for its sums in float32 to be
// exact to about eager's error; many enough for the rows that two bands both copy into their tiles.
constexpr std::int64_t kBandPixels = 4096;

// One dimension of the data gradient.
struct Residues {
    struct Tap {
        std::int64_t tap, index;  // position in the kernel; position in the output gradient for i = 0
    };
    struct Residue {
        std::int64_t first = 0, count = 0;  // input positions first + i * stride, i < count
        std::vector<Tap> taps{};
    };
    std::vector<Residue> residues;
    std::int64_t before = 0, span = 1, longest = 0;

    Residues(const DepthwiseShape& shape, std::size_t side) {
        const std::int64_t input = shape.input[side], stride = shape.stride[side];
        std::vector<std::int64_t> indices;
        const std::int64_t phases = std::min(stride, input);
        for (std::int64_t first = 0; first < phases; ++first) {
            Residue residue{first, (input - first - 1) / stride + 1};
            for (std::int64_t tap = shape.kernel[side] - 1; tap >= 0; --tap) {  // by growing index
                const std::int64_t position = first + shape.padding[side] - tap * shape.dilation[side];
                if (position % stride == 0) residue.taps.push_back({tap, position / stride});
            }
            for (const Tap& tap : residue.taps) indices.push_back(tap.index);
            longest = std::max(longest, residue.count);
            residues.push_back(residue);
        }
        if (indices.empty()) return;
        const auto [least, most] = std::minmax_element(indices.begin(), indices.end());
        before = -*least;
        span = *most - *least + 1;
    }
};

// A side with one output position has no stride; a huge one would make tiles wide for nothing.
DepthwiseShape without_idle_strides(DepthwiseShape shape) {
    const auto extent = shape.output();
    for (std::size_t side = 0; side < 2; ++side)
        if (extent[side] == 1) shape.stride[side] = 1;
    return shape;
}

}  // namespace

DepthwisePlan DepthwisePlan::forward(const DepthwiseShape& given) {
    const DepthwiseShape shape = without_idle_strides(given);
    DepthwisePlan plan;
    DepthwisePass& pass = plan.pass_;
    const auto [rows, columns] = given.output();
    const auto [kernel_rows, kernel_columns] = shape.kernel;
    const std::int64_t stride = shape.stride[1];
    pass.channels = shape.channels;
    pass.input_rows = shape.input[0], pass.input_columns = shape.input[1];
    pass.output_rows = rows, pass.output_columns = columns;
    pass.top = shape.padding[0];
    pass.residues = stride;
    pass.residue_pitch = columns + (kernel_columns - 1) * shape.dilation[1] / stride;
    pass.row_step = shape.stride[0];
    pass.row_span = (kernel_rows - 1) * shape.dilation[0] + 1;
    pass.row_stride = 1, pass.column_stride = 1;
    // Taps that read the same residue are every `step`-th one.
    const std::int64_t divisor = std::gcd(stride, shape.dilation[1]), step = stride / divisor;
    pass.spacing = shape.dilation[1] / divisor;
    // Rows of as many taps follow each other.
    for (std::int64_t v = 0; v < std::min(step, kernel_columns); ++v)
        for (std::int64_t u = 0; u < kernel_rows; ++u) {
            const std::int64_t column = v * shape.dilation[1];
            const auto first_tap = static_cast<std::int64_t>(plan.weight_taps_.size());
            for (std::int64_t tap = v; tap < kernel_columns; tap += step)
                plan.weight_taps_.push_back(u * kernel_columns + tap);
            plan.tap_rows_.push_back({u * shape.dilation[0],
                                      column % stride * pass.residue_pitch + column / stride, first_tap,
                                      static_cast<std::int64_t>(plan.weight_taps_.size()) - first_tap});
        }
    plan.phases_.push_back({0, 0, rows, columns, 0, static_cast<std::int64_t>(plan.tap_rows_.size())});
    plan.set_residues(shape.padding[1]);
    plan.set_bands();
    return plan;
}

DepthwisePlan DepthwisePlan::input_gradient(const DepthwiseShape& given) {
    const DepthwiseShape shape = without_idle_strides(given);
    DepthwisePlan plan;
    DepthwisePass& pass = plan.pass_;
    const Residues vertical(shape, 0), horizontal(shape, 1);
    const auto [rows, columns] = given.output();
    pass.channels = shape.channels;
    pass.input_rows = rows, pass.input_columns = columns;
    pass.output_rows = shape.input[0], pass.output_columns = shape.input[1];
    pass.top = vertical.before;
    pass.residues = 1;
    pass.residue_pitch = horizontal.longest + horizontal.span - 1;
    pass.row_step = 1;
    pass.row_span = vertical.span;
    pass.row_stride = shape.stride[0], pass.column_stride = shape.stride[1];
    pass.spacing = shape.dilation[1] / std::gcd(shape.stride[1], shape.dilation[1]);
    for (const auto& of_rows : vertical.residues)
        for (const auto& of_columns : horizontal.residues) {
            const auto first_tap_row = static_cast<std::int64_t>(plan.tap_rows_.size());
            for (const auto& row : of_rows.taps) {
                if (of_columns.taps.empty()) continue;
                plan.tap_rows_.push_back({row.index + pass.top,
                                          of_columns.taps.front().index + horizontal.before,
                                          static_cast<std::int64_t>(plan.weight_taps_.size()),
                                          static_cast<std::int64_t>(of_columns.taps.size())});
                for (const auto& column : of_columns.taps)
                    plan.weight_taps_.push_back(row.tap * shape.kernel[1] + column.tap);
            }
            plan.phases_.push_back({of_rows.first, of_columns.first, of_rows.count, of_columns.count,
                                    first_tap_row,
                                    static_cast<std::int64_t>(plan.tap_rows_.size()) - first_tap_row});
        }
    plan.set_residues(horizontal.before);
    plan.set_bands();
    return plan;
}

void DepthwisePlan::set_residues(std::int64_t left) {
    const std::int64_t step = pass_.residues;
    for (std::int64_t residue = 0; residue < step; ++residue) {
        // Pixel j is column j * step + shift of the input.
        const std::int64_t shift = residue - left, columns = pass_.input_columns - shift;
        const std::int64_t end = std::min(columns <= 0 ? 0 : (columns - 1) / step + 1, pass_.residue_pitch);
        const std::int64_t begin = std::min(shift < 0 ? (step - 1 - shift) / step : 0, end);
        residues_.push_back({begin, end, shift + begin * step});
    }
}

void DepthwisePlan::set_bands() {
    const DepthwisePhase& phase = phases_.front();
    const std::int64_t rows =
        std::max(kBandPixels / std::max<std::int64_t>(1, phase.columns), 2 * pass_.row_span);
    pass_.band_rows = std::clamp<std::int64_t>(rows, 1, std::max<std::int64_t>(1, phase.rows));
}

DepthwisePass DepthwisePlan::pass() const {
    DepthwisePass pass = pass_;
    pass.phases = phases_.data();
    pass.tap_rows = tap_rows_.data();
    pass.residue_columns = residues_.data();
    pass.num_phases = static_cast<std::int64_t>(phases_.size());
    pass.num_tap_rows = static_cast<std::int64_t>(tap_rows_.size());
    pass.num_taps = static_cast<std::int64_t>(weight_taps_.size());
    return pass;
}

std::int64_t DepthwisePlan::bands() const {
    return (phases_.front().rows + pass_.band_rows - 1) / pass_.band_rows;
}

}  // namespace efficient_nas::ops
