// Shape repair: makes a valid architecture of an edited one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/graph/graph_edit.hpp"

namespace efficient_nas {

// Mutation makes no architecture beyond these sizes, and none with more nodes than its parent if that is
// beyond.
struct GraphLimits {
    std::size_t max_nodes = 4096;
    std::int64_t max_channels = 65536;
};

// Walks the nodes that reach the output in order and gives each what it receives:
//  - nodes take the channels that come; those that keep their channels hand the change on to their readers;
//  - where inputs that are summed or concatenated differ, the larger resolutions are halved, and summed ones
//    with other channels are projected to those that the node had (or else to those of its first input);
//  - the output gets the shape that it had, by a projection if need be.
// A projection is a 1x1 convolution with batch norm, or a skip of stride 2 where the channels are equal (He
// et al. 2015, arXiv:1512.03385, section 3.3, option B).
class ShapeRepair {
  public:
    // False if a resolution would have to grow or to be halved too often, or limits would be exceeded.
    bool run(const GraphEdit& edit, const Shape& input_shape, const Shape& output_shape,
             const GraphLimits& limits, GraphParts& parts) {
        collect_sources(edit);
        parts_ = &parts;
        parts.nodes.clear();
        parts.connections.clear();
        parts.origin.clear();
        parts.input_shape = input_shape;
        shapes_.clear();
        for (const std::size_t node : edit.order) {
            if (!reached_[node]) continue;
            Node made = edit.nodes[node];
            Shape received = input_shape;
            received_.clear();
            if (made.operation != Operation::kInput) {
                const bool aligned = made.operation == Operation::kConcat
                                         ? concatenate(node, made, received)
                                         : sum(node, made, output_shape, received);
                if (!aligned) return false;
            }
            index_[node] = emit(made, edit.origin[node], received);
            for (const std::size_t source : received_) connect(source, index_[node]);
            if (made.input_channels > limits.max_channels || made.output_channels > limits.max_channels)
                return false;
        }
        return parts.nodes.size() <= limits.max_nodes;
    }

  private:
    static constexpr int kMostHalvings = 3;

    void collect_sources(const GraphEdit& edit) {
        const std::size_t n = edit.nodes.size();
        first_.assign(n + 2, 0);
        for (const Connection& connection : edit.connections)
            ++first_[static_cast<std::size_t>(connection.to) + 2];
        for (std::size_t i = 2; i < n + 2; ++i) first_[i] += first_[i - 1];
        sources_.resize(edit.connections.size());
        for (const Connection& connection : edit.connections)
            sources_[first_[static_cast<std::size_t>(connection.to) + 1]++] =
                static_cast<std::size_t>(connection.from);

        index_.resize(n);
        reached_.assign(n, 0);
        reached_[edit.order.back()] = 1;  // the output
        for (std::size_t i = n; i-- > 0;) {
            const std::size_t node = edit.order[i];
            if (reached_[node])
                for (std::size_t k = first_[node]; k < first_[node + 1]; ++k) reached_[sources_[k]] = 1;
        }
    }

    std::size_t source(std::size_t k) const { return index_[sources_[k]]; }

    // The smallest resolution among the inputs of a node: all of them shrink alike, so it fits both sides.
    Shape smallest(std::size_t node) const {
        Shape target = shapes_[source(first_[node])];
        for (std::size_t k = first_[node]; k < first_[node + 1]; ++k) {
            target.height = std::min(target.height, shapes_[source(k)].height);
            target.width = std::min(target.width, shapes_[source(k)].width);
        }
        return target;
    }

    bool sum(std::size_t node, Node& made, const Shape& output_shape, Shape& received) {
        received = smallest(node);
        if (made.operation == Operation::kOutput) {
            if (received.height < output_shape.height || received.width < output_shape.width) return false;
            received = output_shape;
        } else {
            for (std::size_t k = first_[node]; k < first_[node + 1]; ++k)
                if (shapes_[source(k)].channels == made.input_channels)
                    received.channels = made.input_channels;
        }
        for (std::size_t k = first_[node]; k < first_[node + 1]; ++k)
            if (!receive(source(k), received)) return false;
        made.input_channels = received.channels;
        if (keeps_channels(made)) made.output_channels = received.channels;
        return true;
    }

    bool concatenate(std::size_t node, Node& made, Shape& received) {
        Shape target = smallest(node);
        const bool states_sum = made.input_channels == made.output_channels;
        std::int64_t total = 0;
        bool equal = true;
        for (std::size_t k = first_[node]; k < first_[node + 1]; ++k) {
            const std::int64_t channels = shapes_[source(k)].channels;
            equal = equal && (k == first_[node] || channels == target.channels);
            target.channels = channels;
            total += channels;
            if (!receive(source(k), target)) return false;
        }
        made.input_channels = equal && !states_sum ? target.channels : total;
        made.output_channels = total;
        received = {total, target.height, target.width};
        return true;
    }

    // Adds to `received_` the node that gives `made` (a made node) with the shape `target`.
    bool receive(std::size_t made, const Shape& target) {
        for (int halvings = 0; shapes_[made] != target; ++halvings) {
            const Shape& have = shapes_[made];
            const bool halve = have.height != target.height || have.width != target.width;
            if (have.height < target.height || have.width < target.width) return false;
            if (halve && halvings == kMostHalvings) return false;
            Node projection{.operation = Operation::kSkipConnect,
                            .input_channels = have.channels,
                            .output_channels = target.channels,
                            .stride = halve ? 2 : 1};
            if (have.channels != target.channels || target.channels % 2 != 0) {
                projection.operation = Operation::kConvBN;
                projection.kernel_size = 1;
            }
            const std::size_t projected = emit(projection, -1, have);
            connect(made, projected);
            made = projected;
        }
        received_.push_back(made);
        return true;
    }

    std::size_t emit(const Node& node, std::int64_t origin, Shape received) {
        parts_->nodes.push_back(node);
        parts_->origin.push_back(origin);
        shapes_.push_back(output_shape(node, received));
        return shapes_.size() - 1;
    }

    void connect(std::size_t from, std::size_t to) {
        parts_->connections.push_back({static_cast<std::int64_t>(from), static_cast<std::int64_t>(to)});
    }

    GraphParts* parts_ = nullptr;
    std::vector<Shape> shapes_;                 // of what was made, by its index
    std::vector<std::size_t> first_, sources_;  // of the edited nodes
    std::vector<std::size_t> index_;            // by edited node: what was made of it
    std::vector<std::uint8_t> reached_;         // by edited node: whether it reaches the output
    std::vector<std::size_t> received_;         // inputs of the node being made
};

}  // namespace efficient_nas
