// One row of a depthwise convolution, and what it adds to the gradient of the weight, in one vector of
// channels. Internal linkage throughout, see depthwise_simd.cpp.
#pragma once

#include "depthwise_kernels.h"
#include "vector_pixels.h"
#include "vector_types.h"

namespace efficient_nas::ops {
namespace {

// Memory that will be written is on its way to the cache that many output pixels before.
constexpr std::int64_t kPixelsAhead = 32;

// Calls work(taps, spacing), as constants, for rows of taps of common kernels, and says whether it did.
template <typename Work>
inline bool with_constants(std::int64_t taps, std::int64_t spacing, const Work& work) {
    if (spacing == 1) {
        if (taps == 3) return work(Constant<3>{}, Constant<1>{}), true;
        if (taps == 5) return work(Constant<5>{}, Constant<1>{}), true;
        if (taps == 2) return work(Constant<2>{}, Constant<1>{}), true;
    } else if (spacing == 2) {
        if (taps == 3) return work(Constant<3>{}, Constant<2>{}), true;
        if (taps == 5) return work(Constant<5>{}, Constant<2>{}), true;
    }
    return false;
}

// Output pixels [j, j + Pixels), `step` elements apart, of rows of Taps taps, or of any if that is 0.
template <int Pixels, int Taps, int Spacing, typename Element, int Lanes>
inline void correlate_pixels(const DepthwiseTapLine* lines, std::int64_t num_lines, std::int64_t spacing,
                             std::int64_t plane, const SumOf<Element>* weights, std::int64_t j,
                             Element* output, std::int64_t step, std::int64_t count) {
    using Sum = SumOf<Element>;
    using Values = Vector<Sum, Lanes>;
    for_addresses<Pixels>(output + kPixelsAhead * step, step,
                          [](int, const Element* pixel) { __builtin_prefetch(pixel, 1); });
    Values sums[Pixels] = {};
    for (const DepthwiseTapLine* line = lines; line != lines + num_lines; ++line) {
        const auto* pixels =
            reinterpret_cast<const Values*>(static_cast<const Sum*>(line->row) + plane) + line->column + j;
        const auto* of_row = reinterpret_cast<const Values*>(weights) + line->first_tap;
        if constexpr (Taps > 0) {
            EFFNAS_UNROLL
            for (int k = 0; k < Taps; ++k) {
                EFFNAS_UNROLL
                for (int p = 0; p < Pixels; ++p) sums[p] += of_row[k] * pixels[p + k * Spacing];
            }
        } else {
            for (std::int64_t k = 0; k < line->taps; ++k, pixels += spacing) {
                EFFNAS_UNROLL
                for (int p = 0; p < Pixels; ++p) sums[p] += of_row[k] * pixels[p];
            }
        }
    }
    if (count == Lanes) {
        for_addresses<Pixels>(output, step, [&](int p, Element* pixel) { store<Lanes>(sums[p], pixel); });
    } else {
        Sum all[Pixels * Lanes];
        for_addresses<Pixels>(all, Lanes, [&](int p, Sum* pixel) { store<Lanes>(sums[p], pixel); });
        for (int p = 0; p < Pixels; ++p)
            store_first<Lanes>(load<Lanes>(all + p * Lanes), output + p * step, count);
    }
}

// `columns` output pixels, `step` elements apart. plane: where the channels' plane begins in a row of the
// tile, in lanes.
template <typename Element, int Lanes>
inline void correlate_row(const DepthwiseTapLine* lines, std::int64_t num_lines, std::int64_t spacing,
                          std::int64_t plane, const SumOf<Element>* weights, std::int64_t columns,
                          Element* output, std::int64_t step, std::int64_t count) {
    const auto with_taps = [&](auto taps, auto of_spacing) {
        const auto run = [&](auto pixels, std::int64_t j) {
            correlate_pixels<pixels.value, taps.value, of_spacing.value, Element, Lanes>(
                lines, num_lines, spacing, plane, weights, j, output + j * step, step, count);
        };
        std::int64_t j = 0;
        for (; j + kPixels <= columns; j += kPixels) run(Constant<kPixels>{}, j);
        // The last pixels once more, together with those that remain.
        if (j < columns) run(Constant<kPixels>{}, columns - kPixels);
    };
    const auto any_taps = [&](auto pixels, std::int64_t j) {
        correlate_pixels<pixels.value, 0, 0, Element, Lanes>(lines, num_lines, spacing, plane, weights, j,
                                                             output + j * step, step, count);
    };
    if (columns < kPixels) return for_pixels<kPixels / 2>(0, columns, any_taps);
    std::int64_t alike = 0;
    while (alike < num_lines && lines[alike].taps == lines->taps) ++alike;
    if (alike == num_lines && num_lines > 0 && with_constants(lines->taps, spacing, with_taps)) return;
    with_taps(Constant<0>{}, Constant<0>{});
}

// Sums of the taps of Rows rows += the products of the gradient and of what they read. They stay in registers
// for the whole row.
template <int Rows, int Taps, int Spacing, int Lanes, typename Sum>
inline void accumulate_taps(const DepthwiseTapLine* lines, std::int64_t plane, const Sum* gradient,
                            std::int64_t pitch, std::int64_t columns, Sum* sums) {
    using Values = Vector<Sum, Lanes>;
    constexpr int kRun = kManyRegisters ? 8 : 4;
    Values of_taps[Rows][Taps];
    const Values* pixels[Rows];
    EFFNAS_UNROLL
    for (int r = 0; r < Rows; ++r) {
        pixels[r] =
            reinterpret_cast<const Values*>(static_cast<const Sum*>(lines[r].row) + plane) + lines[r].column;
        EFFNAS_UNROLL
        for (int k = 0; k < Taps; ++k) of_taps[r][k] = load<Lanes>(sums + (lines[r].first_tap + k) * Lanes);
    }
    std::int64_t j = 0;
    for (; j + kRun <= columns; j += kRun) {
        Values gradients[kRun];
        for_addresses<kRun>(gradient + j * pitch, pitch,
                            [&](int p, const Sum* pixel) { gradients[p] = load<Lanes>(pixel); });
        EFFNAS_UNROLL
        for (int r = 0; r < Rows; ++r) {
            EFFNAS_UNROLL
            for (int column = 0; column < kRun + (Taps - 1) * Spacing; ++column) {
                const Values values = pixels[r][j + column];
                EFFNAS_UNROLL
                for (int k = 0; k < Taps; ++k) {
                    const int p = column - k * Spacing;
                    if (p >= 0 && p < kRun) of_taps[r][k] += gradients[p] * values;
                }
            }
        }
    }
    for (; j < columns; ++j) {
        const auto of_pixel = load<Lanes>(gradient + j * pitch);
        EFFNAS_UNROLL
        for (int r = 0; r < Rows; ++r) {
            EFFNAS_UNROLL
            for (int k = 0; k < Taps; ++k) of_taps[r][k] += of_pixel * pixels[r][j + k * Spacing];
        }
    }
    EFFNAS_UNROLL
    for (int r = 0; r < Rows; ++r) {
        EFFNAS_UNROLL
        for (int k = 0; k < Taps; ++k) store<Lanes>(of_taps[r][k], sums + (lines[r].first_tap + k) * Lanes);
    }
}

// The same for a row of any taps, one after the other. Four chains of additions, so that an addition's
// latency is not waited for.
template <int Lanes, typename Sum>
inline void accumulate_each_tap(const DepthwiseTapLine& line, std::int64_t spacing, std::int64_t plane,
                                const Sum* gradient, std::int64_t pitch, std::int64_t columns, Sum* sums) {
    using Values = Vector<Sum, Lanes>;
    constexpr int kChains = 4;
    for (std::int64_t k = 0; k < line.taps; ++k) {
        const auto* pixels = reinterpret_cast<const Values*>(static_cast<const Sum*>(line.row) + plane) +
                             line.column + k * spacing;
        Values chains[kChains] = {};
        std::int64_t j = 0;
        for (; j + kChains <= columns; j += kChains) {
            EFFNAS_UNROLL
            for (int p = 0; p < kChains; ++p)
                chains[p] += load<Lanes>(gradient + (j + p) * pitch) * pixels[j + p];
        }
        for (; j < columns; ++j) chains[0] += load<Lanes>(gradient + j * pitch) * pixels[j];
        Sum* of_tap = sums + (line.first_tap + k) * Lanes;
        store<Lanes>(load<Lanes>(of_tap) + ((chains[0] + chains[1]) + (chains[2] + chains[3])), of_tap);
    }
}

// How many of `rest` rows of as many taps are taken together: as many as registers hold the sums of.
template <int Taps>
constexpr std::int64_t rows_together(std::int64_t rest) {
    constexpr std::int64_t kSums = kManyRegisters ? 15 : 9, kMost = kSums / Taps < 3 ? kSums / Taps : 3;
    return rest == 4 && kMost == 3 ? 2 : rest < kMost ? rest : kMost;
}

// sums, by tap, += the products of `columns` pixels of the gradient, `pitch` elements apart, and of what the
// rows of taps read for them. copy: memory for a vector of each of those pixels.
template <typename Element, int Lanes>
inline void accumulate_row(const DepthwiseTapLine* lines, std::int64_t num_lines, std::int64_t spacing,
                           std::int64_t plane, const Element* gradient, std::int64_t pitch,
                           std::int64_t count, std::int64_t columns, SumOf<Element>* copy,
                           SumOf<Element>* sums) {
    using Sum = SumOf<Element>;
    // The next row is on its way from memory while this one is computed with.
    for (std::int64_t j = 0; j < columns; ++j) __builtin_prefetch(gradient + (columns + j) * pitch);
    const Sum* pixels = copy;
    if constexpr (!kIsBfloat16<Element>)
        if (count == Lanes) pixels = gradient;
    if (pixels == copy) {
        for (std::int64_t j = 0; j < columns; ++j)
            store<Lanes>(count == Lanes ? load<Lanes>(gradient + j * pitch)
                                        : load_first<Lanes>(gradient + j * pitch, count),
                         copy + j * Lanes);
        pitch = Lanes;
    }
    while (num_lines > 0) {
        std::int64_t alike = 1;
        while (alike < num_lines && lines[alike].taps == lines->taps) ++alike;
        num_lines -= alike;
        for (const DepthwiseTapLine* const end = lines + alike; lines != end;) {
            std::int64_t done = 1;
            const auto unrolled = [&](auto taps, auto of_spacing) {
                constexpr int kTaps = taps.value, kSpacing = of_spacing.value;
                done = rows_together<kTaps>(end - lines);
                if (kTaps < 5 || kManyRegisters)
                    if (done == 3)
                        return accumulate_taps<3, kTaps, kSpacing, Lanes>(lines, plane, pixels, pitch,
                                                                          columns, sums);
                if (done == 2)
                    return accumulate_taps<2, kTaps, kSpacing, Lanes>(lines, plane, pixels, pitch, columns,
                                                                      sums);
                accumulate_taps<1, kTaps, kSpacing, Lanes>(lines, plane, pixels, pitch, columns, sums);
            };
            if (!with_constants(lines->taps, spacing, unrolled))
                accumulate_each_tap<Lanes>(*lines, spacing, plane, pixels, pitch, columns, sums);
            lines += done;
        }
    }
}

}  // namespace
}  // namespace efficient_nas::ops
