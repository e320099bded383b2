// A simplified architecture: what canonical forms are computed of (docs/design/architectures.md, "Canonical
// forms").
//
// Vertices hold a type, a number that the caller assigns, and a sum of terms: earlier vertices with
// multiplicity. Zeros, identities and sums are gone: while a graph is built, the value of every node is such
// a sum, and an operation on an empty sum is an empty sum again.
//
//     SmallGraph graph(CanonicalKind::kGraph);  // x -> conv, skip -> sum -> output
//     SmallSum x = graph.source(kX);
//     SmallSum node = graph.apply(kConv, x);
//     add_to(node, x);
//     graph.finish(kOutput, node);
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "efficient_nas/fixed_vector.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// What makes two simplified graphs the same.
enum class CanonicalKind : std::uint8_t {
    kGraph,       // isomorphism: a shared vertex differs from two equal ones
    kExpression,  // vertices of equal type and inputs are one
};

inline CanonicalKind parse_canonical_kind(std::string_view kind) {
    if (kind == "graph") return CanonicalKind::kGraph;
    if (kind == "expression") return CanonicalKind::kExpression;
    throw std::invalid_argument("kind must be 'graph' or 'expression', got '" + std::string(kind) + "'");
}

struct MultiplicityOverflow : std::overflow_error {
    MultiplicityOverflow() : std::overflow_error("multiplicity of a term does not fit into 32 bits") {}
};

inline void increase(std::uint32_t& multiplicity, std::uint32_t by) {
    if (__builtin_add_overflow(multiplicity, by, &multiplicity)) throw MultiplicityOverflow();
}

// Sums of these tell multisets of edges apart; only to be fast, nothing is decided by them.
inline std::uint64_t edge_code(std::uint32_t multiplicity) {
    return multiplicity == 1 ? 1 : mix64(multiplicity);
}

template <class Multiplicity>
struct Term {
    std::uint32_t vertex;
    Multiplicity multiplicity;

    bool operator==(const Term&) const = default;
    auto operator<=>(const Term&) const = default;
};

// At most 64 vertices, no heap. Everything below is written once, for this storage and for HeapStorage.
struct SmallStorage {
    static constexpr std::size_t kMaxVertices = 64;
    static constexpr std::size_t kMaxTerms = kMaxVertices * (kMaxVertices - 1) / 2;
    static constexpr std::size_t kMaxMoves = kMaxTerms;
    using Multiplicity = std::uint32_t;
    template <class T>
    using PerVertex = FixedVector<T, kMaxVertices>;
    template <class T>
    using PerTerm = FixedVector<T, kMaxTerms>;
};

template <class MultiplicityType>
struct HeapStorage {
    static constexpr std::size_t kMaxMoves = std::size_t{1} << 22;
    using Multiplicity = MultiplicityType;
    template <class T>
    using PerVertex = std::vector<T>;
    template <class T>
    using PerTerm = std::vector<T>;
};

// A multiset of vertices, in ascending order of vertices.
template <class Storage>
using Sum = typename Storage::template PerVertex<Term<typename Storage::Multiplicity>>;

template <class Terms>
void add_to(Terms& sum, const Terms& other) {
    if (sum.empty()) {
        sum = other;
        return;
    }
    Terms merged;
    auto a = sum.begin();
    auto b = other.begin();
    while (a != sum.end() && b != other.end()) {
        if (a->vertex == b->vertex) {
            merged.push_back(*a++);
            increase(merged.back().multiplicity, b++->multiplicity);
        } else {
            merged.push_back(a->vertex < b->vertex ? *a++ : *b++);
        }
    }
    while (a != sum.end()) merged.push_back(*a++);
    while (b != other.end()) merged.push_back(*b++);
    sum = merged;
}

template <class Storage>
class SimplifiedGraph {
  public:
    using TermType = Term<typename Storage::Multiplicity>;
    using SumType = Sum<Storage>;
    template <class T>
    using PerVertex = typename Storage::template PerVertex<T>;

    explicit SimplifiedGraph(CanonicalKind kind) : kind_(kind) {}

    // A vertex without inputs; give distinguishable inputs distinct types.
    SumType source(std::uint32_t type) { return add_vertex(type, {}); }

    // An operation of this type on a sum.
    SumType apply(std::uint32_t type, const SumType& sum) {
        return sum.empty() ? SumType() : add_vertex(type, sum);
    }

    // One of the values that a concat is applied to: keeps two values of one term apart from one of two
    // terms. An empty value stays a value.
    SumType group(std::uint32_t type, const SumType& sum) {
        const bool single = sum.size() == 1 && sum[0].multiplicity == typename Storage::Multiplicity{1};
        return single ? sum : add_vertex(type, sum);
    }

    // A vertex as it is, in a graph that is simplified already: whatever else is there and reads it.
    void add(std::uint32_t type, const SumType& sum) { push_vertex(expression_hash(type, sum), type, sum); }

    // The output, which makes the graph complete: vertices that do not reach it are dropped.
    void finish(std::uint32_t type, const SumType& sum) {
        add_vertex(type, sum);
        drop_unused();
    }

    std::size_t size() const { return vertices_.size(); }
    std::uint32_t type(std::size_t vertex) const { return vertices_[vertex].type; }
    // Of the expression that ends here: its type and inputs, all the way up.
    std::uint64_t hash(std::size_t vertex) const { return vertices_[vertex].hash; }
    // Earlier vertices only, ascending.
    std::span<const TermType> terms(std::size_t vertex) const {
        const Vertex& v = vertices_[vertex];
        return {terms_.data() + v.first, v.count};
    }
    std::size_t num_terms() const { return terms_.size(); }

  private:
    struct Vertex {
        std::uint64_t hash;
        std::size_t first;
        std::uint32_t type, count;
    };

    std::uint64_t expression_hash(std::uint32_t type, const SumType& sum) const {
        std::uint64_t hash = mix64(type);
        for (const TermType& term : sum)
            hash += mix64(vertices_[term.vertex].hash + edge_code(term.multiplicity));
        return mix64(hash);
    }

    void push_vertex(std::uint64_t hash, std::uint32_t type, const SumType& sum) {
        vertices_.push_back({hash, terms_.size(), type, static_cast<std::uint32_t>(sum.size())});
        for (const TermType& term : sum) terms_.push_back(term);
    }

    SumType add_vertex(std::uint32_t type, const SumType& sum) {
        const std::uint64_t hash = expression_hash(type, sum);
        const std::size_t vertex = kind_ == CanonicalKind::kExpression ? find(hash, type, sum) : size();
        if (vertex == size()) push_vertex(hash, type, sum);
        SumType value;
        value.push_back({static_cast<std::uint32_t>(vertex), typename Storage::Multiplicity{1}});
        return value;
    }

    // The vertex with this type and these terms, or size() if there is none.
    std::size_t find(std::uint64_t hash, std::uint32_t type, const SumType& sum) const {
        for (std::size_t v = 0; v < size(); ++v) {
            const bool equal =
                vertices_[v].hash == hash && vertices_[v].type == type && std::ranges::equal(terms(v), sum);
            if (equal) return v;
        }
        return size();
    }

    void drop_unused() {
        PerVertex<std::uint32_t> index;  // first: whether used; then the new index
        index.resize(size());
        std::fill(index.begin(), index.end(), 0);
        index[size() - 1] = 1;
        std::size_t used = 0;
        for (std::size_t v = size(); v-- > 0;) {
            if (!index[v]) continue;
            ++used;
            for (const TermType& term : terms(v)) index[term.vertex] = 1;
        }
        if (used == size()) return;

        std::uint32_t vertices = 0;
        std::size_t terms = 0;
        for (std::size_t v = 0; v < size(); ++v) {
            if (!index[v]) continue;
            Vertex vertex = vertices_[v];
            for (std::size_t i = 0; i < vertex.count; ++i) {
                terms_[terms + i] = terms_[vertex.first + i];
                terms_[terms + i].vertex = index[terms_[terms + i].vertex];
            }
            vertex.first = terms;
            terms += vertex.count;
            index[v] = vertices;
            vertices_[vertices++] = vertex;
        }
        vertices_.resize(vertices);
        terms_.resize(terms);
    }

    CanonicalKind kind_;
    PerVertex<Vertex> vertices_;
    typename Storage::template PerTerm<TermType> terms_;
};

using SmallGraph = SimplifiedGraph<SmallStorage>;
using SmallSum = Sum<SmallStorage>;

}  // namespace efficient_nas
