// An architecture under change: what mutations write and shape repair reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/graph/graph.hpp"
#include "efficient_nas/graph/prune.hpp"

namespace efficient_nas {

// An architecture that was made from another one. origin: for every node the parent's node whose weights it
// may take over, or -1.
struct GraphParts {
    std::vector<Node> nodes;
    std::vector<Connection> connections;
    std::vector<std::int64_t> origin;
    Shape input_shape;

    Graph graph() const { return Graph(nodes, connections, input_shape); }
};

// Whether nodes are numbered such that all connections point forward, and prune() would drop none: what
// mutation and crossover start from. What they make is in normal form again.
inline bool in_normal_form(const Graph& graph) {
    for (const Connection& connection : graph.connections())
        if (connection.from >= connection.to) return false;
    return graph.execution_order().size() == graph.size() || kept_nodes(graph).size() == graph.size();
}

// The normal form: the kept nodes (prune.hpp) in topological order.
inline GraphParts normal_form(const Graph& graph) {
    std::vector<std::int64_t> index(graph.size(), -1);
    std::vector<bool> kept(graph.size(), false);
    for (const std::size_t node : kept_nodes(graph)) kept[node] = true;
    GraphParts parts{{}, {}, {}, graph.input_shape()};
    for (const std::size_t node : graph.topological_order()) {
        if (!kept[node]) continue;
        index[node] = static_cast<std::int64_t>(parts.nodes.size());
        parts.nodes.push_back(graph.nodes()[node]);
        parts.origin.push_back(static_cast<std::int64_t>(node));
    }
    for (const Connection& connection : graph.connections()) {
        const std::int64_t from = index[static_cast<std::size_t>(connection.from)],
                           to = index[static_cast<std::size_t>(connection.to)];
        if (from >= 0 && to >= 0) parts.connections.push_back({from, to});
    }
    return parts;
}

// Nodes keep their index while others are inserted; `order` lists them such that connections point forward
// in it. Nodes that no longer reach the output stay until repair drops them.
struct GraphEdit {
    std::vector<Node> nodes;
    std::vector<Connection> connections;
    std::vector<std::int64_t> origin;
    std::vector<std::size_t> order;

    // A copy of `parent`, which is in normal form.
    void start(const Graph& parent) {
        nodes = parent.nodes();
        connections = parent.connections();
        origin.resize(nodes.size());
        order.resize(nodes.size());
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            order[i] = i;
            origin[i] = static_cast<std::int64_t>(i);
        }
    }

    // A new node right before `next` in the order; its index.
    std::size_t insert(const Node& node, std::size_t next) {
        const std::size_t index = nodes.size();
        nodes.push_back(node);
        origin.push_back(-1);
        order.insert(std::find(order.begin(), order.end(), next), index);
        return index;
    }

    void connect(std::size_t from, std::size_t to) {
        connections.push_back({static_cast<std::int64_t>(from), static_cast<std::int64_t>(to)});
    }

    bool connected(std::size_t from, std::size_t to) const {
        const Connection wanted{static_cast<std::int64_t>(from), static_cast<std::int64_t>(to)};
        return std::find(connections.begin(), connections.end(), wanted) != connections.end();
    }
};

}  // namespace efficient_nas
