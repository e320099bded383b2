// An architecture: a typed DAG of operations from one input to one output. Construction checks everything, so
// that a Graph that exists is valid. A node with several inputs receives their sum; only concat concatenates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/operations.hpp"
#include "efficient_nas/steps.hpp"

namespace efficient_nas {

struct Connection {
    std::int64_t from = 0, to = 0;
    bool operator==(const Connection&) const = default;
};

class Graph {
  public:
    Graph(std::vector<Node> nodes, std::vector<Connection> connections, const Shape& input_shape)
        : nodes_(std::move(nodes)), connections_(std::move(connections)), input_shape_(input_shape) {
        check_nodes();
        check_connections();
        topological_order_ = order_of(std::vector<bool>(nodes_.size(), true));
        if (topological_order_.size() != nodes_.size()) fail("connections form a cycle: " + cycle());
        infer_shapes();
        find_alive();
        execution_order_ = order_of(alive_);
    }

    std::size_t size() const { return nodes_.size(); }
    const std::vector<Node>& nodes() const { return nodes_; }
    const std::vector<Connection>& connections() const { return connections_; }
    const Shape& input_shape() const { return input_shape_; }

    // Sources of the connections into a node, in the order of its connections; repeated ones repeat.
    std::span<const std::size_t> inputs(std::size_t node) const {
        return {sources_.data() + first_source_[node], first_source_[node + 1] - first_source_[node]};
    }

    // Targets of the connections out of a node, in their order; repeated ones repeat.
    std::span<const std::size_t> targets(std::size_t node) const {
        return {targets_.data() + first_target_[node], first_target_[node + 1] - first_target_[node]};
    }

    // What the node receives: the shape of each input, or for concat their concatenation.
    const Shape& received(std::size_t node) const { return received_[node]; }
    const Shape& shape(std::size_t node) const { return costs_[node].output; }
    const NodeCost& cost(std::size_t node) const { return costs_[node]; }

    // Smallest index first among the ready nodes.
    const std::vector<std::size_t>& topological_order() const { return topological_order_; }
    // The same over alive nodes alone: the order in which an executor runs them.
    const std::vector<std::size_t>& execution_order() const { return execution_order_; }

    // The value of a zero node is known to be zero: `none`, or an operation that receives only zeros.
    bool is_zero(std::size_t node) const { return zero_[node]; }
    // Not zero and on a way to the output that no `none` interrupts; input and output always are.
    bool is_alive(std::size_t node) const { return alive_[node]; }

    std::size_t input() const { return input_; }
    std::size_t output() const { return output_; }

  private:
    [[noreturn]] static void fail(const std::string& message) {
        throw std::invalid_argument("Architecture: " + message);
    }

    std::string label(std::size_t node) const {
        return "node " + std::to_string(node) + " (" + std::string(traits(nodes_[node].operation).name) + ")";
    }

    void check_nodes() {
        std::size_t inputs = 0, outputs = 0;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            try {
                check_node(nodes_[i]);
            } catch (const std::invalid_argument& error) {
                fail(label(i) + ": " + error.what());
            }
            if (nodes_[i].operation == Operation::kInput) input_ = i, ++inputs;
            if (nodes_[i].operation == Operation::kOutput) output_ = i, ++outputs;
        }
        if (inputs != 1) fail("exactly one input node is needed, got " + std::to_string(inputs));
        if (outputs != 1) fail("exactly one output node is needed, got " + std::to_string(outputs));
        for (const std::int64_t side : {input_shape_.channels, input_shape_.height, input_shape_.width})
            if (side < 1 || side > kMaxSize)
                fail("input_shape must hold numbers between 1 and " + std::to_string(kMaxSize) + ", got " +
                     to_string(input_shape_));
        if (nodes_[input_].output_channels != input_shape_.channels)
            fail(label(input_) + " has " + std::to_string(nodes_[input_].output_channels) +
                 " channels, but input_shape is " + to_string(input_shape_));
    }

    void check_connections() {
        first_source_.assign(nodes_.size() + 1, 0);
        first_target_.assign(nodes_.size() + 1, 0);
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            const auto [from, to] = connections_[i];
            const std::string where = "connections[" + std::to_string(i) + "] = (" + std::to_string(from) +
                                      ", " + std::to_string(to) + ")";
            for (const std::int64_t end : {from, to})
                if (end < 0 || static_cast<std::size_t>(end) >= nodes_.size())
                    fail(where + " refers to node " + std::to_string(end) + ", but there are " +
                         std::to_string(nodes_.size()) + " nodes");
            if (static_cast<std::size_t>(from) == output_) fail(where + " leaves the output node");
            if (static_cast<std::size_t>(to) == input_) fail(where + " enters the input node");
            ++first_source_[static_cast<std::size_t>(to) + 1];
            ++first_target_[static_cast<std::size_t>(from) + 1];
        }
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (i != input_ && first_source_[i + 1] == 0)
                fail(label(i) + " receives nothing; only the input node may be a source");
            first_source_[i + 1] += first_source_[i];
            first_target_[i + 1] += first_target_[i];
        }
        sources_.resize(connections_.size());
        targets_.resize(connections_.size());
        std::vector<std::size_t> source = first_source_, target = first_target_;
        for (const Connection& connection : connections_) {
            const auto from = static_cast<std::size_t>(connection.from);
            const auto to = static_cast<std::size_t>(connection.to);
            sources_[source[to]++] = from;
            targets_[target[from]++] = to;
        }
    }

    std::vector<std::size_t> order_of(const std::vector<bool>& selected) const {
        std::vector<std::size_t> missing(nodes_.size(), 0), order;
        std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
        for (std::size_t node = 0; node < nodes_.size(); ++node) {
            if (!selected[node]) continue;
            for (const std::size_t source : inputs(node)) missing[node] += selected[source];
            if (missing[node] == 0) ready.push(node);
        }
        while (!ready.empty()) {
            order.push_back(ready.top());
            ready.pop();
            for (const std::size_t target : targets(order.back()))
                if (selected[target] && --missing[target] == 0) ready.push(target);
        }
        return order;
    }

    // The nodes of one cycle, given that topological_order_ could not take all nodes.
    std::string cycle() const {
        std::vector<bool> ordered(nodes_.size(), false);
        for (const std::size_t node : topological_order_) ordered[node] = true;
        std::size_t node = 0;
        while (ordered[node]) ++node;
        // Every node left has an input that is left too: walking backwards must come around.
        std::vector<std::size_t> path, position(nodes_.size(), nodes_.size());
        while (position[node] == nodes_.size()) {
            position[node] = path.size();
            path.push_back(node);
            for (const std::size_t source : inputs(node))
                if (!ordered[source]) {
                    node = source;
                    break;
                }
        }
        std::string text = std::to_string(node);
        for (std::size_t i = path.size(); i-- > position[node];) text += " -> " + std::to_string(path[i]);
        return text;
    }

    void infer_shapes() {
        costs_.resize(nodes_.size());
        received_.resize(nodes_.size());
        for (const std::size_t node : topological_order_) {
            received_[node] = node == input_ ? input_shape_ : receive(node);
            try {
                costs_[node] = NodeCost(nodes_[node], received_[node]);
            } catch (const std::invalid_argument& error) {
                fail(label(node) + ": " + error.what());
            }
        }
    }

    Shape receive(std::size_t node) const {
        const bool concat = nodes_[node].operation == Operation::kConcat;
        Shape total;
        bool equal_channels = true;
        for (const std::size_t source : inputs(node)) {
            const Shape& shape = costs_[source].output;
            if (total.channels == 0) total = {concat ? 0 : shape.channels, shape.height, shape.width};
            const bool fits = shape.height == total.height && shape.width == total.width &&
                              (concat || shape.channels == total.channels);
            if (!fits) {
                const std::size_t first = inputs(node)[0];
                fail(label(node) + " receives " + to_string(costs_[first].output) + " from " + label(first) +
                     " and " + to_string(shape) + " from " + label(source));
            }
            if (concat) total.channels += shape.channels;
            equal_channels = equal_channels && shape.channels == nodes_[node].input_channels;
        }
        if (concat) {
            if (total.channels != nodes_[node].output_channels)
                fail(label(node) + " receives " + std::to_string(total.channels) +
                     " channels in total, but its output_channels is " +
                     std::to_string(nodes_[node].output_channels));
            if (!equal_channels && nodes_[node].input_channels != total.channels)
                fail(label(node) + ": input_channels must be that of every input, or their sum " +
                     std::to_string(total.channels) + ", got " + std::to_string(nodes_[node].input_channels));
        } else if (total.channels != nodes_[node].input_channels) {
            fail(label(node) + " receives " + to_string(total) + " from " + label(inputs(node)[0]) +
                 ", but its input_channels is " + std::to_string(nodes_[node].input_channels));
        }
        return total;
    }

    void find_alive() {
        zero_.assign(nodes_.size(), false);
        for (const std::size_t node : topological_order_) {
            if (node == input_) continue;
            zero_[node] = true;
            if (nodes_[node].operation == Operation::kNone) continue;
            for (const std::size_t source : inputs(node))
                if (!zero_[source]) zero_[node] = false;
        }
        alive_.assign(nodes_.size(), false);
        alive_[input_] = alive_[output_] = true;
        for (auto node = topological_order_.rbegin(); node != topological_order_.rend(); ++node)
            if (alive_[*node])
                for (const std::size_t source : inputs(*node))
                    if (!zero_[source]) alive_[source] = true;
    }

    std::vector<Node> nodes_;
    std::vector<Connection> connections_;
    Shape input_shape_;
    std::size_t input_ = 0, output_ = 0;
    std::vector<std::size_t> first_source_, sources_, first_target_, targets_;
    std::vector<std::size_t> topological_order_, execution_order_;
    std::vector<Shape> received_;
    std::vector<NodeCost> costs_;
    std::vector<bool> zero_, alive_;
};

}  // namespace efficient_nas
