// What the fused mixed operation asks of the kernels of one SIMD path: plain data, so that nothing inline is
// shared between translation units that are compiled for different instruction sets.
//
// All kernels work on rows: `count` neighbouring pixels of `pitch` sums each (float, or double for float64),
// where the pitch is the number of channels rounded up to full vectors; a row of weights or coefficients
// holds `pitch` sums too. Only load_row and store_row know how elements are stored (float32, float64,
// bfloat16). Rows need not be aligned. Lanes beyond the channels hold zeros in what load_row makes and in all
// weights and coefficients, hence everywhere. Sums are accumulated in an order that depends on the arguments
// alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace efficient_nas::ops {

enum class Activation : std::int32_t { kNone, kRelu, kRelu6 };

// activation(scale * (value - mean) + shift); scale = nullptr: activation(value). NaN passes through every
// activation, as in torch.
struct Prologue {
    Activation activation;
    const void *mean, *scale, *shift;  // rows of coefficients
};

// A row of a padded image with its columns sorted by residue modulo the stride, so that what neighbouring
// outputs of a strided operation read are neighbours: column c, -left <= c < residues * residue_pitch - left,
// is pixel (c + left) % residues * residue_pitch + (c + left) / residues. Columns outside of the image, which
// has `columns` of them, hold zeros.
struct PlaneRow {
    std::int64_t columns, left, residues, residue_pitch;
};

// Taps first_tap + k, k < taps. For output pixel j they read pixel column + j + k * spacing of `line`, an
// index into the lines that the caller gives.
struct TapRow {
    std::int64_t line, column, first_tap, taps;
};

struct Taps {
    const TapRow* rows;
    std::int64_t num_rows, spacing;
};

struct PoolWindow {
    std::int64_t kernel, stride, padding, columns;  // columns: of the image
};

struct MixedKernels {
    std::int64_t lanes;

    // target, a whole row of the plane = the prologue of `columns` pixels, the first `channels` elements of
    // each `source_pitch`; zeros around them. source = nullptr: zeros everywhere.
    void (*load_row)(const void* source, std::int64_t source_pitch, std::int64_t channels,
                     const PlaneRow& plane, const Prologue& prologue, void* target, std::int64_t pitch);

    // Stores the first `channels` sums of each pixel of row, rounded to the elements' type (nothing where
    // target = nullptr), and adds row - pivot to `sums`, its square to `squares` (nothing where sums =
    // nullptr).
    void (*store_row)(const void* row, std::int64_t count, std::int64_t pitch, std::int64_t channels,
                      void* target, std::int64_t target_pitch, const void* pivot, void* sums, void* squares);

    // target[j] (+)= sum of taps of weights[tap] * lines[.][.]: a depthwise convolution, or its data
    // gradient. Of `rows` rows alike: a row's lines begin line_step sums behind those of the row before, its
    // target target_step sums.
    void (*depthwise_rows)(const void* const* lines, std::int64_t line_step, const Taps& taps,
                           const void* weights, std::int64_t rows, std::int64_t count, std::int64_t pitch,
                           void* target, std::int64_t target_step, bool add);

    // sums[tap] += sum over rows and j of gradient[j] * what the tap reads for j: the gradient of the
    // weights.
    void (*depthwise_outer_rows)(const void* const* lines, std::int64_t line_step, const Taps& taps,
                                 const void* gradient, std::int64_t gradient_step, std::int64_t rows,
                                 std::int64_t count, std::int64_t pitch, void* sums);

    // target[j][o] (+)= sum over t < sources and i < channels of sources[t][j][i] * weights[t][i][o], of
    // `rows` rows alike, which begin source_step and target_step sums behind the one before. A pixel of a
    // source has source_pitch sums, one of the target target_pitch, a row of weights too.
    void (*mix_rows)(const void* const* sources, std::int64_t num_sources, std::int64_t source_step,
                     const void* weights, std::int64_t rows, std::int64_t count, std::int64_t channels,
                     std::int64_t source_pitch, std::int64_t target_pitch, void* target,
                     std::int64_t target_step, bool add);

    // sums[t][i][o] += sum over j of sources[t][j][i] * gradient[j][o], laid out as the weights of mix_rows.
    void (*outer_row)(const void* const* sources, std::int64_t num_sources, const void* gradient,
                      std::int64_t count, std::int64_t channels, std::int64_t source_pitch,
                      std::int64_t gradient_pitch, void* sums);

    // Row of a pool. lines: the image's rows that the window's kernel rows read, nullptr for those outside of
    // the image; never all of them. A maximum keeps NaN; a mean counts what is inside of the image. scratch:
    // a row of window.columns pixels.
    void (*max_pool_row)(const void* const* lines, const PoolWindow& window, std::int64_t count,
                         std::int64_t pitch, void* target, void* scratch);
    void (*average_pool_row)(const void* const* lines, const PoolWindow& window, std::int64_t count,
                             std::int64_t pitch, void* target, void* scratch);

    // Adds the gradient of a row of a pool to the image's rows `targets` (nullptr: not wanted), one for each
    // of the lines. Of equal maxima the first in reading order (by lines, then columns) gets it, as in torch.
    // maxima: what max_pool_row gave.
    void (*max_pool_gradient_row)(const void* const* lines, const PoolWindow& window, const void* maxima,
                                  const void* gradient, std::int64_t count, std::int64_t pitch,
                                  void* const* targets);
    // num_lines: how many of the kernel's rows are inside of the image, for the mean's divisor.
    void (*average_pool_gradient_row)(const PoolWindow& window, const void* gradient, std::int64_t num_lines,
                                      std::int64_t count, std::int64_t pitch, void* const* targets);

    // target = base + sum over t of scales[t] * (rows[t] - means[t]); base, scales[t] and means[t] are rows
    // of coefficients. add: to what target holds.
    void (*weighted_sum_row)(const void* const* rows, const void* const* scales, const void* const* means,
                             std::int64_t num_rows, const void* base, std::int64_t count, std::int64_t pitch,
                             void* target, bool add);

    // products[t] += sum over j of gradient[j] * (rows[t][j] - means[t]), and total += sum of gradient.
    void (*dot_rows)(const void* gradient, const void* const* rows, const void* const* means,
                     std::int64_t num_rows, std::int64_t count, std::int64_t pitch, void* const* products,
                     void* total);

    // Backwards through a prologue. gradient, a row of a plane, is with respect to its result, `values` are
    // what it was applied to: columns pixels of `pitch`. target[c] = (add: target[c]) + gradient *
    // activation'(...), without the factor `scale`. Where sums is given: sums += target, products += target *
    // (value - mean).
    void (*prologue_gradient_row)(const void* gradient, const PlaneRow& plane, const void* values,
                                  const Prologue& prologue, std::int64_t pitch, void* target, bool add,
                                  void* sums, void* products);
};

// Widest vectors first. float64 has narrow ones only.
struct MixedWidths {
    const MixedKernels* widths;
    std::size_t count;
};

struct MixedPath {
    MixedWidths float32, float64, bfloat16;
};

extern const MixedPath kMixedBaseline;
#if defined(EFFNAS_X86_PATHS)
extern const MixedPath kMixedAvx2;
extern const MixedPath kMixedAvx512;
#endif

// The kernels of the path in use (simd_path.h).
const MixedPath& mixed_path();

}  // namespace efficient_nas::ops
