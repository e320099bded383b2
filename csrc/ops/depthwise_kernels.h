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

// Pixels [begin, end) of a residue of the tile are columns `column`, `column` + residues, ... of the input;
// the others are zero.
struct DepthwiseResidue {
    std::int64_t begin, end, column;
};

// A correlation: each output pixel is a sum of taps over a zero-padded copy of the input, the tile.
//
// A tile holds only the row_span rows that one output row reads: a ring, into which each row of the input is
// copied once, so that all taps read from the nearest cache. A row is a plane of pixels for each vector of
// channels. Its columns are sorted by residue modulo `residues`, the column stride: neighbours in the output
// then read neighbours.
struct DepthwisePass {
    std::int64_t channels;
    std::int64_t input_rows, input_columns, output_rows, output_columns;
    std::int64_t top;                      // rows of zeros before the input; negative ones are cut
    std::int64_t residues, residue_pitch;  // a row of the tile has residues * residue_pitch pixels
    std::int64_t row_step, row_span;       // row i of a phase reads padded rows i * row_step + [0, row_span)
    std::int64_t row_stride, column_stride;  // of the output pixels of a phase
    std::int64_t band_rows;                  // rows of a phase that one call computes
    const DepthwisePhase* phases;
    const DepthwiseTapRow* tap_rows;
    const DepthwiseResidue* residue_columns;
    std::int64_t num_phases, num_tap_rows, num_taps;
    std::int64_t spacing;  // of the taps of a row, in pixels
};

// Channels from `first`: `full` vectors of the instruction set's width, then `rest` channels in a vector of
// rest_lanes. Together they have `lanes` lanes.
struct DepthwiseChannels {
    std::int64_t first, full, rest, rest_lanes, lanes;
};

// Taps first_tap + k, k < taps, that read pixel column + j + k * spacing of a row of the tile.
struct DepthwiseTapLine {
    const void* row;
    std::int64_t column, first_tap, taps;
};

// Memory of one thread, aligned to 64 bytes.
struct DepthwiseWorkspace {
    void* tile;               // row_span rows of `lanes` sums a pixel
    void* sums;               // [num_taps][lanes], for `accumulate`
    void* gradients;          // output_columns vectors, for `accumulate`
    DepthwiseTapLine* lines;  // num_tap_rows
};

// Both work on one band of `images` images that follow each other.
struct DepthwiseKernels {
    std::int64_t lanes, least_lanes;  // of the widest and the narrowest vector
    // weights: for each vector of channels [taps][lanes], in the precision of the sums, aligned to 64 bytes.
    void (*correlate)(const DepthwisePass& pass, const DepthwiseChannels& channels, std::int64_t images,
                      std::int64_t band, const void* input, const void* weights, void* output,
                      const DepthwiseWorkspace& workspace);
    // Adds to totals, laid out as weights, the products of the output gradient and the input.
    void (*accumulate)(const DepthwisePass& pass, const DepthwiseChannels& channels, std::int64_t images,
                       std::int64_t band, const void* input, const void* gradient, double* totals,
                       const DepthwiseWorkspace& workspace);
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
