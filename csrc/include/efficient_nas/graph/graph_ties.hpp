// Which tensors of an architecture must have the same width, or the same resolution, as long as only
// attributes change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "efficient_nas/graph/graph.hpp"

namespace efficient_nas {

// Disjoint sets of tensors, each named by one of them; a tensor is named by the node that makes it. A fixed
// set holds a tensor that may not change.
class TensorSets {
  public:
    std::size_t find(std::size_t tensor) {
        while (parent_[tensor] != tensor) tensor = parent_[tensor] = parent_[parent_[tensor]];
        return tensor;
    }
    bool is_fixed(std::size_t set) const { return fixed_[set] != 0; }

    // Sets of equal channels: inputs that are summed, and both sides of nodes that keep their channels. Fixed
    // are the network's input and output, and what concat and linear make (a concat follows its inputs).
    void tie_channels(const Graph& graph) {
        start(graph.size());
        for (std::size_t node = 0; node < graph.size(); ++node) {
            const Operation operation = graph.nodes()[node].operation;
            if (operation == Operation::kConcat || operation == Operation::kLinear ||
                operation == Operation::kInput || operation == Operation::kOutput)
                fix(node);
            if (operation == Operation::kConcat || operation == Operation::kInput) continue;
            tie_inputs(graph, node, keeps_channels(graph.nodes()[node]));
        }
    }

    // Sets of equal resolution: all inputs of a node, and its output unless it can have a stride. Fixed are
    // the network's input and output, and what a global pool or a linear layer reads.
    void tie_resolutions(const Graph& graph) {
        start(graph.size());
        for (std::size_t node = 0; node < graph.size(); ++node) {
            const Operation operation = graph.nodes()[node].operation;
            const bool flattens = operation == Operation::kGlobalAvgPool || operation == Operation::kLinear;
            if (operation == Operation::kInput || operation == Operation::kOutput) fix(node);
            if (operation == Operation::kInput) continue;
            tie_inputs(graph, node, !flattens && traits(operation).stride == StrideRule::kOne);
            if (flattens) fix(graph.inputs(node)[0]);
        }
    }

  private:
    void start(std::size_t tensors) {
        parent_.resize(tensors);
        std::iota(parent_.begin(), parent_.end(), std::size_t{0});
        fixed_.assign(tensors, 0);
    }

    void fix(std::size_t tensor) { fixed_[find(tensor)] = 1; }

    void tie_inputs(const Graph& graph, std::size_t node, bool and_output) {
        const std::size_t first = graph.inputs(node)[0];
        for (const std::size_t source : graph.inputs(node)) tie(first, source);
        if (and_output) tie(first, node);
    }

    void tie(std::size_t a, std::size_t b) {
        a = find(a), b = find(b);
        if (a == b) return;
        parent_[b] = a;
        fixed_[a] |= fixed_[b];
    }

    std::vector<std::size_t> parent_;
    std::vector<std::uint8_t> fixed_;
};

}  // namespace efficient_nas
