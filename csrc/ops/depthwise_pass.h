// How the three computations of a depthwise convolution are correlations over a tile (depthwise_kernels.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "depthwise.h"
#include "depthwise_kernels.h"

namespace efficient_nas::ops {

// A pass with the memory that it points to.
class DepthwisePlan {
  public:
    // The forward pass, and the weight gradient, which reads the same taps.
    static DepthwisePlan forward(const DepthwiseShape& shape);

    // The data gradient: dx[h] = sum over taps u with h + padding - u * dilation = stride * i of w[u] *
    // dy[i]. Rows with the same (h + padding) mod stride, a phase, share their taps; columns alike.
    static DepthwisePlan input_gradient(const DepthwiseShape& shape);

    DepthwisePass pass() const;
    std::int64_t bands() const;
    std::size_t tile_pixels() const;
    // By tap of the pass, the tap of the weight [kh, kw].
    const std::vector<std::int64_t>& weight_taps() const { return weight_taps_; }

  private:
    void set_bands();

    DepthwisePass pass_{};
    std::vector<DepthwisePhase> phases_;
    std::vector<DepthwiseTapRow> tap_rows_;
    std::vector<std::int64_t> weight_taps_;
};

}  // namespace efficient_nas::ops
