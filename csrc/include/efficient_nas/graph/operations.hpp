// The operations that a node can hold, which attributes each takes, and the check of one node.
// docs/design/architectures.md is the definition; steps.hpp says what each operation computes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

#include "efficient_nas/messages.hpp"

namespace efficient_nas {

// Append only: canonical bytes hold these numbers.
enum class Operation : std::uint8_t {
    kInput,
    kOutput,
    kNone,
    kSkipConnect,
    kSum,
    kConcat,
    kNorConv1x1,
    kNorConv3x3,
    kSepConv3x3,
    kSepConv5x5,
    kDilConv3x3,
    kDilConv5x5,
    kMaxPool3x3,
    kAvgPool3x3,
    kFactorizedReduce,
    kResNetBasicBlock,
    kConv,
    kConvBN,
    kConvBNReLU,
    kBNReLU,
    kMBConv,
    kGlobalAvgPool,
    kLinear,
    kGate,
};

enum class StrideRule : std::uint8_t { kOne, kTwo, kOneOrTwo };

struct OperationTraits {
    std::string_view name;
    StrideRule stride = StrideRule::kOneOrTwo;
    bool equal_channels = false;  // output_channels must be input_channels
    bool takes_kernel_size = false;
    bool takes_expansion = false;
};

// In the order of Operation.
inline constexpr std::array<OperationTraits, 24> kOperations{{
    {.name = "input", .stride = StrideRule::kOne, .equal_channels = true},
    {.name = "output", .stride = StrideRule::kOne, .equal_channels = true},
    {.name = "none"},
    {.name = "skip_connect"},  // channels: see check_node
    {.name = "sum", .stride = StrideRule::kOne, .equal_channels = true},
    {.name = "concat", .stride = StrideRule::kOne},
    {.name = "nor_conv_1x1"},
    {.name = "nor_conv_3x3"},
    {.name = "sep_conv_3x3"},
    {.name = "sep_conv_5x5"},
    {.name = "dil_conv_3x3"},
    {.name = "dil_conv_5x5"},
    {.name = "max_pool_3x3", .equal_channels = true},
    {.name = "avg_pool_3x3", .equal_channels = true},
    {.name = "factorized_reduce", .stride = StrideRule::kTwo},
    {.name = "resnet_basic_block"},
    {.name = "conv", .takes_kernel_size = true},
    {.name = "conv_bn", .takes_kernel_size = true},
    {.name = "conv_bn_relu", .takes_kernel_size = true},
    {.name = "bn_relu", .stride = StrideRule::kOne, .equal_channels = true},
    {.name = "mbconv", .takes_kernel_size = true, .takes_expansion = true},
    {.name = "global_avg_pool", .stride = StrideRule::kOne, .equal_channels = true},
    {.name = "linear", .stride = StrideRule::kOne},
    {.name = "gate", .stride = StrideRule::kOne, .equal_channels = true},
}};

inline const OperationTraits& traits(Operation operation) {
    return kOperations[static_cast<std::size_t>(operation)];
}

// One node of an architecture. kernel_size 0 stands for "not given".
struct Node {
    Operation operation = Operation::kNone;
    std::int64_t input_channels = 1;
    std::int64_t output_channels = 1;
    std::int64_t stride = 1;
    std::int64_t kernel_size = 0;
    std::int64_t expansion = 1;
    bool affine = true;

    bool operator==(const Node&) const = default;

    // Hands its input on unchanged (or summed, if it has several).
    bool passes_through() const {
        return operation == Operation::kSum || operation == Operation::kInput ||
               operation == Operation::kOutput || (operation == Operation::kSkipConnect && stride == 1);
    }
};

// Whether the output has the channels of the input, whatever these are.
inline bool keeps_channels(const Node& node) {
    return traits(node.operation).equal_channels ||
           (node.operation == Operation::kSkipConnect && node.stride == 1);
}

// Whether the output is made of two halves, so that its channels are even.
inline bool needs_even_channels(const Node& node) {
    return node.operation == Operation::kFactorizedReduce ||
           (node.operation == Operation::kSkipConnect && node.stride == 2);
}

// Sizes beyond this are refused, so that sums of a few of them cannot overflow.
inline constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();

inline Operation parse_operation(std::string_view name) {
    std::array<std::string_view, kOperations.size()> names;
    for (std::size_t i = 0; i < kOperations.size(); ++i) {
        names[i] = kOperations[i].name;
        if (names[i] == name) return static_cast<Operation>(i);
    }
    const std::string_view known = closest(name, names);
    throw std::invalid_argument("unknown operation " + quoted(name) +
                                (known.empty() ? "." : ", did you mean " + quoted(known) + "?") +
                                " Operations: " + joined(names));
}

// Throws std::invalid_argument that names the attribute, its value and what is allowed.
inline void check_node(const Node& node) {
    const OperationTraits& rules = traits(node.operation);
    const auto name = [&rules] { return std::string(rules.name); };  // only made for messages
    const auto check_size = [](const char* attribute, std::int64_t value) {
        if (value < 1 || value > kMaxSize)
            throw std::invalid_argument(std::string(attribute) + " must be between 1 and " +
                                        std::to_string(kMaxSize) + ", got " + std::to_string(value));
    };
    check_size("input_channels", node.input_channels);
    check_size("output_channels", node.output_channels);
    check_size("stride", node.stride);
    check_size("expansion", node.expansion);

    const auto check_stride = [&](bool allowed, const char* expected) {
        if (!allowed)
            throw std::invalid_argument("stride of " + name() + " must be " + expected + ", got " +
                                        std::to_string(node.stride));
    };
    if (rules.stride == StrideRule::kOne) check_stride(node.stride == 1, "1");
    if (rules.stride == StrideRule::kTwo) check_stride(node.stride == 2, "2");
    if (rules.stride == StrideRule::kOneOrTwo) check_stride(node.stride <= 2, "1 or 2");

    if (!rules.takes_kernel_size && node.kernel_size != 0)
        throw std::invalid_argument(name() + " takes no kernel_size, got " +
                                    std::to_string(node.kernel_size));
    if (rules.takes_kernel_size) {
        if (node.kernel_size == 0) throw std::invalid_argument(name() + " needs a kernel_size");
        check_size("kernel_size", node.kernel_size);
        if (node.kernel_size % 2 == 0)
            throw std::invalid_argument("kernel_size of " + name() + " must be odd, got " +
                                        std::to_string(node.kernel_size));
    }
    if (!rules.takes_expansion && node.expansion != 1)
        throw std::invalid_argument(name() + " takes no expansion, got " + std::to_string(node.expansion));

    const bool identity = node.operation == Operation::kSkipConnect && node.stride == 1;
    if (keeps_channels(node) && node.input_channels != node.output_channels)
        throw std::invalid_argument(name() + (identity ? " with stride 1" : "") +
                                    " needs equal channels, got " + std::to_string(node.input_channels) +
                                    " and " + std::to_string(node.output_channels));
    if (needs_even_channels(node) && node.output_channels % 2 != 0)
        throw std::invalid_argument("output_channels of " + name() + " with stride 2 must be even, got " +
                                    std::to_string(node.output_channels));
}

}  // namespace efficient_nas
