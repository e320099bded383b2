// How a depthwise convolution's channels are cut into vectors, and its weights arranged for them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "depthwise_kernels.h"

namespace efficient_nas::ops {

// All channels in groups of at most most_vectors vectors. These have the greatest width as long as they are
// full; the rest is in the narrowest one that holds it.
inline std::vector<DepthwiseChannels> channel_groups(const DepthwiseKernels& kernels, std::int64_t channels,
                                                     std::int64_t most_vectors) {
    std::vector<DepthwiseChannels> groups;
    for (std::int64_t first = 0; first < channels;) {
        const std::int64_t left = channels - first;
        DepthwiseChannels group{first, std::min(left / kernels.lanes, most_vectors), 0, 0, 0};
        if (group.full < most_vectors) {
            group.rest = left % kernels.lanes;
            if (group.rest > 0) {
                group.rest_lanes = kernels.least_lanes;
                while (group.rest_lanes < group.rest) group.rest_lanes *= 2;
            }
        }
        group.lanes = group.full * kernels.lanes + group.rest_lanes;
        first += group.full * kernels.lanes + group.rest;
        groups.push_back(group);
    }
    return groups;
}

// Calls visit(first channel, channels, lanes) for each vector of all groups, in the order of their lanes.
template <typename Visit>
void for_each_vector(const std::vector<DepthwiseChannels>& groups, const DepthwiseKernels& kernels,
                     const Visit& visit) {
    for (const DepthwiseChannels& group : groups) {
        for (std::int64_t v = 0; v < group.full; ++v)
            visit(group.first + v * kernels.lanes, kernels.lanes, kernels.lanes);
        if (group.rest > 0) visit(group.first + group.full * kernels.lanes, group.rest, group.rest_lanes);
    }
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

// Weights [C, kernel] as [vector][tap][lane] for the given taps of the kernel; zero in lanes beyond the
// channels.
template <typename Storage>
void pack_weights(const std::vector<DepthwiseChannels>& groups, const DepthwiseKernels& kernels,
                  const std::vector<std::int64_t>& taps, std::int64_t kernel,
                  const typename Storage::Element* weight, typename Storage::Sum* packed) {
    for_each_vector(groups, kernels, [&](std::int64_t first, std::int64_t count, std::int64_t lanes) {
        for (const std::int64_t tap : taps)
            for (std::int64_t lane = 0; lane < lanes; ++lane)
                *packed++ = lane < count ? Storage::widened(weight[(first + lane) * kernel + tap])
                                         : typename Storage::Sum{0};
    });
}

}  // namespace efficient_nas::ops
