#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "depthwise.h"

namespace efficient_nas::ops {
namespace {

// Coordinates are sums and products of two of these, so they stay within 64 bits.
constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

void check_number(const std::string& name, std::int64_t value, std::int64_t least) {
    if (value < least || value > kMost)
        throw std::invalid_argument("depthwise_conv2d: " + name + " must be between " +
                                    std::to_string(least) + " and " + std::to_string(kMost) + ", got " +
                                    std::to_string(value));
}

// Elements of an image batch, as long as no product on the way overflows.
void check_elements(const char* name, std::int64_t batch, std::int64_t channels, std::int64_t rows,
                    std::int64_t columns) {
    std::int64_t elements = batch;
    for (const std::int64_t extent : {channels, rows, columns}) {
        if (extent > 0 && elements > (std::int64_t{1} << 58) / extent)
            throw std::invalid_argument(std::string("depthwise_conv2d: ") + name +
                                        " has more than 2^58 elements");
        elements *= extent;
    }
}

}  // namespace

void DepthwiseShape::check() const {
    check_number("the batch size", batch, 0);
    check_number("the number of channels", channels, 1);
    for (std::size_t side = 0; side < 2; ++side) {
        const std::string of = side == 0 ? "height" : "width";
        check_number("the image's " + of, input[side], 1);
        check_number("the kernel's " + of, kernel[side], 1);
        check_number("stride (" + of + ")", stride[side], 1);
        check_number("padding (" + of + ")", padding[side], 0);
        check_number("dilation (" + of + ")", dilation[side], 1);
        const std::int64_t reach = (kernel[side] - 1) * dilation[side] + 1;
        const std::int64_t padded = input[side] + 2 * padding[side];
        check_number("the padded image's " + of, padded, 0);
        if (reach > padded)
            throw std::invalid_argument("depthwise_conv2d: the kernel's " + of + " with dilation (" +
                                        std::to_string(reach) + ") must be at most the padded image's (" +
                                        std::to_string(padded) + ")");
    }
    const auto [rows, columns] = output();
    check_elements("input", batch, channels, input[0] + 2 * padding[0], input[1] + 2 * padding[1]);
    check_elements("output", batch, channels, rows, columns);
    check_elements("weight", 1, channels, kernel[0], kernel[1]);
}

std::array<std::int64_t, 2> DepthwiseShape::output() const {
    std::array<std::int64_t, 2> extent{};
    for (std::size_t side = 0; side < 2; ++side) {
        const std::int64_t reach = (kernel[side] - 1) * dilation[side] + 1;
        extent[side] = (input[side] + 2 * padding[side] - reach) / stride[side] + 1;
    }
    return extent;
}

}  // namespace efficient_nas::ops
