// Blocks of neighbouring pixels whose sums stay in registers, for translation units that are compiled once
// for each instruction set. Internal linkage throughout, see depthwise_simd.cpp.
#pragma once

#include "vector_types.h"

namespace efficient_nas::ops {
namespace {

// Pixels whose sums are in registers at the same time: enough for additions not to wait for each other.
constexpr int kPixels = 8;

// Whether registers hold the sums of a block, two rows of operands and some more: about 25.
#if EFFNAS_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr bool kManyRegisters = true;  // 32
#else
constexpr bool kManyRegisters = false;
#endif

// The same address, of which the compiler no longer knows how it relates to others. It would keep the address
// of each pixel of a block in a register, or rather, having fewer, on the stack.
template <typename T>
inline T* opaque(T* address) {
    __asm__("" : "+r"(address));
    return address;
}

// Calls work(p, address of pixel p) for p < Pixels, pixels being `pitch` apart.
template <int Pixels, typename T, typename Work>
inline void for_addresses(T* address, std::int64_t pitch, const Work& work) {
    EFFNAS_UNROLL
    for (int p = 0; p < Pixels; ++p) {
        work(p, address + p % 4 * pitch);
        if (p % 4 == 3 && p + 1 < Pixels) address = opaque(address + 4 * pitch);
    }
}

// Calls run for [column, columns) in runs of Pixels, then of half as many, ..., 1.
template <int Pixels, typename Run>
inline void for_pixels(std::int64_t column, std::int64_t columns, const Run& run) {
    for (; column + Pixels <= columns; column += Pixels) run(Constant<Pixels>{}, column);
    if constexpr (Pixels > 1) for_pixels<Pixels / 2>(column, columns, run);
}

}  // namespace
}  // namespace efficient_nas::ops
