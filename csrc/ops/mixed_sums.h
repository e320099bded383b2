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
            if (add) {
                EFFNAS_UNROLL
                for (int p = 0; p < kRun; ++p) sums[p] += load<Lanes>(pixels + p * pitch);
            }
            for (std::int64_t t = 0; t < num_rows; ++t) {
                const auto scale = load<Lanes>(static_cast<const Sum*>(scales[t]) + v);
                const auto mean = load<Lanes>(static_cast<const Sum*>(means[t]) + v);
                const Sum* row = static_cast<const Sum*>(rows[t]) + first;
                EFFNAS_UNROLL
                for (int p = 0; p < kRun; ++p) sums[p] += scale * (load<Lanes>(row + p * pitch) - mean);
            }
            EFFNAS_UNROLL
            for (int p = 0; p < kRun; ++p) store<Lanes>(sums[p], pixels + p * pitch);
        }
    });
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
        for (std::int64_t t = 0; t < num_rows; ++t) {
            const Sum* row = static_cast<const Sum*>(rows[t]) + v;
            const auto mean = load<Lanes>(static_cast<const Sum*>(means[t]) + v);
            PixelSum<Lanes, Sum> product;
            for_pixels<kChains>(0, count, [&](auto run, std::int64_t j) {
                EFFNAS_UNROLL
                for (int p = 0; p < run.value; ++p)
                    product.parts[p] += load<Lanes>(of_pixels + (j + p) * pitch) *
                                        (load<Lanes>(row + (j + p) * pitch) - mean);
            });
            product.add_to(static_cast<Sum*>(products[t]) + v);
        }
    }
}

}  // namespace
}  // namespace efficient_nas::ops
