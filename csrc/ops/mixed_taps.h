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
    Taps view() const { return {rows.data(), static_cast<std::int64_t>(rows.size()), spacing}; }
};
DepthwiseTaps forward_taps(const Unit& unit, const PlaneRow& plane);

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

}  // namespace efficient_nas::ops
