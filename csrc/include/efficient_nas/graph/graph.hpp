// An architecture: a typed DAG of operations from one input to one output. Construction checks everything but
// the size of its costs, so that a Graph that exists is valid. A node with several inputs receives their sum;
// only concat concatenates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <queue>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/graph/operations.hpp"
#include "efficient_nas/graph/steps.hpp"

namespace efficient_nas {

struct Connection {
    std::int64_t from = 0, to = 0;
    bool operator==(const Connection&) const = default;
};

class Graph {
  public:
    using Index = std::uint32_t;  // of a node: half the memory of a size_t

    Graph(std::vector<Node> nodes, std::vector<Connection> connections, const Shape& input_shape)
        : nodes_(std::move(nodes)), connections_(std::move(connections)), input_shape_(input_shape) {
        check_nodes();
        check_connections();
        indices_.resize(2 * (size() + 1) + 2 * connections_.size() + 2 * size());
        collect_neighbours();
        find_topological_order();
        infer_shapes();
        find_alive();
    }

    std::size_t size() const { return nodes_.size(); }
    const std::vector<Node>& nodes() const { return nodes_; }
    const std::vector<Connection>& connections() const { return connections_; }
    const Shape& input_shape() const { return input_shape_; }

    // Sources of the connections into a node, in the order of its connections; repeated ones repeat.
    std::span<const Index> inputs(std::size_t node) const {
        const Index* first = indices_.data() + node;
        return {indices_.data() + first[0], indices_.data() + first[1]};
    }

    // Targets of the connections out of a node, in their order; repeated ones repeat.
    std::span<const Index> targets(std::size_t node) const {
        const Index* first = indices_.data() + size() + 1 + node;
        return {indices_.data() + first[0], indices_.data() + first[1]};
    }

    // What the node receives: the shape of each input, or for concat their concatenation.
    Shape received(std::size_t node) const {
        if (node == input_) return input_shape_;
        const Shape& first = shape(inputs(node)[0]);
        const bool concat = nodes_[node].operation == Operation::kConcat;
        return {concat ? nodes_[node].output_channels : first.channels, first.height, first.width};
    }
    const Shape& shape(std::size_t node) const { return shapes_[node]; }
    // Throws std::invalid_argument if one does not fit into 64 bits.
    NodeCost cost(std::size_t node) const {
        try {
            return {nodes_[node], received(node)};
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument(label(node) + ": " + error.what());
        }
    }

    // Smallest index first among the ready nodes.
    std::span<const Index> topological_order() const { return {orders(), size()}; }
    // The same over alive nodes alone: the order in which an executor runs them.
    std::span<const Index> execution_order() const { return {orders() + size(), num_alive_}; }

    // The value of a zero node is known to be zero: `none`, or an operation that receives only zeros.
    bool is_zero(std::size_t node) const { return flags_[node] & kZero; }
    // Not zero and on a way to the output that no `none` interrupts; input and output always are.
    bool is_alive(std::size_t node) const { return flags_[node] & kAlive; }

    std::size_t input() const { return input_; }
    std::size_t output() const { return output_; }

  private:
    static constexpr std::uint8_t kZero = 1, kAlive = 2;
    static constexpr std::size_t kMostParts = std::size_t{1} << 29;  // indices_ holds 4 nodes + 2 connections

    [[noreturn]] static void fail(const std::string& message) {
        throw std::invalid_argument("Architecture: " + message);
    }

    std::string label(std::size_t node) const {
        return "node " + std::to_string(node) + " (" + std::string(traits(nodes_[node].operation).name) + ")";
    }

    void check_nodes() {
        if (nodes_.size() > kMostParts || connections_.size() > kMostParts)
            fail("at most " + std::to_string(kMostParts) +
                 " nodes and as many connections are allowed, got " + std::to_string(nodes_.size()) +
                 " and " + std::to_string(connections_.size()));
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

    void check_connections() const {
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            const auto [from, to] = connections_[i];
            const auto where = [&] {
                return "connections[" + std::to_string(i) + "] = (" + std::to_string(connections_[i].from) +
                       ", " + std::to_string(connections_[i].to) + ")";
            };
            for (const std::int64_t end : {from, to})
                if (end < 0 || static_cast<std::size_t>(end) >= size())
                    fail(where() + " refers to node " + std::to_string(end) + ", but there are " +
                         std::to_string(size()) + " nodes");
            if (static_cast<std::size_t>(from) == output_) fail(where() + " leaves the output node");
            if (static_cast<std::size_t>(to) == input_) fail(where() + " enters the input node");
        }
    }

    // Fills indices_: where the sources of each node start and end, the same for the targets, sources,
    // targets; room for the two orders follows.
    void collect_neighbours() {
        Index* first_source = indices_.data();
        Index* first_target = first_source + size() + 1;
        // Counted one place further, so that the places where a list starts can serve to fill it.
        for (const Connection& connection : connections_) {
            ++first_source[connection.to];
            ++first_target[connection.from];
        }
        auto source = static_cast<Index>(2 * (size() + 1));
        auto target = static_cast<Index>(source + connections_.size());
        for (std::size_t i = 0; i < size(); ++i) {
            if (i != input_ && first_source[i] == 0)
                fail(label(i) + " receives nothing; only the input node may be a source");
            first_source[i] = source += first_source[i];
            first_target[i] = target += first_target[i];
        }
        first_source[size()] = source;
        first_target[size()] = target;
        for (std::size_t i = connections_.size(); i-- > 0;) {
            const auto [from, to] = connections_[i];
            indices_[--first_source[to]] = static_cast<Index>(from);
            indices_[--first_target[from]] = static_cast<Index>(to);
        }
    }

    const Index* orders() const { return indices_.data() + 2 * (size() + 1) + 2 * connections_.size(); }
    Index* orders() { return const_cast<Index*>(std::as_const(*this).orders()); }

    void find_topological_order() {
        const bool forward = std::all_of(connections_.begin(), connections_.end(),
                                         [](const Connection& c) { return c.from < c.to; });
        if (forward) {
            std::iota(orders(), orders() + size(), Index{0});
            return;
        }
        const auto everything = [](std::size_t) { return true; };
        const std::size_t ordered = order_by_index(everything, orders());
        if (ordered != size()) fail("connections form a cycle: " + cycle(ordered));
    }

    // Writes the nodes that are selected in topological order, smallest index first among the ready ones; how
    // many there are. Nodes of a cycle are never ready.
    template <class Selected>
    std::size_t order_by_index(const Selected& selected, Index* order) const {
        std::vector<std::size_t> missing(size(), 0);
        std::priority_queue<Index, std::vector<Index>, std::greater<>> ready;
        for (Index node = 0; node < size(); ++node) {
            if (!selected(node)) continue;
            for (const std::size_t source : inputs(node)) missing[node] += selected(source);
            if (missing[node] == 0) ready.push(node);
        }
        std::size_t count = 0;
        while (!ready.empty()) {
            const Index node = order[count++] = ready.top();
            ready.pop();
            for (const Index target : targets(node))
                if (selected(target) && --missing[target] == 0) ready.push(target);
        }
        return count;
    }

    // The nodes of one cycle, given that only the first `ordered` places of the order could be filled.
    std::string cycle(std::size_t count) const {
        std::vector<bool> ordered(size(), false);
        for (std::size_t i = 0; i < count; ++i) ordered[orders()[i]] = true;
        std::size_t node = 0;
        while (ordered[node]) ++node;
        // Every node left has an input that is left too: walking backwards must come around.
        std::vector<std::size_t> path, position(size(), size());
        while (position[node] == size()) {
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
        shapes_.resize(size());
        for (const std::size_t node : topological_order())
            shapes_[node] = output_shape(nodes_[node], node == input_ ? input_shape_ : receive(node));
    }

    Shape receive(std::size_t node) const {
        const bool concat = nodes_[node].operation == Operation::kConcat;
        Shape total;
        bool equal_channels = true;
        for (const std::size_t source : inputs(node)) {
            const Shape& made = shape(source);
            if (total.channels == 0) total = {concat ? 0 : made.channels, made.height, made.width};
            const bool fits = made.height == total.height && made.width == total.width &&
                              (concat || made.channels == total.channels);
            if (!fits) {
                const std::size_t first = inputs(node)[0];
                fail(label(node) + " receives " + to_string(shape(first)) + " from " + label(first) +
                     " and " + to_string(made) + " from " + label(source));
            }
            if (concat) total.channels += made.channels;
            equal_channels = equal_channels && made.channels == nodes_[node].input_channels;
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
        flags_.assign(size(), 0);
        for (const std::size_t node : topological_order()) {
            if (node == input_) continue;
            std::uint8_t zero = kZero;
            if (nodes_[node].operation != Operation::kNone)
                for (const std::size_t source : inputs(node)) zero &= flags_[source];
            flags_[node] = zero;
        }
        flags_[input_] |= kAlive;
        flags_[output_] |= kAlive;
        const auto order = topological_order();
        for (auto node = order.rbegin(); node != order.rend(); ++node)
            if (is_alive(*node))
                for (const std::size_t source : inputs(*node))
                    if (!is_zero(source)) flags_[source] |= kAlive;
        // Without what is dead a node may be ready earlier: only ascending indices keep their order.
        const auto alive = [this](std::size_t node) { return is_alive(node); };
        if (std::is_sorted(order.begin(), order.end()))
            num_alive_ = static_cast<std::size_t>(
                std::copy_if(order.begin(), order.end(), orders() + size(), alive) - (orders() + size()));
        else
            num_alive_ = order_by_index(alive, orders() + size());
    }

    std::vector<Node> nodes_;
    std::vector<Connection> connections_;
    Shape input_shape_;
    std::size_t input_ = 0, output_ = 0, num_alive_ = 0;
    // Everything of one kind lies in one piece: graphs are made by the million.
    std::vector<Index> indices_;
    std::vector<Shape> shapes_;  // made, by node
    std::vector<std::uint8_t> flags_;
};

}  // namespace efficient_nas
