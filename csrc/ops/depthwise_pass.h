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
    // Pixels of a row of the tile.
    std::int64_t tile_columns() const { return pass_.residues * pass_.residue_pitch; }
    // By tap of the pass, the tap of the weight [kh, kw].
    const std::vector<std::int64_t>& weight_taps() const { return weight_taps_; }

  private:
    // left: columns of zeros before the input; negative ones are cut.
    void set_residues(std::int64_t left);
    void set_bands();

    DepthwisePass pass_{};
    std::vector<DepthwisePhase> phases_;
    std::vector<DepthwiseTapRow> tap_rows_;
    std::vector<DepthwiseResidue> residues_;
    std::vector<std::int64_t> weight_taps_;
};

}  // namespace efficient_nas::ops
