// Products of rows and matrices: pointwise convolutions and their gradients. Internal linkage, see
// mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

// A block of sums is kPixels (mix_row) or kPixels channels (outer_row) times this many vectors.
constexpr int kBlockVectors = kManyRegisters ? 2 : 1;

// Calls run for [0, count) in runs of Most, then once for what remains.
template <int Most, typename Run>
inline void for_blocks(std::int64_t begin, std::int64_t count, const Run& run) {
    for (; begin + Most <= count; begin += Most) run(Constant<Most>{}, begin);
    if constexpr (Most > 1)
        if (begin < count) for_blocks<Most - 1>(begin, count, run);
}

// Calls run for [0, pitch), a number of full vectors, in runs of kBlockVectors vectors, then of one.
template <int Lanes, typename Run>
inline void for_vectors(std::int64_t pitch, const Run& run) {
    std::int64_t v = 0;
    for (; v + kBlockVectors * Lanes <= pitch; v += kBlockVectors * Lanes) run(Constant<kBlockVectors>{}, v);
    for (; v < pitch; v += Lanes) run(Constant<1>{}, v);
}

template <int Vectors, int Lanes, typename Sum>
struct VectorRun {
    Vector<Sum, Lanes> values[Vectors];
    static VectorRun at(const Sum* source) {
        VectorRun run;
        EFFNAS_UNROLL
        for (int v = 0; v < Vectors; ++v) run.values[v] = load<Lanes>(source + v * Lanes);
        return run;
    }
    void store_at(Sum* target) const {
        EFFNAS_UNROLL
        for (int v = 0; v < Vectors; ++v) store<Lanes>(values[v], target + v * Lanes);
    }
    void add_product(Sum factor, const VectorRun& other) {
        EFFNAS_UNROLL
        for (int v = 0; v < Vectors; ++v) values[v] += factor * other.values[v];
    }
};

template <typename Sum, int Lanes>
void mix_row(const void* const* sources, std::int64_t num_sources, const void* weights, std::int64_t count,
             std::int64_t channels, std::int64_t source_pitch, std::int64_t target_pitch, void* target,
             bool add) {
    for_vectors<Lanes>(target_pitch, [&](auto vectors, std::int64_t v) {
        for_blocks<kPixels>(0, count, [&](auto run, std::int64_t j) {
            constexpr int kRun = decltype(run)::value;
            using Run = VectorRun<decltype(vectors)::value, Lanes, Sum>;
            Sum* pixels = static_cast<Sum*>(target) + j * target_pitch + v;
            Run sums[kRun] = {};
            if (add) {
                EFFNAS_UNROLL
                for (int p = 0; p < kRun; ++p) sums[p] = Run::at(pixels + p * target_pitch);
            }
            const Sum* weight = static_cast<const Sum*>(weights) + v;
            for (std::int64_t t = 0; t < num_sources; ++t) {
                const Sum* source = static_cast<const Sum*>(sources[t]) + j * source_pitch;
                for (std::int64_t i = 0; i < channels; ++i, weight += target_pitch) {
                    const Run of_channel = Run::at(weight);
                    EFFNAS_UNROLL
                    for (int p = 0; p < kRun; ++p)
                        sums[p].add_product(source[p * source_pitch + i], of_channel);
                }
            }
            EFFNAS_UNROLL
            for (int p = 0; p < kRun; ++p) sums[p].store_at(pixels + p * target_pitch);
        });
    });
}

template <typename Sum, int Lanes>
void outer_row(const void* const* sources, std::int64_t num_sources, const void* gradient, std::int64_t count,
               std::int64_t channels, std::int64_t source_pitch, std::int64_t gradient_pitch, void* sums) {
    for (std::int64_t t = 0; t < num_sources; ++t)
        for_vectors<Lanes>(gradient_pitch, [&](auto vectors, std::int64_t v) {
            for_blocks<kPixels>(0, channels, [&](auto run, std::int64_t i) {
                constexpr int kRun = decltype(run)::value;
                using Run = VectorRun<decltype(vectors)::value, Lanes, Sum>;
                Sum* target = static_cast<Sum*>(sums) + (t * channels + i) * gradient_pitch + v;
                const Sum* source = static_cast<const Sum*>(sources[t]) + i;
                const Sum* of_pixels = static_cast<const Sum*>(gradient) + v;
                Run products[kRun];
                EFFNAS_UNROLL
                for (int c = 0; c < kRun; ++c) products[c] = Run::at(target + c * gradient_pitch);
                for (std::int64_t j = 0; j < count;
                     ++j, source += source_pitch, of_pixels += gradient_pitch) {
                    const Run of_pixel = Run::at(of_pixels);
                    EFFNAS_UNROLL
                    for (int c = 0; c < kRun; ++c) products[c].add_product(source[c], of_pixel);
                }
                EFFNAS_UNROLL
                for (int c = 0; c < kRun; ++c) products[c].store_at(target + c * gradient_pitch);
            });
        });
}

}  // namespace
}  // namespace efficient_nas::ops
