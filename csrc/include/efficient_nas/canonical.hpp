// Canonical bytes of a simplified graph: equal exactly when two graphs are the same, either as expressions
// (sharing ignored) or up to isomorphism. They are the numbered graph itself; hashes only speed the way
// there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "efficient_nas/canonical_labelling.hpp"
#include "efficient_nas/expression_classes.hpp"
#include "efficient_nas/fixed_vector.hpp"
#include "efficient_nas/simplified_graph.hpp"

namespace efficient_nas {

enum class CanonicalKind : std::uint8_t { kGraph, kExpression };

inline CanonicalKind parse_canonical_kind(std::string_view kind) {
    if (kind == "graph") return CanonicalKind::kGraph;
    if (kind == "expression") return CanonicalKind::kExpression;
    throw std::invalid_argument("kind must be 'graph' or 'expression', got '" + std::string(kind) + "'");
}

// LEB128: seven bits a byte, the highest bit says that more follow.
template <class Bytes>
void write_number(std::uint64_t value, Bytes& bytes) {
    for (; value >= 128; value >>= 7) bytes.push_back(static_cast<std::uint8_t>(value | 128));
    bytes.push_back(static_cast<std::uint8_t>(value));
}

template <class TermType, class Bytes>
void write_vertex(std::uint32_t type, std::span<const TermType> terms, Bytes& bytes) {
    write_number(type, bytes);
    write_number(terms.size(), bytes);
    for (const TermType& term : terms) {
        const bool repeated = term.multiplicity != decltype(term.multiplicity){1};
        write_number(std::uint64_t{term.vertex} << 1 | (repeated ? 1 : 0), bytes);
        if (repeated) write_number(term.multiplicity, bytes);
    }
}

// Appends the canonical bytes to `bytes`.
template <class Storage, class Bytes>
void write_canonical(const SimplifiedGraph<Storage>& graph, CanonicalKind kind, Bytes& bytes) {
    const ExpressionClasses<Storage> classes(graph);
    if (kind == CanonicalKind::kExpression || classes.count() == graph.size()) {
        for (std::size_t i = 0; i < graph.size(); ++i) {
            const std::uint32_t vertex = classes.ordered(i);
            const bool seen = i > 0 && classes.rank(vertex) == classes.rank(classes.ordered(i - 1));
            if (!seen) write_vertex(graph.type(vertex), classes.key(vertex), bytes);
        }
    } else {
        const CanonicalLabelling<Storage> labelling(graph, classes);
        for (std::size_t i = 0; i < graph.size(); ++i)
            write_vertex(graph.type(labelling.ordered(i)), labelling.terms(i), bytes);
    }
}

// For graphs of at most 64 vertices; uses no heap.
using SmallBytes = FixedVector<std::uint8_t, std::size_t{1} << 14>;  // every SmallGraph fits

inline void canonical_small(const SmallGraph& graph, CanonicalKind kind, SmallBytes& bytes) {
    bytes.clear();
    write_canonical(graph, kind, bytes);
}

}  // namespace efficient_nas
