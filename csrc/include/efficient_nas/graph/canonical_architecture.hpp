// Canonical forms of a whole architecture: simplification, then canonical.hpp.
#pragma once

#include <algorithm>
#include <compare>
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
// terms that is one value of a concat. Reused from architecture to architecture: it keeps its memory.
class VertexTypes {
  public:
    static constexpr std::uint32_t kGroup = 0;

    void collect(const Graph& graph) {
        entries_.clear();
        for (const std::size_t node : graph.execution_order())
            if (is_vertex(graph.nodes()[node])) entries_.push_back({attributes(graph.nodes()[node]), node});
        std::sort(entries_.begin(), entries_.end(),
                  [](const Entry& a, const Entry& b) { return a.attributes < b.attributes; });
        numbers_.resize(graph.size());
        count_ = 0;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (is_first(i)) ++count_;
            numbers_[entries_[i].node] = count_;
        }
    }

    // Whether a node stays when identities and sums are flattened.
    static bool is_vertex(const Node& node) {
        return !node.passes_through() || node.operation == Operation::kInput ||
               node.operation == Operation::kOutput;
    }

    // Of a node on the execution order that is a vertex.
    std::uint32_t number(std::size_t node) const { return numbers_[node]; }

    void write(const Graph& graph, std::vector<std::uint8_t>& bytes) const {
        write_number(count_, bytes);
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (!is_first(i)) continue;
            const Node& node = graph.nodes()[entries_[i].node];
            for (const std::int64_t attribute :
                 {static_cast<std::int64_t>(node.operation), received_channels(node), node.output_channels,
                  node.stride, node.kernel_size, node.expansion, std::int64_t{node.affine}})
                write_number(static_cast<std::uint64_t>(attribute), bytes);
        }
    }

  private:
    // All attributes of a node, packed in their order: sizes have 31 bits (kMaxSize), strides 2.
    struct Attributes {
        std::uint64_t first, second, third;
        auto operator<=>(const Attributes&) const = default;
    };
    struct Entry {
        Attributes attributes;
        std::size_t node;
    };

    // A concat may state its input channels in two ways.
    static std::int64_t received_channels(const Node& node) {
        return node.operation == Operation::kConcat ? node.output_channels : node.input_channels;
    }

    static Attributes attributes(const Node& node) {
        const auto bits = [](std::int64_t value, int shift) {
            return static_cast<std::uint64_t>(value) << shift;
        };
        return {bits(static_cast<std::int64_t>(node.operation), 31) | bits(received_channels(node), 0),
                bits(node.output_channels, 33) | bits(node.stride, 31) | bits(node.kernel_size, 0),
                bits(node.expansion, 1) | bits(node.affine, 0)};
    }

    bool is_first(std::size_t i) const {
        return i == 0 || entries_[i].attributes != entries_[i - 1].attributes;
    }

    std::vector<Entry> entries_;          // by attributes
    std::vector<std::uint32_t> numbers_;  // by node
    std::uint32_t count_ = 0;
};

// Writes canonical bytes. Reused from architecture to architecture: it keeps its memory.
class CanonicalWriter {
  public:
    // In place of what `bytes` holds.
    void write(const Graph& graph, CanonicalKind kind, std::vector<std::uint8_t>& bytes) {
        types_.collect(graph);
        bytes.clear();
        bytes.push_back(static_cast<std::uint8_t>(kind));
        types_.write(graph, bytes);
        const std::size_t header = bytes.size();

        std::size_t vertices = 0;
        for (const std::size_t node : graph.execution_order()) {
            vertices += VertexTypes::is_vertex(graph.nodes()[node]);
            if (graph.nodes()[node].operation == Operation::kConcat) vertices += graph.inputs(node).size();
        }
        try {
            if (vertices <= SmallStorage::kMaxVertices)
                write_canonical(simplify<SmallStorage>(graph, kind, small_values_), bytes);
            else
                write_simplified_on_heap<std::uint32_t>(graph, kind, bytes);
        } catch (const MultiplicityOverflow&) {
            bytes.resize(header);
            write_simplified_on_heap<BigNatural>(graph, kind, bytes);
        }
    }

  private:
    template <class Multiplicity>
    void write_simplified_on_heap(const Graph& graph, CanonicalKind kind, std::vector<std::uint8_t>& bytes) {
        std::vector<Sum<HeapStorage<Multiplicity>>> values;
        write_canonical(simplify<HeapStorage<Multiplicity>>(graph, kind, values), bytes);
    }

    template <class Storage>
    SimplifiedGraph<Storage> simplify(const Graph& graph, CanonicalKind kind,
                                      std::vector<Sum<Storage>>& values) const {
        SimplifiedGraph<Storage> simplified(kind);
        if (values.size() < graph.size()) values.resize(graph.size());
        Sum<Storage> total;
        for (const std::size_t i : graph.execution_order()) {
            const Node& node = graph.nodes()[i];
            if (node.operation == Operation::kInput) {
                values[i] = simplified.source(types_.number(i));
                continue;
            }
            const auto inputs = graph.inputs(i);
            const bool concat = node.operation == Operation::kConcat;
            const bool single = inputs.size() == 1 && !concat;
            if (!single) {
                total.clear();
                for (const std::size_t source : inputs)
                    add_to(total,
                           concat ? simplified.group(VertexTypes::kGroup, values[source]) : values[source]);
            }
            const Sum<Storage>& received = single ? values[inputs[0]] : total;
            if (VertexTypes::is_vertex(node) && node.operation != Operation::kOutput)
                values[i] = simplified.apply(types_.number(i), received);
            else
                values[i] = received;
        }
        simplified.finish(types_.number(graph.output()), values[graph.output()]);
        return simplified;
    }

    VertexTypes types_;
    std::vector<SmallSum> small_values_;  // by node
};

inline std::vector<std::uint8_t> canonical_bytes(const Graph& graph, CanonicalKind kind) {
    std::vector<std::uint8_t> bytes;
    CanonicalWriter().write(graph, kind, bytes);
    return bytes;
}

}  // namespace efficient_nas
