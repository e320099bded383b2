// A cell of mixed operations as the passes that compute it: which reads of an image serve which candidates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mixed_cell.h"
#include "mixed_kernels.h"

namespace efficient_nas::ops {

// Units of a candidate that follow each other, at most.
constexpr std::size_t kLevels = 3;

constexpr std::size_t kAbsent = static_cast<std::size_t>(-1);

// Rows of `pitch` sums a pixel, and the kernels whose vectors fill them. Where channels are few, the same
// pixels of `groups` images lie side by side and count as one image: sum g * channels + c is that of channel
// c of image g.
struct ChannelLayout {
    std::int64_t channels = 0, pitch = 0;
    const MixedKernels* kernels = nullptr;
    std::int64_t groups = 1;

    // Sums of a pixel that mean something; zeros follow.
    std::int64_t sums() const { return groups * channels; }
};

// A parameter [count, ...] that belongs to channels [first, first + count).
struct ChannelPart {
    std::size_t parameter;
    std::int64_t first, count;
};

// A batch norm: indices of its tensors. statistics: where the call's double statistics hold the mean (with
// the bias of the convolution before it) and the variance of its channels.
struct NormTensors {
    NormKind kind = NormKind::kNone;
    std::size_t gamma = kAbsent, beta = kAbsent;  // parameters
    std::size_t running = kAbsent;                // the mean; the variance follows
    std::vector<ChannelPart> bias{};
    std::int64_t statistics = 0;
};

// A matrix [channels out, channels in] for the pixel at (row, column) + stride * output pixel; `part` says
// which of the output's channels it makes. The parameter holds `taps` matrices, innermost.
struct MixTap {
    std::int64_t row, column;
    ChannelPart part;
    std::int64_t tap, taps;
};

struct Geometry {
    std::int64_t height, width;
};

// What is computed in one go and kept: a depthwise convolution, then a sum of matrix products, either of
// which may be missing. Its value is stored before its norm.
struct Unit {
    std::size_t edge = 0, alpha = 0;
    std::size_t pass = 0;             // that it belongs to
    std::size_t depthwise = kAbsent;  // parameter
    std::int64_t kernel = 1, dilation = 1, stride = 1, padding = 0;
    std::vector<MixTap> mix{};
    NormTensors norm{};
    Geometry size{};  // of its value
    ChannelLayout in{}, out{};
    std::int64_t before = 0, after = 0;  // reach of its taps, from stride * output pixel
    bool last = false;                   // of its candidate: goes into the node's sum
    bool active = true;
};

enum class TermKind { kUnit, kMaxPool, kAveragePool, kIdentity, kZero, kBypass };

// A summand of a node: alpha times the norm of a unit's value, of a pool of a state, or times a state itself;
// kBypass: of the channels that candidates make nothing of (mixed_bypass.h).
struct Term {
    TermKind kind;
    std::size_t edge, alpha;
    std::size_t unit = kAbsent, pool = kAbsent;
    NormTensors norm{};
    bool active = true;
};

// A pool of a state, which all edges that leave it with the same stride share. Its value is never stored.
struct Pool {
    std::size_t state;
    bool maximum;
    std::int64_t kernel, stride;
    Geometry size;
    std::vector<std::size_t> terms{};
    bool active = true;
};

// All units that read one image through one activation with one stride.
struct Pass {
    std::size_t state = kAbsent, unit = kAbsent;  // what it reads: one of them
    std::size_t level = 0;                        // units before it
    Activation activation = Activation::kNone;
    std::int64_t stride = 1;
    std::vector<std::size_t> units{};
    bool carries_rest = false;  // of its state: pools, and what is added to its gradient unchanged
    Geometry size{};            // of the image
    ChannelLayout layout{};
    // The least and the greatest distance of what a unit reads from stride * output pixel; the same for rows.
    std::int64_t before = 0, after = 0;
};

// Edges may read, and make, only the first 1 / divisor of the channels.
struct State {
    Geometry size{};
    std::int64_t divisor = 1, sum_divisor = 1;  // of the edges that leave and that enter
    ChannelLayout layout{}, sum{};              // of the channels that these edges read and make
    ChannelLayout whole{};
    std::vector<std::size_t> entering{}, leaving{};  // terms of edges
    std::vector<std::size_t> pools{};
};

// batch: as many images may lie side by side. Throws std::invalid_argument where shapes do not fit the cell.
class MixedProgram {
  public:
    MixedProgram(const MixedCell& cell, Storage storage, std::int64_t batch,
                 const std::vector<StateShape>& inputs, const std::vector<std::int64_t>& channels);

    // Calls work(norm, channels, size of the value, active) for every norm.
    template <typename Work>
    void for_each_norm(const Work& work) const {
        for (const Unit& unit : units) work(unit.norm, unit.out.channels, unit.size, unit.active);
        for (const Term& term : terms)
            if (term.pool != kAbsent && term.norm.kind != NormKind::kNone)
                work(term.norm, states[edge_targets[term.edge]].sum.channels, pools[term.pool].size,
                     term.active);
    }

    // Leaves out candidates whose weight is zero.
    void skip_zeros(const std::vector<double>& alphas);

    std::vector<State> states;
    std::vector<Unit> units;
    std::vector<Pool> pools;
    std::vector<Term> terms;
    std::vector<Pass> passes;
    std::vector<std::size_t> edge_sources, edge_targets;
    std::vector<std::int64_t> edge_strides;
    std::size_t num_inputs = 0, num_parameters = 0, num_running = 0, num_alphas = 0;
    std::int64_t statistics_size = 0;

  private:
    struct Builder;
};

}  // namespace efficient_nas::ops
