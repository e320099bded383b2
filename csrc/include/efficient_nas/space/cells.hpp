// A small cell in simplified form (docs/design/architectures.md, "Canonical forms"): up to two inputs, eight
// operations that compute and four output values. What flows along an edge is a multiset of terms, a term
// being a cell input or an operation; items are the inputs and then the operations.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/graph/labelled_dag.hpp"
#include "efficient_nas/graph/labelled_dag_canonical.hpp"

namespace efficient_nas {

using Terms = std::uint64_t;  // a multiset of items, four bits of multiplicity each

class Cell {
  public:
    static constexpr unsigned kMaxVertices = 8, kMaxValues = 4, kMaxInputs = 2;

    // shared: vertices of equal type and inputs are one ("expression"), otherwise each is its own ("graph").
    Cell(unsigned inputs, bool shared) : inputs_(inputs), shared_(shared) {}

    static constexpr Terms item(unsigned index) { return Terms{1} << (4 * index); }

    // The value of an operation on a value that is not zero.
    Terms add_vertex(unsigned type, Terms terms) {
        if (shared_)
            for (unsigned v = 0; v < vertices_; ++v)
                if (type_[v] == type && terms_[v] == terms) return item(inputs_ + v);
        type_[vertices_] = static_cast<std::uint8_t>(type);
        terms_[vertices_] = terms;
        return item(inputs_ + vertices_++);
    }

    void add_output(Terms terms) { values_[num_values_++] = terms; }

    // Appends the canonical bytes. Vertices that reach no output value do not count.
    void append_canonical(std::vector<std::uint8_t>& bytes) const {
        efficient_nas::append_canonical(labelled_dag(), bytes);
    }

  private:
    // Labels of what is no operation. An item whose multiplicity has bit k reads from kPower - k.
    enum Label : std::int32_t { kFirstInput = -1, kSecondInput = -2, kValue = -3, kPower = -3 };
    static constexpr unsigned kMaxItems = kMaxInputs + kMaxVertices, kPowers = 3;
    static_assert(kMaxItems * (1 + kPowers) + kMaxValues <= LabelledDag::kMaxVertices);

    // The cell as a DAG without multiplicities: between an item and what reads it twice, four or eight times
    // there is a vertex that says so, one for all of its readers.
    LabelledDag labelled_dag() const {
        LabelledDag dag;
        std::array<std::size_t, kMaxItems> index;
        std::array<std::array<std::size_t, kPowers>, kMaxItems> power{};  // 0: none, since that is an input
        const auto add = [&](std::int32_t label, Terms terms) {
            std::uint64_t read = 0;  // vertices that come before their reader, so that indices stay in order
            for_each_item(terms, [&](unsigned item, Terms times) {
                read |= (times & 1u) << index[item];
                for (unsigned k = 1; times >> k; ++k) {
                    if (!(times >> k & 1u)) continue;
                    std::size_t& vertex = power[item][k - 1];
                    if (vertex == 0) {
                        vertex = dag.add_vertex(kPower - static_cast<std::int32_t>(k));
                        dag.add_edge(index[item], vertex);
                    }
                    read |= std::uint64_t{1} << vertex;
                }
            });
            const std::size_t reader = dag.add_vertex(label);
            for_each_bit(read, [&](unsigned vertex) { dag.add_edge(vertex, reader); });
            return reader;
        };
        const Terms alive = alive_items();
        for (unsigned i = 0; i < inputs_; ++i) index[i] = dag.add_vertex(i ? kSecondInput : kFirstInput);
        for (unsigned v = 0; v < vertices_; ++v)
            if (alive & item(inputs_ + v)) index[inputs_ + v] = add(type_[v], terms_[v]);
        for (unsigned i = 0; i < num_values_; ++i) add(kValue, values_[i]);
        return dag;
    }

    template <typename Visit>
    static void for_each_item(Terms terms, Visit visit) {
        while (terms) {
            const unsigned index = static_cast<unsigned>(std::countr_zero(terms)) / 4;
            visit(index, (terms >> (4 * index)) & 15u);
            terms &= ~(Terms{15} << (4 * index));
        }
    }

    // Every item that reaches an output value, once.
    Terms alive_items() const {
        const auto once = [](Terms terms) {
            terms |= terms >> 1;
            return (terms | terms >> 2) & 0x1111111111111111u;
        };
        Terms alive = 0;
        for (unsigned i = 0; i < num_values_; ++i) alive |= once(values_[i]);
        for (unsigned v = vertices_; v-- > 0;)
            if (alive & item(inputs_ + v)) alive |= once(terms_[v]);
        return alive;
    }

    unsigned inputs_, vertices_ = 0, num_values_ = 0;
    bool shared_;
    std::array<std::uint8_t, kMaxVertices> type_{};
    std::array<Terms, kMaxVertices> terms_{};
    std::array<Terms, kMaxValues> values_{};
};

}  // namespace efficient_nas
