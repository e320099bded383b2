// Canonical forms of a whole architecture: simplification, then canonical.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "efficient_nas/big_natural.hpp"
#include "efficient_nas/graph/canonical.hpp"
#include "efficient_nas/graph/graph.hpp"
#include "efficient_nas/graph/simplified_graph.hpp"

namespace efficient_nas {

// The types that occur in an architecture, numbered in the order of their attributes. Type 0 is the group of
// terms that is one value of a concat.
class VertexTypes {
  public:
    static constexpr std::uint32_t kGroup = 0;

    explicit VertexTypes(const Graph& graph) {
        types_.reserve(graph.size());
        for (const std::size_t node : graph.execution_order())
            if (is_vertex(graph.nodes()[node])) types_.push_back(attributes(graph.nodes()[node]));
        std::sort(types_.begin(), types_.end());
        types_.erase(std::unique(types_.begin(), types_.end()), types_.end());
    }

    // Whether a node stays when identities and sums are flattened.
    static bool is_vertex(const Node& node) {
        return !node.passes_through() || node.operation == Operation::kInput ||
               node.operation == Operation::kOutput;
    }

    std::uint32_t number(const Node& node) const {
        const auto found = std::lower_bound(types_.begin(), types_.end(), attributes(node));
        return static_cast<std::uint32_t>(found - types_.begin()) + 1;
    }

    void write(std::vector<std::uint8_t>& bytes) const {
        write_number(types_.size(), bytes);
        for (const Attributes& type : types_)
            for (const std::int64_t attribute : type)
                write_number(static_cast<std::uint64_t>(attribute), bytes);
    }

  private:
    using Attributes = std::array<std::int64_t, 7>;

    static Attributes attributes(const Node& node) {
        // A concat may state its input channels in two ways.
        const bool concat = node.operation == Operation::kConcat;
        return {static_cast<std::int64_t>(node.operation),
                concat ? node.output_channels : node.input_channels,
                node.output_channels,
                node.stride,
                node.kernel_size,
                node.expansion,
                node.affine};
    }

    std::vector<Attributes> types_;
};

template <class Storage>
SimplifiedGraph<Storage> simplify(const Graph& graph, const VertexTypes& types, CanonicalKind kind) {
    SimplifiedGraph<Storage> simplified(kind);
    std::vector<Sum<Storage>> values(graph.size());
    for (const std::size_t i : graph.execution_order()) {
        const Node& node = graph.nodes()[i];
        Sum<Storage> received;
        for (const std::size_t source : graph.inputs(i))
            add_to(received, node.operation == Operation::kConcat
                                 ? simplified.group(VertexTypes::kGroup, values[source])
                                 : values[source]);
        if (node.operation == Operation::kInput)
            values[i] = simplified.source(types.number(node));
        else if (VertexTypes::is_vertex(node) && node.operation != Operation::kOutput)
            values[i] = simplified.apply(types.number(node), received);
        else
            values[i] = received;
    }
    simplified.finish(types.number(graph.nodes()[graph.output()]), values[graph.output()]);
    return simplified;
}

inline std::vector<std::uint8_t> canonical_bytes(const Graph& graph, CanonicalKind kind) {
    const VertexTypes types(graph);
    std::vector<std::uint8_t> bytes{static_cast<std::uint8_t>(kind)};
    types.write(bytes);
    const std::size_t header = bytes.size();

    std::size_t vertices = 0;
    for (const std::size_t node : graph.execution_order()) {
        vertices += VertexTypes::is_vertex(graph.nodes()[node]);
        if (graph.nodes()[node].operation == Operation::kConcat) vertices += graph.inputs(node).size();
    }
    try {
        if (vertices <= SmallStorage::kMaxVertices)
            write_canonical(simplify<SmallStorage>(graph, types, kind), bytes);
        else
            write_canonical(simplify<HeapStorage<std::uint32_t>>(graph, types, kind), bytes);
    } catch (const MultiplicityOverflow&) {
        bytes.resize(header);
        write_canonical(simplify<HeapStorage<BigNatural>>(graph, types, kind), bytes);
    }
    return bytes;
}

}  // namespace efficient_nas
