// Canonical bytes of labelled DAGs: equal exactly when two of them are isomorphic, labels and directions
// respected.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "efficient_nas/canonical.hpp"
#include "efficient_nas/canonical_labelling.hpp"
#include "efficient_nas/labelled_dag.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/simplified_graph.hpp"

namespace efficient_nas {

// The vertices in an order that depends on the DAG up to isomorphism alone: by the longest path that ends in
// them (so it is topological), then by a fingerprint of what they are made from and what is made from them,
// one pass down and one up. Throws std::invalid_argument if there is a cycle.
class DagOrder {
  public:
    explicit DagOrder(const LabelledDag& dag) : dag_(dag) {
        std::array<std::uint64_t, LabelledDag::kMaxVertices> layer, hash;
        const auto sum = [&](std::uint64_t vertices) {
            std::uint64_t total = 0;
            for_each_bit(vertices, [&](unsigned v) { total += hash[v]; });
            return total;
        };
        std::size_t layers = 0;
        for (std::uint64_t waiting = lowest_bits(dag.size); waiting; waiting &= ~layer[layers++]) {
            std::uint64_t ready = 0;
            for_each_bit(waiting, [&](unsigned v) {
                if (dag.in[v] & waiting) return;
                ready |= std::uint64_t{1} << v;
                hash[v] = mix64(sum(dag.in[v]) + mix64(static_cast<std::uint32_t>(dag.label[v]) + 1));
            });
            if (!ready) throw std::invalid_argument("adjacency has a cycle");
            layer[layers] = ready;
        }
        for (std::size_t l = layers; l-- > 0;)
            for_each_bit(layer[l], [&](unsigned v) { hash[v] = mix64(hash[v] ^ mix64(sum(dag.out[v]))); });
        for (std::size_t l = 0; l < layers; ++l) append_sorted(layer[l], hash);
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
    struct Positions {
        const DagOrder& order;
        std::uint32_t ordered(std::size_t i) const { return static_cast<std::uint32_t>(i); }
        bool tied(std::size_t i) const { return order.tied(i); }
    };

    void place(unsigned vertex, std::size_t position) {
        vertex_at_[position] = static_cast<std::uint8_t>(vertex);
        position_[vertex] = static_cast<std::uint8_t>(position);
    }

    void append_sorted(std::uint64_t vertices,
                       const std::array<std::uint64_t, LabelledDag::kMaxVertices>& hash) {
        constexpr std::uint64_t kVertexBits = LabelledDag::kMaxVertices - 1;
        std::array<std::uint64_t, LabelledDag::kMaxVertices> keys;  // hash, then vertex
        std::size_t count = 0;
        for_each_bit(vertices, [&](unsigned v) {
            const std::uint64_t key = (hash[v] & ~kVertexBits) | v;
            std::size_t i = count++;
            for (; i > 0 && keys[i - 1] > key; --i) keys[i] = keys[i - 1];
            keys[i] = key;
        });
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0 && (keys[i] ^ keys[i - 1]) <= kVertexBits) ties_ |= std::uint64_t{1} << (size_ - 1);
            place(static_cast<unsigned>(keys[i] & kVertexBits), size_++);
        }
    }

    const LabelledDag& dag_;
    std::array<std::uint8_t, LabelledDag::kMaxVertices> vertex_at_, position_;
    std::size_t size_ = 0;
    std::uint64_t ties_ = 0;  // bit i: positions i and i + 1
};

// Appends the canonical bytes of a DAG: its size, its labels and, a bit each, whether vertex j reads vertex i
// for all i < j, in canonical numbers. Throws std::invalid_argument if there is a cycle.
template <class Bytes>
void append_canonical(const LabelledDag& dag, Bytes& bytes) {
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
