// Canonical bytes of labelled DAGs: equal exactly when two of them are isomorphic, labels and directions
// respected.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "efficient_nas/graph/canonical.hpp"
#include "efficient_nas/graph/canonical_labelling.hpp"
#include "efficient_nas/graph/labelled_dag.hpp"
#include "efficient_nas/graph/simplified_graph.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// The vertices of a topologically sorted DAG in an order that depends on the DAG up to isomorphism alone: by
// the longest path that ends in them, so that it is topological as well, then by a fingerprint of what they
// are made from and what is made from them, one pass down and one up.
class DagOrder {
  public:
    explicit DagOrder(const LabelledDag& dag) : dag_(dag), size_(dag.size) {
        PerVertex hash, depth, key;
        for (std::size_t v = 0; v < size_; ++v) {
            std::uint64_t above = 0, longest = 0;
            for_each_bit(dag.in[v], [&](unsigned u) {
                above += hash[u];
                longest = std::max(longest, depth[u] + 1);
            });
            depth[v] = longest;
            hash[v] = mix64(above + kLabelCode * static_cast<std::uint32_t>(dag.label[v]) + 1);
        }
        for (std::size_t v = size_; v-- > 0;) {
            std::uint64_t below = 0;
            for_each_bit(dag.out[v], [&](unsigned w) { below += hash[w]; });
            hash[v] = mix64(2 * hash[v] + below);
            key[v] = depth[v] << (kHashBits + kVertexBits) | hash[v] >> (64 - kHashBits) << kVertexBits | v;
        }
        rank(key);
    }

    std::size_t size() const { return size_; }
    // The vertex at position i.
    unsigned ordered(std::size_t i) const { return vertex_at_[i]; }
    // Whether the vertices at positions i and i + 1 are equal as far as the order knows.
    bool tied(std::size_t i) const { return ties_ >> i & 1u; }
    // The positions of a set of vertices.
    std::uint64_t positions(std::uint64_t vertices) const {
        std::uint64_t found = 0;
        for_each_bit(vertices, [&](unsigned v) { found |= std::uint64_t{1} << position_[v]; });
        return found;
    }

    // Whether tied vertices may change places without changing the numbered graph: they are twins.
    bool decided() const {
        bool twins = true;
        for_each_bit(ties_, [&](unsigned i) {
            const unsigned a = vertex_at_[i], b = vertex_at_[i + 1];
            twins &= dag_.label[a] == dag_.label[b] && dag_.in[a] == dag_.in[b] && dag_.out[a] == dag_.out[b];
        });
        return twins;
    }

    // Orders tied vertices by a search.
    void decide() {
        SmallGraph graph(CanonicalKind::kGraph);  // vertex i is the one at position i
        for (std::size_t i = 0; i < size_; ++i) {
            SmallSum terms;
            for_each_bit(positions(dag_.in[vertex_at_[i]]), [&](unsigned p) { terms.push_back({p, 1}); });
            graph.add(static_cast<std::uint32_t>(dag_.label[vertex_at_[i]]), terms);
        }
        const CanonicalLabelling<SmallStorage> labelling(graph, Positions{*this});
        const auto before = vertex_at_;
        for (std::size_t i = 0; i < size_; ++i) place(before[labelling.ordered(i)], i);
        ties_ = 0;
    }

  private:
    using PerVertex = std::array<std::uint64_t, LabelledDag::kMaxVertices>;
    // A key is depth, hash and vertex.
    static constexpr unsigned kVertexBits = 6, kHashBits = 64 - 2 * kVertexBits;
    static constexpr std::uint64_t kLabelCode = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio, odd

    struct Positions {
        const DagOrder& order;
        std::uint32_t ordered(std::size_t i) const { return static_cast<std::uint32_t>(i); }
        bool tied(std::size_t i) const { return order.tied(i); }
    };

    void place(unsigned vertex, std::size_t position) {
        vertex_at_[position] = static_cast<std::uint8_t>(vertex);
        position_[vertex] = static_cast<std::uint8_t>(position);
    }

    // Orders the vertices by their keys, which differ. Compares all pairs, without a branch.
    void rank(const PerVertex& key) {
        std::array<std::uint8_t, LabelledDag::kMaxVertices> smaller;  // by vertex: the number of smaller keys
        for (std::size_t v = 0; v < size_; ++v) {
            unsigned count = 0;
            for (std::size_t u = 0; u < v; ++u) {
                const bool less = key[u] < key[v];
                count += less;
                smaller[u] = static_cast<std::uint8_t>(smaller[u] + !less);
            }
            smaller[v] = static_cast<std::uint8_t>(count);
        }
        for (std::size_t v = 0; v < size_; ++v) place(static_cast<unsigned>(v), smaller[v]);
        for (std::size_t i = 0; i + 1 < size_; ++i) {
            const bool tie = key[vertex_at_[i]] >> kVertexBits == key[vertex_at_[i + 1]] >> kVertexBits;
            ties_ |= std::uint64_t{tie} << i;
        }
    }

    const LabelledDag& dag_;
    std::array<std::uint8_t, LabelledDag::kMaxVertices> vertex_at_, position_;
    std::size_t size_;
    std::uint64_t ties_ = 0;  // bit i: positions i and i + 1
};

// Appends the canonical bytes of a DAG: its size, its labels and, a bit each, whether vertex j reads vertex i
// for all i < j, in canonical numbers. Throws std::invalid_argument if there is a cycle.
template <class Bytes>
void append_canonical(const LabelledDag& dag, Bytes& bytes) {
    if (!is_topological(dag)) return append_canonical(topologically_sorted(dag), bytes);
    DagOrder order(dag);
    if (!order.decided()) order.decide();
    bytes.push_back(static_cast<std::uint8_t>(dag.size));
    for (std::size_t i = 0; i < dag.size; ++i) {
        const std::int64_t label = dag.label[order.ordered(i)];  // small ones of both signs take a byte
        write_number(static_cast<std::uint64_t>(label < 0 ? -2 * label - 1 : 2 * label), bytes);
    }
    std::uint64_t waiting = 0;  // bits that do not fill a byte yet
    std::size_t count = 0;
    for (std::size_t j = 1; j < dag.size; ++j) {
        std::uint64_t row = order.positions(dag.in[order.ordered(j)]);
        for (std::size_t left = j; left > 0;) {
            const std::size_t taken = std::min<std::size_t>(left, 8);
            waiting |= (row & lowest_bits(taken)) << count;
            count += taken;
            row >>= taken;
            left -= taken;
            if (count < 8) continue;
            bytes.push_back(static_cast<std::uint8_t>(waiting));
            waiting >>= 8;
            count -= 8;
        }
    }
    if (count > 0) bytes.push_back(static_cast<std::uint8_t>(waiting));
}

}  // namespace efficient_nas
