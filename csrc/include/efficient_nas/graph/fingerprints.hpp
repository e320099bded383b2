// A number for every vertex that depends only on the graph up to isomorphism, and the order that it gives.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "efficient_nas/graph/simplified_graph.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// From what a vertex is made of and what is made of it: one pass up and one down. Vertices with different
// fingerprints are different; those that are tied may be interchangeable or not.
template <class Storage>
class Fingerprints {
  public:
    using TermType = typename SimplifiedGraph<Storage>::TermType;

    explicit Fingerprints(const SimplifiedGraph<Storage>& graph) {
        const std::size_t n = graph.size();
        typename Storage::template PerVertex<std::uint64_t> uses;
        uses.resize(n);
        std::fill(uses.begin(), uses.end(), 0);
        keys_.resize(n);
        for (std::size_t v = n; v-- > 0;) {
            const std::uint64_t fingerprint = mix64(graph.hash(v) ^ mix64(uses[v]));
            for (const TermType& term : graph.terms(v))
                uses[term.vertex] += mix64(fingerprint + edge_code(term.multiplicity));
            keys_[v] = (fingerprint >> 32 << 32) | v;
        }
        std::sort(keys_.begin(), keys_.end());
    }

    // Vertex i in ascending order of fingerprints.
    std::uint32_t ordered(std::size_t i) const { return static_cast<std::uint32_t>(keys_[i]); }
    // Whether vertices i and i + 1 of that order have the same fingerprint.
    bool tied(std::size_t i) const { return keys_[i] >> 32 == keys_[i + 1] >> 32; }
    bool any_tied() const {
        for (std::size_t i = 0; i + 1 < keys_.size(); ++i)
            if (tied(i)) return true;
        return false;
    }

  private:
    typename Storage::template PerVertex<std::uint64_t> keys_;  // fingerprint, then vertex
};

}  // namespace efficient_nas
