// Rows of depthwise convolutions and of their gradients. Internal linkage, see mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

template <typename Sum, int Lanes>
void depthwise_row(const void* const* lines, const Taps& taps, const void* weights, std::int64_t count,
                   std::int64_t pitch, void* target, bool add) {
    using Values = Vector<Sum, Lanes>;
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        for_pixels<kPixels>(0, count, [&](auto run, std::int64_t j) {
            constexpr int kRun = decltype(run)::value;
            Sum* pixels = static_cast<Sum*>(target) + j * pitch + v;
            Values sums[kRun] = {};
            if (add) {
                EFFNAS_UNROLL
                for (int p = 0; p < kRun; ++p) sums[p] = load<Lanes>(pixels + p * pitch);
            }
            for (std::int64_t r = 0; r < taps.num_rows; ++r) {
                const TapRow& row = taps.rows[r];
                const Sum* line = static_cast<const Sum*>(lines[row.line]) + (row.column + j) * pitch + v;
                const Sum* weight = static_cast<const Sum*>(weights) + row.first_tap * pitch + v;
                const auto unrolled = [&](auto num_taps, auto spacing) {
                    const Window<kRun, num_taps.value, spacing.value, Values> window(
                        [&](int p) { return load<Lanes>(line + p * pitch); });
                    EFFNAS_UNROLL
                    for (int k = 0; k < num_taps.value; ++k) {
                        const Values of_tap = load<Lanes>(weight + k * pitch);
                        EFFNAS_UNROLL
                        for (int p = 0; p < kRun; ++p)
                            sums[p] += of_tap * window.pixels[p + k * spacing.value];
                    }
                };
                if (with_constants<kRun>(row.taps, taps.spacing, unrolled)) continue;
                for (std::int64_t k = 0; k < row.taps; ++k, line += taps.spacing * pitch, weight += pitch) {
                    const Values of_tap = load<Lanes>(weight);
                    EFFNAS_UNROLL
                    for (int p = 0; p < kRun; ++p) sums[p] += of_tap * load<Lanes>(line + p * pitch);
                }
            }
            EFFNAS_UNROLL
            for (int p = 0; p < kRun; ++p) store<Lanes>(sums[p], pixels + p * pitch);
        });
}

// Adds to sums[k], k < Count, what neighbouring taps of one row read times the gradient. Each sum has two
// chains of additions, so that an addition's latency is not waited for.
template <int Count, int Lanes, typename Sum>
inline void outer_taps(const Sum* line, const Sum* gradient, std::int64_t spacing, std::int64_t count,
                       std::int64_t pitch, Sum* sums) {
    Vector<Sum, Lanes> of_taps[Count][2] = {};
    for_pixels<kPixels>(0, count, [&](auto run, std::int64_t j) {
        EFFNAS_UNROLL
        for (int p = 0; p < run.value; ++p) {
            const auto of_pixel = load<Lanes>(gradient + (j + p) * pitch);
            EFFNAS_UNROLL
            for (int k = 0; k < Count; ++k)
                of_taps[k][p % 2] += of_pixel * load<Lanes>(line + (j + p + k * spacing) * pitch);
        }
    });
    EFFNAS_UNROLL
    for (int k = 0; k < Count; ++k)
        store<Lanes>(load<Lanes>(sums + k * pitch) + (of_taps[k][0] + of_taps[k][1]), sums + k * pitch);
}

template <typename Sum, int Lanes>
void depthwise_outer_row(const void* const* lines, const Taps& taps, const void* gradient, std::int64_t count,
                         std::int64_t pitch, void* sums) {
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        for (std::int64_t r = 0; r < taps.num_rows; ++r) {
            const TapRow& row = taps.rows[r];
            const Sum* of_pixels = static_cast<const Sum*>(gradient) + v;
            for (std::int64_t k = 0; k < row.taps;) {
                const std::int64_t column = row.column + k * taps.spacing;
                const Sum* line = static_cast<const Sum*>(lines[row.line]) + column * pitch + v;
                Sum* target = static_cast<Sum*>(sums) + (row.first_tap + k) * pitch + v;
                const auto outer = [&](auto num_taps) {
                    outer_taps<num_taps.value, Lanes>(line, of_pixels, taps.spacing, count, pitch, target);
                    k += num_taps.value;
                };
                switch (row.taps - k) {
                    case 1:
                        outer(Constant<1>{});
                        break;
                    case 2:
                    case 4:
                        outer(Constant<2>{});
                        break;
                    case 3:
                        outer(Constant<3>{});
                        break;
                    default:
                        outer(Constant<5>{});
                }
            }
        }
}

}  // namespace
}  // namespace efficient_nas::ops
