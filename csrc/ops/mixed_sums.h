// Weighted sums of rows, and products of rows with a gradient. Internal linkage, see mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "mixed_rows.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

template <typename Sum, int Lanes>
void weighted_sum_row(const void* const* rows, const void* const* scales, const void* const* means,
                      std::int64_t num_rows, const void* base, std::int64_t count, std::int64_t pitch,
                      void* target, bool add) {
    for_pixels<kPixels>(0, count, [&](auto run, std::int64_t j) {
        constexpr int kRun = decltype(run)::value;
        for (std::int64_t v = 0; v < pitch; v += Lanes) {
            const std::int64_t first = j * pitch + v;
            Sum* pixels = static_cast<Sum*>(target) + first;
            const auto start = load<Lanes>(static_cast<const Sum*>(base) + v);
            Vector<Sum, Lanes> sums[kRun];
            EFFNAS_UNROLL
            for (int p = 0; p < kRun; ++p) sums[p] = start;
            if (add)
                for_addresses<kRun>(pixels, pitch,
                                    [&](int p, const Sum* pixel) { sums[p] += load<Lanes>(pixel); });
            for (std::int64_t t = 0; t < num_rows; ++t) {
                const auto scale = load<Lanes>(static_cast<const Sum*>(scales[t]) + v);
                const auto mean = load<Lanes>(static_cast<const Sum*>(means[t]) + v);
                const Sum* row = static_cast<const Sum*>(rows[t]) + first;
                for_addresses<kRun>(row, pitch, [&](int p, const Sum* pixel) {
                    prefetch_next(pixel);
                    sums[p] += scale * (load<Lanes>(pixel) - mean);
                });
            }
            for_addresses<kRun>(pixels, pitch, [&](int p, Sum* pixel) { store<Lanes>(sums[p], pixel); });
        }
    });
}

// products[t] += sum over j of gradient[j] * (rows[t][j] - means[t]), t < Rows, in one vector of each pixel.
// Each sum has two chains of additions, so that an addition's latency is not waited for.
template <int Rows, int Lanes, typename Sum>
inline void dot(const Sum* gradient, const void* const* rows, const void* const* means, std::int64_t count,
                std::int64_t pitch, std::int64_t offset, void* const* products) {
    Vector<Sum, Lanes> sums[Rows][2] = {}, of_means[Rows];
    const Sum* pixels[Rows];
    EFFNAS_UNROLL
    for (int t = 0; t < Rows; ++t) {
        of_means[t] = load<Lanes>(static_cast<const Sum*>(means[t]) + offset);
        pixels[t] = static_cast<const Sum*>(rows[t]) + offset;
    }
    for_pixels<2>(0, count, [&](auto run, std::int64_t j) {
        EFFNAS_UNROLL
        for (int p = 0; p < run.value; ++p) {
            const auto of_pixel = load<Lanes>(gradient + (j + p) * pitch);
            EFFNAS_UNROLL
            for (int t = 0; t < Rows; ++t) {
                const Sum* pixel = pixels[t] + (j + p) * pitch;
                prefetch_next(pixel);
                sums[t][p] += of_pixel * (load<Lanes>(pixel) - of_means[t]);
            }
        }
    });
    EFFNAS_UNROLL
    for (int t = 0; t < Rows; ++t) {
        Sum* product = static_cast<Sum*>(products[t]) + offset;
        store<Lanes>(load<Lanes>(product) + (sums[t][0] + sums[t][1]), product);
    }
}

template <typename Sum, int Lanes>
void dot_rows(const void* gradient, const void* const* rows, const void* const* means, std::int64_t num_rows,
              std::int64_t count, std::int64_t pitch, void* const* products, void* total) {
    for (std::int64_t v = 0; v < pitch; v += Lanes) {
        const Sum* of_pixels = static_cast<const Sum*>(gradient) + v;
        PixelSum<Lanes, Sum> sum;
        for_pixels<kChains>(0, count, [&](auto run, std::int64_t j) {
            EFFNAS_UNROLL
            for (int p = 0; p < run.value; ++p) sum.parts[p] += load<Lanes>(of_pixels + (j + p) * pitch);
        });
        sum.add_to(static_cast<Sum*>(total) + v);
        for_pixels<4>(0, num_rows, [&](auto run, std::int64_t t) {
            dot<run.value, Lanes>(of_pixels, rows + t, means + t, count, pitch, v, products + t);
        });
    }
}

}  // namespace
}  // namespace efficient_nas::ops
