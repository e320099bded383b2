// How a depthwise convolution's channels are cut into vectors, and its weights arranged for them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "depthwise_kernels.h"

namespace efficient_nas::ops {

// Channels [first, first + count), by one kernel. offset: lanes of the blocks before it.
struct ChannelBlock {
    const DepthwiseKernel* kernel;
    std::int64_t first, count, offset;
};

// Vectors of the greatest width as long as they are full, then the narrowest one that holds the rest.
inline std::vector<ChannelBlock> channel_blocks(const DepthwiseKernels& kernels, std::int64_t channels) {
    std::vector<ChannelBlock> blocks;
    std::int64_t offset = 0;
    for (std::int64_t first = 0; first < channels;) {
        const std::int64_t rest = channels - first;
        const DepthwiseKernel* kernel = kernels.widths;
        for (std::size_t i = 1; i < kernels.count && kernels.widths[i].lanes >= rest; ++i)
            kernel = kernels.widths + i;
        blocks.push_back({kernel, first, std::min(rest, kernel->lanes), offset});
        first += kernel->lanes;
        offset += kernel->lanes;
    }
    return blocks;
}

// What is stored and what sums are kept in. bfloat16 is the upper half of a float32, rounded to nearest, ties
// to even; a NaN stays one.
struct Float32 {
    using Element = float;
    using Sum = float;
    static float widened(float value) { return value; }
    static float narrowed(double value) { return static_cast<float>(value); }
};

struct Float64 {
    using Element = double;
    using Sum = double;
    static double widened(double value) { return value; }
    static double narrowed(double value) { return value; }
};

struct Bfloat16Bits {
    using Element = std::uint16_t;
    using Sum = float;
    static float widened(std::uint16_t value) {
        const std::uint32_t bits = std::uint32_t{value} << 16;
        float single;
        std::memcpy(&single, &bits, sizeof(single));
        return single;
    }
    static std::uint16_t narrowed(double value) {
        const auto single = static_cast<float>(value);
        std::uint32_t bits;
        std::memcpy(&bits, &single, sizeof(bits));
        const std::uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
        return static_cast<std::uint16_t>((single != single ? bits | 0x400000u : rounded) >> 16);
    }
};

// Weights [C, kernel] as [block][tap][lane] for the given taps of the kernel; zero in lanes beyond the
// channels.
template <typename Storage>
void pack_weights(const std::vector<ChannelBlock>& blocks, const std::vector<std::int64_t>& taps,
                  std::int64_t kernel, const typename Storage::Element* weight,
                  typename Storage::Sum* packed) {
    for (const ChannelBlock& block : blocks)
        for (const std::int64_t tap : taps)
            for (std::int64_t lane = 0; lane < block.kernel->lanes; ++lane)
                *packed++ = lane < block.count ? Storage::widened(weight[(block.first + lane) * kernel + tap])
                                               : typename Storage::Sum{0};
}

}  // namespace efficient_nas::ops
