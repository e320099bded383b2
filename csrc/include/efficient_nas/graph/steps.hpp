// What each operation computes, as a list of primitive steps. Output shape, multiply-accumulates, parameters
// and the memory that a node needs while it runs are all folded from this one list.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "efficient_nas/checked.hpp"
#include "efficient_nas/graph/operations.hpp"

namespace efficient_nas {

struct Shape {
    std::int64_t channels = 0, height = 0, width = 0;
    bool operator==(const Shape&) const = default;
};

inline std::string to_string(const Shape& shape) {
    return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " +
           std::to_string(shape.width);
}

// float32, batch 1
inline std::int64_t tensor_bytes(const Shape& shape) {
    return checked_mul(4, checked_mul(shape.channels, checked_mul(shape.height, shape.width)));
}

// Convolutions and pools are padded such that a side shrinks to ceil(side / stride).
inline Shape strided(const Shape& in, std::int64_t channels, std::int64_t stride) {
    if (stride == 1) return {channels, in.height, in.width};  // no division: most have no stride
    return {channels, (in.height + stride - 1) / stride, (in.width + stride - 1) / stride};
}

// What `node` makes of an input of this shape (of a concat: of the concatenation).
inline Shape output_shape(const Node& node, const Shape& received) {
    if (node.operation == Operation::kGlobalAvgPool || node.operation == Operation::kLinear)
        return {node.output_channels, 1, 1};
    return strided(received, node.output_channels, node.stride);
}

// Reads one or two slots and writes a new one out of place. Slot 0 is the node's input, slot i + 1 the output
// of step i; `second` is 0 unless the step reads two tensors.
struct Step {
    std::size_t first = 0, second = 0;
    Shape shape;
    std::int64_t macs = 0, params = 0;
    std::int64_t scratch_bytes = 0;  // live while the step runs, e.g. the int64 indices of a maximum
};

class Steps {
  public:
    // The steps of `node`, which check_node accepts, on an input of this shape.
    Steps(const Node& node, const Shape& input) : input_(input), affine_(node.affine) { expand(node); }

    std::size_t size() const { return size_; }
    const Step& operator[](std::size_t i) const { return steps_[i]; }
    Shape output() const { return shape(size_); }

    // Largest sum of live tensors that the steps allocate, the output included, the node's input excluded.
    // A slot dies with the last step that reads it.
    std::int64_t peak_bytes() const {
        std::array<std::size_t, kMaxSteps + 1> last_use{};
        last_use[size_] = size_;
        for (std::size_t i = 0; i < size_; ++i) last_use[steps_[i].first] = last_use[steps_[i].second] = i;
        std::int64_t live = 0, peak = 0;
        for (std::size_t i = 0; i < size_; ++i) {
            live = checked_add(live, tensor_bytes(steps_[i].shape));
            peak = std::max(peak, checked_add(live, steps_[i].scratch_bytes));
            for (std::size_t slot = 1; slot <= i; ++slot)
                if (last_use[slot] == i) live -= tensor_bytes(shape(slot));
        }
        return peak;
    }

  private:
    static constexpr std::size_t kMaxSteps = 12;

    Shape shape(std::size_t slot) const { return slot == 0 ? input_ : steps_[slot - 1].shape; }

    std::size_t push(const Step& step) {
        steps_[size_] = step;
        return ++size_;
    }

    std::size_t elementwise(std::size_t from) { return push({.first = from, .shape = shape(from)}); }

    std::size_t add(std::size_t a, std::size_t b) {
        return push({.first = a, .second = b, .shape = shape(a)});
    }

    std::size_t batch_norm(std::size_t from) {
        return push({.first = from,
                     .shape = shape(from),
                     .params = affine_ ? checked_mul(2, shape(from).channels) : 0});
    }

    std::size_t conv(std::size_t from, std::int64_t channels, std::int64_t kernel, std::int64_t stride = 1,
                     bool depthwise = false) {
        const Shape in = shape(from), out = strided(in, channels, stride);
        const std::int64_t fan_in = checked_mul(depthwise ? 1 : in.channels, checked_mul(kernel, kernel));
        const std::int64_t params = checked_mul(channels, fan_in);
        const std::int64_t macs = checked_mul(params, checked_mul(out.height, out.width));
        return push({.first = from, .shape = out, .macs = macs, .params = params});
    }

    std::size_t pool(std::size_t from, std::int64_t stride) {
        return push({.first = from, .shape = strided(shape(from), shape(from).channels, stride)});
    }

    std::size_t relu_conv_bn(std::size_t from, std::int64_t channels, std::int64_t kernel,
                             std::int64_t stride) {
        return batch_norm(conv(elementwise(from), channels, kernel, stride));
    }

    // relu, depthwise, pointwise, batch norm: half a separable convolution, or all of a dilated one.
    std::size_t depthwise_separable(std::size_t from, std::int64_t channels, std::int64_t kernel,
                                    std::int64_t stride) {
        const std::size_t depthwise = conv(elementwise(from), shape(from).channels, kernel, stride, true);
        return batch_norm(conv(depthwise, channels, 1));
    }

    void separable(const Node& node, std::int64_t kernel) {
        const std::size_t half = depthwise_separable(0, node.input_channels, kernel, node.stride);
        depthwise_separable(half, node.output_channels, kernel, 1);
    }

    // relu, zero padding to even sides where needed, two strided pointwise convolutions (the second sees the
    // tensor shifted by one pixel), concatenation, batch norm.
    void factorized_reduce(const Node& node) {
        std::size_t source = elementwise(0);
        if (input_.height % 2 != 0 || input_.width % 2 != 0)
            source = push({.first = source,
                           .shape = {input_.channels, input_.height + input_.height % 2,
                                     input_.width + input_.width % 2}});
        const std::size_t a = conv(source, node.output_channels / 2, 1, 2);
        const std::size_t b = conv(source, node.output_channels / 2, 1, 2);
        batch_norm(push(
            {.first = a, .second = b, .shape = {node.output_channels, shape(a).height, shape(a).width}}));
    }

    void resnet_basic_block(const Node& node) {
        const std::int64_t channels = node.output_channels;
        const std::size_t body = relu_conv_bn(relu_conv_bn(0, channels, 3, node.stride), channels, 3, 1);
        std::size_t shortcut = 0;
        if (node.stride == 2)
            shortcut = conv(pool(0, 2), channels, 1);
        else if (node.input_channels != channels)
            shortcut = relu_conv_bn(0, channels, 1, 1);
        add(body, shortcut);
    }

    void mbconv(const Node& node) {
        std::size_t slot = 0;
        const std::int64_t hidden = checked_mul(node.input_channels, node.expansion);
        if (node.expansion > 1) slot = elementwise(batch_norm(conv(0, hidden, 1)));
        slot = elementwise(batch_norm(conv(slot, hidden, node.kernel_size, node.stride, true)));
        slot = batch_norm(conv(slot, node.output_channels, 1));
        if (node.stride == 1 && node.input_channels == node.output_channels) add(slot, 0);
    }

    void expand(const Node& node) {
        const std::int64_t channels = node.output_channels, stride = node.stride;
        switch (node.operation) {
            case Operation::kInput:
            case Operation::kOutput:
            case Operation::kSum:
                break;
            case Operation::kNone:
                push({.shape = strided(input_, channels, stride)});
                break;
            case Operation::kSkipConnect:
                if (stride == 2) factorized_reduce(node);
                break;
            case Operation::kConcat:
                push({.shape = {channels, input_.height, input_.width}});
                break;
            case Operation::kNorConv1x1:
                relu_conv_bn(0, channels, 1, stride);
                break;
            case Operation::kNorConv3x3:
                relu_conv_bn(0, channels, 3, stride);
                break;
            case Operation::kSepConv3x3:
                separable(node, 3);
                break;
            case Operation::kSepConv5x5:
                separable(node, 5);
                break;
            case Operation::kDilConv3x3:
                depthwise_separable(0, channels, 3, stride);
                break;
            case Operation::kDilConv5x5:
                depthwise_separable(0, channels, 5, stride);
                break;
            case Operation::kMaxPool3x3:
                pool(0, stride);
                steps_[0].scratch_bytes = checked_mul(2, tensor_bytes(output()));
                break;
            case Operation::kAvgPool3x3:
                pool(0, stride);
                break;
            case Operation::kFactorizedReduce:
                factorized_reduce(node);
                break;
            case Operation::kResNetBasicBlock:
                resnet_basic_block(node);
                break;
            case Operation::kConv:
                conv(0, channels, node.kernel_size, stride);
                break;
            case Operation::kConvBN:
                batch_norm(conv(0, channels, node.kernel_size, stride));
                break;
            case Operation::kConvBNReLU:
                elementwise(batch_norm(conv(0, channels, node.kernel_size, stride)));
                break;
            case Operation::kBNReLU:
                elementwise(batch_norm(0));
                break;
            case Operation::kMBConv:
                mbconv(node);
                break;
            case Operation::kGlobalAvgPool:
                push({.shape = {channels, 1, 1}});
                break;
            case Operation::kLinear: {
                const std::int64_t features =
                    checked_mul(input_.channels, checked_mul(input_.height, input_.width));
                const std::int64_t macs = checked_mul(features, channels);
                push({.shape = {channels, 1, 1}, .macs = macs, .params = checked_add(macs, channels)});
                break;
            }
            case Operation::kGate:
                push({.shape = input_, .params = channels});
                break;
        }
    }

    std::array<Step, kMaxSteps> steps_;
    std::size_t size_ = 0;
    Shape input_;
    bool affine_;
};

// Everything about one node on its input that costs are made of.
struct NodeCost {
    Shape output;
    std::int64_t macs = 0, params = 0;
    std::int64_t peak_bytes = 0;  // allocated by the node itself; 0: the output is an alias of the input

    NodeCost() = default;
    NodeCost(const Node& node, const Shape& input) {
        const Steps steps(node, input);
        output = steps.output();
        peak_bytes = steps.peak_bytes();
        for (std::size_t i = 0; i < steps.size(); ++i) {
            macs = checked_add(macs, steps[i].macs);
            params = checked_add(params, steps[i].params);
        }
    }
};

}  // namespace efficient_nas
