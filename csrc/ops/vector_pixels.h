// Blocks of neighbouring pixels whose sums stay in registers, for translation units that are compiled once
// for each instruction set. Internal linkage throughout, see depthwise_simd.cpp.
#pragma once

#include "vector_types.h"

namespace efficient_nas::ops {
namespace {

// Pixels whose sums are in registers at the same time: enough for additions not to wait for each other.
constexpr int kPixels = 8;

// Sums, gradients and the pixels of a row of five taps: about 25 registers.
#if EFFNAS_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr bool kManyRegisters = true;  // 32
#else
constexpr bool kManyRegisters = false;
#endif

// Where registers hold all pixels that a row of taps reads, each is loaded once: calls work(taps, spacing),
// as constants, for the rows of common kernels, and says whether it did.
template <int Pixels, typename Work>
inline bool with_constants(std::int64_t taps, std::int64_t spacing, const Work& work) {
    if constexpr (kManyRegisters && Pixels == kPixels) {
        if (spacing == 1) {
            if (taps == 3) return work(Constant<3>{}, Constant<1>{}), true;
            if (taps == 5) return work(Constant<5>{}, Constant<1>{}), true;
            if (taps == 2) return work(Constant<2>{}, Constant<1>{}), true;
        } else if (spacing == 2) {
            if (taps == 3) return work(Constant<3>{}, Constant<2>{}), true;
            if (taps == 5) return work(Constant<5>{}, Constant<2>{}), true;
        }
    }
    return false;
}

// load_pixel(p) for the pixels that Pixels neighbouring outputs read through a row of taps.
template <int Pixels, int Taps, int Spacing, typename Sum>
struct Window {
    static constexpr int kSize = Pixels + (Taps - 1) * Spacing;
    Sum pixels[kSize];
    template <typename LoadPixel>
    explicit Window(const LoadPixel& load_pixel) {
        EFFNAS_UNROLL
        for (int p = 0; p < kSize; ++p) pixels[p] = load_pixel(p);
    }
};

// Calls run for [column, columns) in runs of Pixels, then of half as many, ..., 1.
template <int Pixels, typename Run>
inline void for_pixels(std::int64_t column, std::int64_t columns, const Run& run) {
    for (; column + Pixels <= columns; column += Pixels) run(Constant<Pixels>{}, column);
    if constexpr (Pixels > 1) for_pixels<Pixels / 2>(column, columns, run);
}

}  // namespace
}  // namespace efficient_nas::ops
