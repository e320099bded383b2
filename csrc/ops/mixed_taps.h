// Which pixels of padded, residue-sorted rows (PlaneRow) the taps of a unit read.
#pragma once

#include <cstdint>
#include <vector>

#include "mixed_kernels.h"
#include "mixed_program.h"

namespace efficient_nas::ops {

inline std::int64_t floor_division(std::int64_t a, std::int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}
inline std::int64_t ceiling_division(std::int64_t a, std::int64_t b) { return -floor_division(-a, b); }

// The row of a plane that holds what the units of a pass read.
PlaneRow plane_of(const Pass& pass);
inline std::int64_t pixels_of(const PlaneRow& plane) { return plane.residues * plane.residue_pitch; }
// The pixel of a plane for a column of the image.
inline std::int64_t pixel_of(const PlaneRow& plane, std::int64_t column) {
    return (column + plane.left) % plane.residues * plane.residue_pitch +
           (column + plane.left) / plane.residues;
}

// A depthwise convolution: line u is the row of the kernel's row u.
struct DepthwiseTaps {
    std::vector<TapRow> rows;
    std::vector<std::int64_t> weight_taps;  // position in the kernel of each tap
    std::int64_t spacing = 1;
    std::int64_t of_line = 1;  // entries of `rows` for each line
    // Of lines [first, last).
    Taps view(std::int64_t first, std::int64_t last) const {
        return {rows.data() + first * of_line, (last - first) * of_line, spacing};
    }
};
DepthwiseTaps forward_taps(const Unit& unit, const PlaneRow& plane);

// Output rows [first, last) whose taps read inside of the image with the same rows of the kernel, those in
// [kernel_first, kernel_last); the others read zeros, and are left out.
struct RowRun {
    std::int64_t first, last, kernel_first, kernel_last;
};
// The run of output rows that begins with `first` and ends before `last`.
RowRun row_run(const Unit& unit, std::int64_t height, std::int64_t first, std::int64_t last);

// Its data gradient. Rows of the image whose distance r + padding has the same residue modulo the stride
// share their taps, and so do the columns of one residue of the plane.
struct GradientTaps {
    struct Residue {
        std::int64_t first, count;  // pixels of the plane that are in the image
        std::vector<TapRow> rows;   // line i is the gradient's row for kernel row kernel_rows[i]
    };
    struct RowClass {
        std::vector<std::int64_t> kernel_rows;
        std::vector<Residue> residues;
    };
    std::vector<RowClass> classes;
    std::vector<std::int64_t> weight_taps;
    std::int64_t spacing = 1;
    std::int64_t left = 0, pixels = 0;  // zeros before a row of the output's gradient, and its whole length
};
GradientTaps gradient_taps(const Unit& unit, const PlaneRow& plane);

// What row r of the image reads of the output's gradient: by kernel_rows[i] of its class the output row
// gradient_output(..., i), which is inside of the output for i in gradient_lines().
struct GradientLines {
    std::int64_t first, last;
    bool operator==(const GradientLines&) const = default;
};
const GradientTaps::RowClass& row_class(const Unit& unit, const GradientTaps& taps, std::int64_t r);
std::int64_t gradient_output(const Unit& unit, const GradientTaps& taps, std::int64_t r, std::int64_t i);
GradientLines gradient_lines(const Unit& unit, const GradientTaps& taps, std::int64_t r);

}  // namespace efficient_nas::ops
