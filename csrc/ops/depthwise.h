// Depthwise two-dimensional convolution on the CPU, and its gradients.
//
//   y[n, i, j, c] = sum_{u, v} w[c, u, v] * x[n, i * stride - padding + u * dilation, (j alike), c]
//
// Images are dense NHWC (a channels_last tensor), weights [C, kernel height, kernel width]; pixels outside of
// the image are zero. bfloat16 is storage: sums are float32, and rounded once. Results do not depend on the
// number of threads. Departure from IEEE 754: with float32 and bfloat16 on x86, subnormal numbers count as
// zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "storage.h"

namespace efficient_nas::ops {

// Every pair is {height, width}.
struct DepthwiseShape {
    std::int64_t batch, channels;
    std::array<std::int64_t, 2> input, kernel, stride, padding, dilation;

    // Throws std::invalid_argument, with the name of the Python function, where a number is not allowed or
    // the kernel does not fit into the padded image. The functions below take only shapes that pass.
    void check() const;
    std::array<std::int64_t, 2> output() const;
};

// output [N, Ho, Wo, C] of input [N, H, W, C] and weight [C, kh, kw].
void depthwise_conv2d(const DepthwiseShape& shape, Storage storage, const void* input, const void* weight,
                      void* output, std::size_t threads);

// input_gradient [N, H, W, C] of output_gradient [N, Ho, Wo, C] and weight [C, kh, kw].
void depthwise_conv2d_input_gradient(const DepthwiseShape& shape, Storage storage,
                                     const void* output_gradient, const void* weight, void* input_gradient,
                                     std::size_t threads);

// weight_gradient [C, kh, kw] of output_gradient [N, Ho, Wo, C] and input [N, H, W, C].
void depthwise_conv2d_weight_gradient(const DepthwiseShape& shape, Storage storage,
                                      const void* output_gradient, const void* input, void* weight_gradient,
                                      std::size_t threads);

}  // namespace efficient_nas::ops
