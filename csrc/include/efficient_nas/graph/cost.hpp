// Costs of a whole architecture; dead nodes do not count (docs/design/architectures.md, "Costs").
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "efficient_nas/checked.hpp"
#include "efficient_nas/graph/graph.hpp"
#include "efficient_nas/graph/steps.hpp"

namespace efficient_nas {

// Sum of one cost over all alive nodes.
inline std::int64_t total(const Graph& graph, std::int64_t NodeCost::* cost, const char* name) {
    try {
        std::int64_t sum = 0;
        for (const std::size_t node : graph.execution_order()) sum = checked_add(sum, graph.cost(node).*cost);
        return sum;
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("Architecture: " + std::string(name) + ": " + error.what());
    }
}

// Multiply-accumulates of convolutions and linear layers for one image.
inline std::int64_t macs(const Graph& graph) { return total(graph, &NodeCost::macs, "macs"); }

inline std::int64_t params(const Graph& graph) { return total(graph, &NodeCost::params, "params"); }

// Largest number of computing nodes (not sums, concatenations or identities) on a path from input to output.
inline std::int64_t depth(const Graph& graph) {
    std::vector<std::int64_t> depths(graph.size(), 0);
    for (const std::size_t node : graph.execution_order()) {
        if (graph.is_zero(node)) continue;
        for (const std::size_t source : graph.inputs(node))
            if (graph.is_alive(source)) depths[node] = std::max(depths[node], depths[source]);
        const bool computes =
            !graph.nodes()[node].passes_through() && graph.nodes()[node].operation != Operation::kConcat;
        depths[node] += computes;
    }
    return depths[graph.output()];
}

// Peak of live activations when an executor runs the alive nodes in order: float32, batch 1, evaluation mode.
// Tensors are shared by reference: a node without steps of its own hands on its only input, or the sum.
class Liveness {
  public:
    explicit Liveness(const Graph& graph) : graph_(graph), tensor_(graph.size(), 0), uses_(graph.size(), 0) {
        for (const std::size_t node : graph.execution_order())
            for (const std::size_t source : graph.inputs(node)) uses_[source] += graph.is_alive(source);
    }

    std::int64_t peak_bytes() {
        for (const std::size_t node : graph_.execution_order()) run(node);
        return peak_;
    }

  private:
    struct Tensor {
        std::int64_t bytes = 0;
        std::size_t references = 0;
    };

    void allocate(std::int64_t bytes) {
        live_ = checked_add(live_, bytes);
        peak_ = std::max(peak_, live_);
    }

    std::size_t new_tensor(std::int64_t bytes) {
        tensors_.push_back({bytes, 0});
        return tensors_.size() - 1;
    }

    void run(std::size_t node) {
        if (node == graph_.input()) {
            allocate(tensor_bytes(graph_.input_shape()));
            tensor_[node] = new_tensor(tensor_bytes(graph_.input_shape()));
            tensors_[tensor_[node]].references = uses_[node] + 1;  // the caller holds it throughout
            return;
        }
        const std::int64_t received = tensor_bytes(graph_.received(node));
        const std::int64_t own = graph_.cost(node).peak_bytes;
        std::size_t alive_inputs = 0, last_alive = 0;
        std::int64_t zeros = 0;
        for (const std::size_t source : graph_.inputs(node)) {
            if (graph_.is_alive(source))
                ++alive_inputs, last_alive = source;
            else
                zeros = checked_add(zeros, tensor_bytes(graph_.shape(source)));
        }

        // The one buffer beside inputs and steps: zeros for concat, the sum of several inputs, or zeros as
        // output.
        const bool concat = graph_.nodes()[node].operation == Operation::kConcat;
        const bool fresh = !concat && alive_inputs != 1;
        const std::int64_t extra = concat ? zeros : fresh ? received : 0;
        allocate(extra);
        if (own > 0) {
            peak_ = std::max(peak_, checked_add(live_, own));
            live_ -= extra;
            live_ += tensor_bytes(graph_.shape(node));
            tensor_[node] = new_tensor(tensor_bytes(graph_.shape(node)));
        } else {
            tensor_[node] = fresh ? new_tensor(received) : tensor_[last_alive];
        }
        tensors_[tensor_[node]].references += node == graph_.output() ? 1 : uses_[node];

        for (const std::size_t source : graph_.inputs(node))
            if (graph_.is_alive(source)) {
                Tensor& tensor = tensors_[tensor_[source]];
                if (--tensor.references == 0) live_ -= tensor.bytes;
            }
    }

    const Graph& graph_;
    std::vector<std::size_t> tensor_, uses_;  // by node: its output tensor, how many connections read it
    std::vector<Tensor> tensors_;
    std::int64_t live_ = 0, peak_ = 0;
};

inline std::int64_t peak_activation_bytes(const Graph& graph) {
    try {
        return Liveness(graph).peak_bytes();
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("Architecture: peak_activation_bytes: " + std::string(error.what()));
    }
}

}  // namespace efficient_nas
