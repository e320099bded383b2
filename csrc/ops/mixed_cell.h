// A cell of mixed operations: states (inputs, then nodes), each node the sum of the weighted candidates of
// all edges that enter it. On raw pointers, without Python or Torch; docs/design/mixed-op.md has the
// definition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage.h"

namespace efficient_nas::ops {

enum class CandidateKind { kNone, kSkip, kMaxPool, kAveragePool, kNorConv, kSepConv, kDilConv, kMbConv };
enum class NormKind { kNone, kPlain, kAffine };

// One candidate operation, as OpSpec describes it; sizes that it does not have are 1.
struct Candidate {
    CandidateKind kind;
    std::int64_t kernel, dilation, expansion;
    NormKind norm;
    bool bias;
};

// divisor: the candidates see the first 1 / divisor of the channels. The others pass by them, at stride 2
// through a maximum of 2x2 pixels, and the channels of the node are shuffled: the first of each of `divisor`
// groups, the second of each, ...
struct CellEdge {
    std::size_t source, target;  // states: the inputs, then the nodes
    std::int64_t stride;
    std::vector<Candidate> candidates;
    std::int64_t divisor = 1;

    // Weights in CellCall::alphas: of the candidates, then of the channels that pass by.
    std::size_t num_alphas() const { return candidates.size() + (divisor > 1); }
};

// Throws std::invalid_argument unless every edge leads from a state to a later node, every node has an edge,
// edges that leave one state or enter one node agree in the divisor, and every candidate is one that OpSpec
// allows.
class MixedCell {
  public:
    MixedCell(std::size_t inputs, std::vector<CellEdge> edges);
    std::size_t inputs() const { return inputs_; }
    std::size_t states() const { return states_; }
    const std::vector<CellEdge>& edges() const { return edges_; }

  private:
    std::size_t inputs_, states_;
    std::vector<CellEdge> edges_;
};

struct StateShape {
    std::int64_t channels, height, width;
};

// What a cell is run on. alphas: of every edge in turn.
struct CellCall {
    Storage storage;
    std::int64_t batch;
    std::vector<StateShape> inputs;
    std::vector<std::int64_t> channels;  // of the nodes
    std::vector<double> alphas;
    bool training, skip_zero;
    double eps;
};

// Images are dense NHWC; only inputs may have pixels further apart than their channels: `pitches`, in
// elements. Parameters, running statistics and gradients of parameters are float32, or float64 where images
// are.
struct CellOperands {
    std::vector<const void*> inputs;
    std::vector<std::int64_t> pitches;
    std::vector<const void*> parameters;
    std::vector<void*> saved;  // what forward keeps for backward: saved_elements() of each image
    double* statistics;        // statistics_size()
};

struct ForwardOperands : CellOperands {
    std::vector<const void*> running;  // in evaluation
    std::vector<void*> outputs;        // one for each node
};

struct BackwardOperands : CellOperands {
    std::vector<const void*> outputs;           // read only of nodes that edges leave
    std::vector<const void*> output_gradients;  // nullptr is zero
    // Results; those that are nullptr are not wanted, alpha_gradients always are.
    std::vector<void*> input_gradients, parameter_gradients;
    double* alpha_gradients;
};

// Elements per image of each of the tensors that forward keeps; float64 numbers of the statistics.
std::vector<std::int64_t> saved_elements(const MixedCell& cell, const std::vector<StateShape>& inputs,
                                         const std::vector<std::int64_t>& channels);
std::int64_t statistics_size(const MixedCell& cell, const std::vector<StateShape>& inputs,
                             const std::vector<std::int64_t>& channels);

// All throw std::invalid_argument where operands do not fit the cell in number, std::bad_alloc.
void forward(const MixedCell& cell, const CellCall& call, const ForwardOperands& operands,
             std::size_t threads);
void backward(const MixedCell& cell, const CellCall& call, const BackwardOperands& operands,
              std::size_t threads);

// Running statistics after a forward pass in training: (1 - momentum) * old + momentum * new, with the
// unbiased variance, except of candidates that the call skipped.
void update_running(const MixedCell& cell, const CellCall& call, const double* statistics,
                    const std::vector<void*>& running, double momentum);

}  // namespace efficient_nas::ops
