// Products of rows and matrices: pointwise convolutions and their gradients. Internal linkage, see
// mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

// A block of sums is this many vectors times kPixels pixels (mix_rows) or channels (outer_row), twice as many
// where there is one vector only.
constexpr int kBlockVectors = kManyRegisters ? 2 : 1;
constexpr int kBlock = kManyRegisters ? 16 : 8;

// Calls run for [begin, count) in runs of Most, then once for what remains.
template <int Most, typename Run>
inline void for_blocks(std::int64_t begin, std::int64_t count, const Run& run) {
    for (; begin + Most <= count; begin += Most) run(Constant<Most>{}, begin);
    if constexpr (Most > 1)
        if (begin < count) for_blocks<(Most > kPixels ? kPixels : Most - 1)>(begin, count, run);
}

// Calls run for [0, pitch), a number of full vectors, in runs of kBlockVectors vectors, then of one.
template <int Lanes, typename Run>
inline void for_vectors(std::int64_t pitch, const Run& run) {
    std::int64_t v = 0;
    for (; v + kBlockVectors * Lanes <= pitch; v += kBlockVectors * Lanes) run(Constant<kBlockVectors>{}, v);
    if constexpr (kBlockVectors > 1)
        if (v < pitch) run(Constant<1>{}, v);
}

// sums[p][v] += sum over Channels channels i of source[p][i] * weights[i][v].
template <int Channels, int Lanes, int Pixels, int Vectors, typename Sum, typename Values>
inline void mix_channels(const Sum* source, std::int64_t source_pitch, const Sum* weights,
                         std::int64_t weight_pitch, Values (&sums)[Pixels][Vectors]) {
    Values of_channels[Channels][Vectors];
    for_addresses<Channels>(weights, weight_pitch, [&](int i, const Sum* of_channel) {
        EFFNAS_UNROLL
        for (int v = 0; v < Vectors; ++v) of_channels[i][v] = load<Lanes>(of_channel + v * Lanes);
    });
    EFFNAS_UNROLL
    for (int p = 0; p < Pixels; ++p) {
        EFFNAS_UNROLL
        for (int i = 0; i < Channels; ++i) {
            EFFNAS_UNROLL
            for (int v = 0; v < Vectors; ++v) sums[p][v] += source[i] * of_channels[i][v];
        }
        source = opaque(source + source_pitch);
    }
}

// One row of mix_rows, source_offset sums behind where the sources begin.
template <typename Sum, int Lanes>
inline void mix_row(const void* const* sources, std::int64_t num_sources, std::int64_t source_offset,
                    const void* weights, std::int64_t count, std::int64_t channels, std::int64_t source_pitch,
                    std::int64_t target_pitch, void* target, bool add) {
    for_vectors<Lanes>(target_pitch, [&](auto vectors, std::int64_t offset) {
        constexpr int kVectors = decltype(vectors)::value;
        for_blocks<kBlock / kVectors>(0, count, [&](auto run, std::int64_t j) {
            constexpr int kRun = decltype(run)::value;
            Sum* pixels = static_cast<Sum*>(target) + j * target_pitch + offset;
            Vector<Sum, Lanes> sums[kRun][kVectors] = {};
            if (add)
                for_addresses<kRun>(pixels, target_pitch, [&](int p, const Sum* pixel) {
                    EFFNAS_UNROLL
                    for (int v = 0; v < kVectors; ++v) sums[p][v] = load<Lanes>(pixel + v * Lanes);
                });
            const Sum* weight = static_cast<const Sum*>(weights) + offset;
            for (std::int64_t t = 0; t < num_sources; ++t) {
                const Sum* source = static_cast<const Sum*>(sources[t]) + source_offset + j * source_pitch;
                constexpr int kChannels = kManyRegisters ? 4 : 1;
                std::int64_t i = 0;
                for (; i + kChannels <= channels; i += kChannels, weight += kChannels * target_pitch)
                    mix_channels<kChannels, Lanes>(source + i, source_pitch, weight, target_pitch, sums);
                for (; i < channels; ++i, weight += target_pitch)
                    mix_channels<1, Lanes>(source + i, source_pitch, weight, target_pitch, sums);
            }
            for_addresses<kRun>(pixels, target_pitch, [&](int p, Sum* pixel) {
                EFFNAS_UNROLL
                for (int v = 0; v < kVectors; ++v) store<Lanes>(sums[p][v], pixel + v * Lanes);
            });
        });
    });
}

template <typename Sum, int Lanes>
void mix_rows(const void* const* sources, std::int64_t num_sources, std::int64_t source_step,
              const void* weights, std::int64_t rows, std::int64_t count, std::int64_t channels,
              std::int64_t source_pitch, std::int64_t target_pitch, void* target, std::int64_t target_step,
              bool add) {
    if (source_step == count * source_pitch && target_step == count * target_pitch) {
        count *= rows;
        rows = 1;
    }
    for (std::int64_t row = 0; row < rows; ++row)
        mix_row<Sum, Lanes>(sources, num_sources, row * source_step, weights, count, channels, source_pitch,
                            target_pitch, static_cast<Sum*>(target) + row * target_step, add);
}

template <typename Sum, int Lanes>
void outer_row(const void* const* sources, std::int64_t num_sources, const void* gradient, std::int64_t count,
               std::int64_t channels, std::int64_t source_pitch, std::int64_t gradient_pitch, void* sums) {
    for (std::int64_t t = 0; t < num_sources; ++t)
        for_vectors<Lanes>(gradient_pitch, [&](auto vectors, std::int64_t offset) {
            constexpr int kVectors = decltype(vectors)::value;
            for_blocks<kBlock / kVectors>(0, channels, [&](auto run, std::int64_t i) {
                constexpr int kRun = decltype(run)::value;
                Sum* target = static_cast<Sum*>(sums) + (t * channels + i) * gradient_pitch + offset;
                const Sum* source = static_cast<const Sum*>(sources[t]) + i;
                const Sum* of_pixels = static_cast<const Sum*>(gradient) + offset;
                Vector<Sum, Lanes> products[kRun][kVectors];
                for_addresses<kRun>(target, gradient_pitch, [&](int c, const Sum* of_channel) {
                    EFFNAS_UNROLL
                    for (int v = 0; v < kVectors; ++v) products[c][v] = load<Lanes>(of_channel + v * Lanes);
                });
                for (std::int64_t j = 0; j < count;
                     ++j, source += source_pitch, of_pixels += gradient_pitch) {
                    EFFNAS_UNROLL
                    for (int v = 0; v < kVectors; ++v) {
                        const auto of_pixel = load<Lanes>(of_pixels + v * Lanes);
                        EFFNAS_UNROLL
                        for (int c = 0; c < kRun; ++c) products[c][v] += source[c] * of_pixel;
                    }
                }
                for_addresses<kRun>(target, gradient_pitch, [&](int c, Sum* of_channel) {
                    EFFNAS_UNROLL
                    for (int v = 0; v < kVectors; ++v) store<Lanes>(products[c][v], of_channel + v * Lanes);
                });
            });
        });
}

}  // namespace
}  // namespace efficient_nas::ops
