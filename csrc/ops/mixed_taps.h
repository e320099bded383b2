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

// Rows [first, last) a step apart for which the same lines [line_first, line_last) are inside of what is
// read; the others would be zeros, and are left out.
struct RowRun {
    std::int64_t first, last, line_first, line_last;
};
// For each row the run that it is in.
class RowRuns {
  public:
    RowRuns() = default;
    // lines_of(row): the run of a row by itself.
    template <typename LinesOf>
    RowRuns(std::int64_t rows, std::int64_t step, const LinesOf& lines_of) {
        for (std::int64_t row = 0; row < rows; ++row) runs_.push_back(lines_of(row));
        for (std::int64_t row = rows - step; row-- > 0;) {
            RowRun& run = runs_[static_cast<std::size_t>(row)];
            const RowRun& next = runs_[static_cast<std::size_t>(row + step)];
            if (run.line_first == next.line_first && run.line_last == next.line_last) run.last = next.last;
        }
    }
    // The rows that follow `first` and come before `last`.
    RowRun from(std::int64_t first, std::int64_t last) const {
        RowRun run = runs_[static_cast<std::size_t>(first)];
        run.last = run.last < last ? run.last : last;
        return run;
    }

  private:
    std::vector<RowRun> runs_;
};
// Of output rows: which rows of the kernel read inside of an image of so many rows.
RowRuns forward_runs(const Unit& unit, std::int64_t height);

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

const GradientTaps::RowClass& row_class(const Unit& unit, const GradientTaps& taps, std::int64_t r);
// The output row that row r of the image reads by kernel_rows[line] of its class.
std::int64_t gradient_output(const Unit& unit, const GradientTaps& taps, std::int64_t r, std::int64_t line);
// Of an image's rows, a stride apart: which of those lines are inside of the output.
RowRuns gradient_runs(const Unit& unit, const GradientTaps& taps, std::int64_t height);

}  // namespace efficient_nas::ops
