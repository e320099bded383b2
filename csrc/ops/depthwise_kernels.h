// What depthwise.cpp asks of the kernels of one SIMD path: plain data, so that nothing inline is shared
// between translation units that are compiled for different instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace efficient_nas::ops {

// Taps first_tap + k, k < taps. For output column j they read pixel column + j + k * spacing of row `row` of
// the tile, counted from the first row that the output row reads.
struct DepthwiseTapRow {
    std::int64_t row, column, first_tap, taps;
};

// Output pixels (first_row + i * row_stride, first_column + j * column_stride) that share their taps: all of
// them in the forward pass, those of one residue in the data gradient of a strided convolution.
struct DepthwisePhase {
    std::int64_t first_row, first_column, rows, columns;
    std::int64_t first_tap_row, tap_rows;
};

// A correlation: each output pixel is a sum of taps over a zero-padded copy of the input, the tile.
//
// A tile holds one vector of channels a pixel, and only the row_span rows that one output row reads: a ring,
// into which each row of the input is copied once, so that all taps read from the first-level cache. Its
// columns are sorted by residue modulo `residues`, the column stride: neighbours in the output then read
// neighbours.
struct DepthwisePass {
    std::int64_t channels;
    std::int64_t input_rows, input_columns, output_rows, output_columns;
    std::int64_t top, left;  // rows and columns of zeros before the input; negative ones are cut
    std::int64_t residues, residue_pitch;  // a row of the tile has residues * residue_pitch pixels
    std::int64_t row_step, row_span;       // row i of a phase reads padded rows i * row_step + [0, row_span)
    std::int64_t row_stride, column_stride;  // of the output pixels of a phase
    std::int64_t band_rows;                  // rows of a phase that one call computes
    const DepthwisePhase* phases;
    const DepthwiseTapRow* tap_rows;
    std::int64_t num_phases, num_tap_rows, num_taps;
    std::int64_t spacing;  // of the taps of a row, in pixels
};

// Memory of one thread, aligned to 64 bytes.
struct DepthwiseWorkspace {
    void* tile;          // row_span rows of vectors of sums
    void* sums;          // num_taps vectors of sums, for `accumulate`
    const void** lines;  // num_tap_rows
};

// Both work on channels [first, first + count) of one band of one image.
struct DepthwiseKernel {
    std::int64_t lanes;
    // weights: [taps][lanes] in the precision of the sums, aligned to 64 bytes.
    void (*correlate)(const DepthwisePass& pass, const void* image, const void* weights, void* output,
                      std::int64_t first, std::int64_t count, std::int64_t band,
                      const DepthwiseWorkspace& workspace);
    // Adds to totals [taps][lanes] the products of the output gradient and the input.
    void (*accumulate)(const DepthwisePass& pass, const void* image, const void* gradient, double* totals,
                       std::int64_t first, std::int64_t count, std::int64_t band,
                       const DepthwiseWorkspace& workspace);
};

// Widest first; the last one is used for what remains of the channels however few they are.
struct DepthwiseKernels {
    const DepthwiseKernel* widths;
    std::size_t count;
};

struct DepthwisePath {
    DepthwiseKernels float32, float64, bfloat16;
};

extern const DepthwisePath kDepthwiseBaseline;
#if defined(EFFNAS_X86_PATHS)
extern const DepthwisePath kDepthwiseAvx2;
extern const DepthwisePath kDepthwiseAvx512;
#endif

}  // namespace efficient_nas::ops
