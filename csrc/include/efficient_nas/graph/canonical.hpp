// Canonical bytes of a simplified graph: equal exactly when two graphs are the same, either as expressions
// (sharing ignored) or up to isomorphism. They are the numbered graph itself; hashes only speed the way
// there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "efficient_nas/graph/canonical_labelling.hpp"
#include "efficient_nas/graph/fingerprints.hpp"
#include "efficient_nas/graph/simplified_graph.hpp"

namespace efficient_nas {

// LEB128: seven bits a byte, the highest bit says that more follow.
template <class Bytes>
void write_number(std::uint64_t value, Bytes& bytes) {
    for (; value >= 128; value >>= 7) bytes.push_back(static_cast<std::uint8_t>(value | 128));
    bytes.push_back(static_cast<std::uint8_t>(value));
}

template <class TermType, class Bytes>
void write_vertex(std::uint32_t type, std::span<TermType> terms, Bytes& bytes) {
    write_number(type, bytes);
    write_number(terms.size(), bytes);
    for (const TermType& term : terms) {
        const bool repeated = term.multiplicity != decltype(term.multiplicity){1};
        write_number(std::uint64_t{term.vertex} << 1 | (repeated ? 1 : 0), bytes);
        if (repeated) write_number(term.multiplicity, bytes);
    }
}

// Appends the canonical bytes of a complete graph to `bytes`.
template <class Storage, class Bytes>
void write_canonical(const SimplifiedGraph<Storage>& graph, Bytes& bytes) {
    const Fingerprints<Storage> fingerprints(graph);
    if (fingerprints.any_tied()) {
        const CanonicalLabelling<Storage> labelling(graph, fingerprints);
        for (std::size_t i = 0; i < graph.size(); ++i)
            write_vertex(graph.type(labelling.ordered(i)), labelling.terms(i), bytes);
        return;
    }
    typename Storage::template PerVertex<std::uint32_t> number;
    number.resize(graph.size());
    for (std::uint32_t i = 0; i < graph.size(); ++i) number[fingerprints.ordered(i)] = i;
    Sum<Storage> terms;
    for (std::size_t i = 0; i < graph.size(); ++i) {
        const std::uint32_t vertex = fingerprints.ordered(i);
        terms.clear();
        for (const auto& term : graph.terms(vertex))
            terms.push_back({number[term.vertex], term.multiplicity});
        std::sort(terms.begin(), terms.end());
        write_vertex(graph.type(vertex), std::span(terms.data(), terms.size()), bytes);
    }
}

}  // namespace efficient_nas
