// How architectures cross the border to Python: as tuples of plain numbers.
#pragma once

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "efficient_nas/graph/graph_edit.hpp"
#include "efficient_nas/graph/graph_mutation_sites.hpp"

// operation, input_channels, output_channels, stride, kernel_size (0: none), expansion, affine
using NodeTuple =
    std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, bool>;
using ConnectionTuple = std::pair<std::int64_t, std::int64_t>;
using ShapeTuple = std::tuple<std::int64_t, std::int64_t, std::int64_t>;
// Nodes, connections, and for every node the parent's node that it stems from, or -1.
using GraphTuple =
    std::tuple<std::vector<NodeTuple>, std::vector<ConnectionTuple>, std::vector<std::int64_t>>;

inline efficient_nas::Node to_node(const NodeTuple& values) {
    const auto& [operation, input_channels, output_channels, stride, kernel_size, expansion, affine] = values;
    return {efficient_nas::parse_operation(operation),
            input_channels,
            output_channels,
            stride,
            kernel_size,
            expansion,
            affine};
}

inline ShapeTuple to_tuple(const efficient_nas::Shape& shape) {
    return {shape.channels, shape.height, shape.width};
}

inline GraphTuple to_tuple(const std::vector<efficient_nas::Node>& nodes,
                           const std::vector<efficient_nas::Connection>& connections,
                           const std::vector<std::int64_t>& origin) {
    GraphTuple tuple;
    for (const efficient_nas::Node& node : nodes)
        std::get<0>(tuple).emplace_back(std::string(efficient_nas::traits(node.operation).name),
                                        node.input_channels, node.output_channels, node.stride,
                                        node.kernel_size, node.expansion, node.affine);
    for (const efficient_nas::Connection& connection : connections)
        std::get<1>(tuple).emplace_back(connection.from, connection.to);
    std::get<2>(tuple) = origin;
    return tuple;
}

inline GraphTuple to_tuple(const efficient_nas::GraphParts& parts) {
    return to_tuple(parts.nodes, parts.connections, parts.origin);
}

inline std::vector<efficient_nas::MutationKind> parse_kinds(const std::vector<std::string>& names) {
    std::vector<efficient_nas::MutationKind> kinds;
    for (const std::string& name : names) kinds.push_back(efficient_nas::parse_mutation_kind(name));
    return kinds;
}
