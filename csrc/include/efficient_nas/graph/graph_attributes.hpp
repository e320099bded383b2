// Changes of one node's attributes: other operations, kernel sizes and strides.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "efficient_nas/fixed_vector.hpp"
#include "efficient_nas/graph/operations.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

inline constexpr std::array<std::int64_t, 4> kKernelSizes{1, 3, 5, 7};
inline constexpr std::array<std::int64_t, 3> kExpansions{1, 3, 6};

// The operations that `add` and `replace` draw from.
inline constexpr std::array<Operation, 15> kLayerOperations{
    Operation::kNorConv1x1, Operation::kNorConv3x3,  Operation::kSepConv3x3,      Operation::kSepConv5x5,
    Operation::kDilConv3x3, Operation::kDilConv5x5,  Operation::kMaxPool3x3,      Operation::kAvgPool3x3,
    Operation::kConv,       Operation::kConvBN,      Operation::kConvBNReLU,      Operation::kBNReLU,
    Operation::kMBConv,     Operation::kSkipConnect, Operation::kResNetBasicBlock};

// Whether a node is a layer between the input and the head that mutations may change, remove or follow.
inline bool is_layer(const Node& node) {
    switch (node.operation) {
        case Operation::kInput:
        case Operation::kOutput:
        case Operation::kNone:
        case Operation::kSum:
        case Operation::kConcat:
        case Operation::kGlobalAvgPool:
        case Operation::kLinear:
            return false;
        default:
            return true;
    }
}

// Whether a node has weights of its own for every pair of channels: what `deepen` repeats.
inline bool is_weighted(const Node& node) {
    return is_layer(node) && !keeps_channels(node) && !needs_even_channels(node);
}

// Whether the operation takes these channels and this stride.
inline bool fits(const Node& node) {
    const StrideRule stride = traits(node.operation).stride;
    if (stride == StrideRule::kOne && node.stride != 1) return false;
    if (stride == StrideRule::kTwo && node.stride != 2) return false;
    if (keeps_channels(node) && node.input_channels != node.output_channels) return false;
    return !needs_even_channels(node) || node.output_channels % 2 == 0;
}

// A node of a random layer operation that has the channels, stride and `affine` of `like` and differs from
// it. skips: whether it may be a skip_connect.
inline Node draw_layer(const Node& like, bool skips, RandomStream& random) {
    for (;;) {  // most draws fit: nine operations take any channels and stride
        Node node = like;
        node.operation = kLayerOperations[random.below(kLayerOperations.size())];
        const OperationTraits& rules = traits(node.operation);
        node.kernel_size = 0;
        node.expansion = 1;
        if (rules.takes_expansion) {
            node.kernel_size = kKernelSizes[1 + random.below(kKernelSizes.size() - 1)];
            node.expansion = kExpansions[random.below(kExpansions.size())];
        } else if (rules.takes_kernel_size) {
            node.kernel_size = kKernelSizes[random.below(kKernelSizes.size())];
        }
        if ((skips || node.operation != Operation::kSkipConnect) && fits(node) && node != like) return node;
    }
}

using NodeVariants = FixedVector<Node, kKernelSizes.size()>;

// The node with every other kernel size that it can have; none if its operation has no choice of them.
inline NodeVariants other_kernels(const Node& node) {
    NodeVariants variants;
    if (traits(node.operation).takes_kernel_size) {
        for (const std::int64_t kernel_size : kKernelSizes) {
            if (kernel_size == node.kernel_size ||
                (kernel_size == 1 && traits(node.operation).takes_expansion))
                continue;
            variants.push_back(node);
            variants.back().kernel_size = kernel_size;
        }
        return variants;
    }
    constexpr std::array<std::array<Operation, 2>, 3> kPairs{
        {{Operation::kNorConv1x1, Operation::kNorConv3x3},
         {Operation::kSepConv3x3, Operation::kSepConv5x5},
         {Operation::kDilConv3x3, Operation::kDilConv5x5}}};
    for (const auto& [small, large] : kPairs) {
        if (node.operation != small && node.operation != large) continue;
        variants.push_back(node);
        variants.back().operation = node.operation == small ? large : small;
    }
    return variants;
}

// The node with the other stride. A skip of stride 2 and a factorized reduction turn into the identity, or
// into a 1x1 convolution where the channels change.
inline std::optional<Node> other_stride(const Node& node) {
    if (traits(node.operation).stride == StrideRule::kOne) return std::nullopt;
    Node changed = node;
    changed.stride = 3 - node.stride;
    if (needs_even_channels(node))
        changed.operation =
            node.input_channels == node.output_channels ? Operation::kSkipConnect : Operation::kNorConv1x1;
    return fits(changed) ? std::optional(changed) : std::nullopt;
}

// A width between half and twice this one, even and different.
inline std::int64_t draw_width(std::int64_t width, bool wider, RandomStream& random) {
    // Quarters of the old width that the new one has.
    const auto quarters = static_cast<std::int64_t>(wider ? 5 + random.below(4) : 2 + random.below(2));
    const std::int64_t exact = width * quarters / 4;
    return wider ? std::max(exact + exact % 2, width + 2 - width % 2)
                 : std::max<std::int64_t>(exact / 2 * 2, 2);
}

}  // namespace efficient_nas
