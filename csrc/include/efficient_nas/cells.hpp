// The canonical form of a small cell: up to two inputs, eight operations and four output values.
//
// The cell is given simplified (docs/design/architectures.md, "Canonical forms"): vertices are operations
// that compute, and what flows along an edge is a multiset of terms, a term being a cell input or a vertex. A
// multiset is one word with four bits of multiplicity an item; items are the inputs and then the vertices.
//
// Vertices are numbered one at a time: the next one is the ready vertex (all of its inputs are numbered) with
// the smallest code, its type and input multiset in new numbers. Vertices that tie on the code and on a
// fingerprint of who consumes them are tried in turn, and the smallest encoding wins. So two cells get the
// same codes exactly when they are isomorphic; fingerprints only decide the order of the search.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/rng.hpp"

namespace efficient_nas {

using Terms = std::uint64_t;  // a multiset of items, four bits of multiplicity each

class Cell {
  public:
    static constexpr unsigned kMaxVertices = 8, kMaxValues = 4, kMaxInputs = 2;
    static constexpr unsigned kMaxCodes = kMaxVertices + kMaxValues + 1;
    static constexpr unsigned kTypeShift = 4 * (kMaxInputs + kMaxVertices);

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

    // Appends the codes, 8 little-endian bytes each. Vertices that reach no output value do not count.
    void append_canonical(std::vector<std::uint8_t>& bytes) {
        find_alive();
        has_fingerprints_ = false;
        best_size_ = 0;
        Numbering start;
        for (unsigned i = 0; i < inputs_; ++i) start.label[i] = static_cast<std::uint8_t>(4 * i);
        start.labelled = (1u << inputs_) - 1;
        start.waiting = alive_;
        extend(start);
        const std::size_t end = bytes.size();
        bytes.resize(end + 8 * best_size_);
        for (unsigned i = 0; i < best_size_; ++i)
            for (unsigned b = 0; b < 8; ++b)
                bytes[end + 8 * i + b] = static_cast<std::uint8_t>(best_[i] >> (8 * b));
    }

  private:
    using Ties = std::array<unsigned, kMaxVertices>;

    struct Numbering {
        std::array<std::uint8_t, kMaxInputs + kMaxVertices> label{};  // by item: four times its new number
        std::uint32_t labelled = 0;                                   // one bit an item
        std::uint32_t waiting = 0, ready = 0;                         // one bit a vertex
        std::array<std::uint64_t, kMaxVertices> code{};               // of the ready vertices
        std::array<std::uint64_t, kMaxCodes> codes{};                 // of the numbered ones, behind a header
        unsigned size = 1;
    };

    template <typename Visit>
    static void for_each_bit(std::uint32_t bits, Visit visit) {
        for (; bits; bits &= bits - 1) visit(static_cast<unsigned>(std::countr_zero(bits)));
    }

    template <typename Visit>
    static void for_each_item(Terms terms, Visit visit) {
        while (terms) {
            const unsigned index = static_cast<unsigned>(std::countr_zero(terms)) / 4;
            visit(index, (terms >> (4 * index)) & 15u);
            terms &= ~(Terms{15} << (4 * index));
        }
    }

    static std::uint32_t items_of(Terms terms) {
        std::uint32_t items = 0;
        for_each_item(terms, [&](unsigned index, Terms) { items |= 1u << index; });
        return items;
    }

    static std::uint64_t scaled(std::uint64_t hash, Terms times) { return mix64(hash + times); }

    void find_alive() {
        std::uint32_t alive = 0;  // one bit an item
        for (unsigned i = 0; i < num_values_; ++i) alive |= items_of(values_[i]);
        for (unsigned v = vertices_; v-- > 0;) {
            needs_[v] = items_of(terms_[v]);
            if (alive >> (inputs_ + v) & 1u) alive |= needs_[v];
        }
        alive_ = alive >> inputs_;
    }

    // fingerprint_[v] depends on the isomorphism class alone: what v is made from, and who consumes it.
    void find_fingerprints() {
        has_fingerprints_ = true;
        std::array<std::uint64_t, kMaxInputs + kMaxVertices> up{}, down{};
        const auto combine = [&](Terms terms) {
            std::uint64_t sum = 0;
            for_each_item(terms, [&](unsigned index, Terms times) { sum += scaled(up[index], times); });
            return sum;
        };
        for (unsigned i = 0; i < inputs_; ++i) up[i] = mix64(i + 1);
        for (unsigned v = 0; v < vertices_; ++v)
            up[inputs_ + v] = mix64(combine(terms_[v]) ^ (std::uint64_t{type_[v]} << 56));
        const auto spread = [&](Terms terms, std::uint64_t hash) {
            for_each_item(terms, [&](unsigned index, Terms times) { down[index] += scaled(hash, times); });
        };
        for (unsigned i = 0; i < num_values_; ++i) spread(values_[i], mix64(combine(values_[i])));
        for (unsigned v = vertices_; v-- > 0;) {
            fingerprint_[v] = mix64(up[inputs_ + v] ^ mix64(down[inputs_ + v]));
            if (alive_ >> v & 1u) spread(terms_[v], fingerprint_[v]);
        }
    }

    // The part of `terms` that is numbered, in new numbers.
    static Terms renumber(Terms terms, const Numbering& numbering) {
        Terms renumbered = 0;
        for_each_item(terms, [&](unsigned index, Terms times) {
            if (numbering.labelled >> index & 1u) renumbered |= times << numbering.label[index];
        });
        return renumbered;
    }

    // Tells vertices apart by the numbered vertices beside them in the cell's output values.
    std::uint64_t company(unsigned vertex, const Numbering& numbering) const {
        std::uint64_t sum = 0;
        for (unsigned i = 0; i < num_values_; ++i) {
            const Terms times = (values_[i] >> (4 * (inputs_ + vertex))) & 15u;
            if (times) sum += scaled(mix64(renumber(values_[i], numbering)), times);
        }
        return sum;
    }

    void extend(Numbering& numbering) {
        while (numbering.waiting | numbering.ready) {
            for_each_bit(numbering.waiting, [&](unsigned v) {
                if (needs_[v] & ~numbering.labelled) return;
                numbering.waiting &= ~(1u << v);
                numbering.ready |= 1u << v;
                numbering.code[v] = renumber(terms_[v], numbering) | std::uint64_t{type_[v]} << kTypeShift;
            });
            Ties tied;
            unsigned ties = 0;
            std::uint64_t smallest = ~std::uint64_t{0};
            for_each_bit(numbering.ready, [&](unsigned v) {
                if (numbering.code[v] > smallest) return;
                if (numbering.code[v] < smallest) ties = 0, smallest = numbering.code[v];
                tied[ties++] = v;
            });
            if (ties > 1) ties = break_ties(tied, ties, numbering);
            numbering.codes[numbering.size++] = smallest;
            for (unsigned i = 1; i < ties; ++i) {
                Numbering branch = numbering;
                number(branch, tied[i]);
                extend(branch);
            }
            number(numbering, tied[0]);
        }
        finish(numbering);
    }

    unsigned break_ties(Ties& tied, unsigned ties, const Numbering& numbering) {
        if (!has_fingerprints_) find_fingerprints();
        ties = keep_smallest(tied, ties, [&](unsigned v) { return fingerprint_[v]; });
        if (ties > 1) ties = keep_smallest(tied, ties, [&](unsigned v) { return company(v, numbering); });
        return ties;
    }

    template <typename Key>
    static unsigned keep_smallest(Ties& tied, unsigned ties, Key key) {
        unsigned kept = 0;
        std::uint64_t smallest = ~std::uint64_t{0};
        for (unsigned i = 0; i < ties; ++i) {
            const std::uint64_t own = key(tied[i]);
            if (own > smallest) continue;
            if (own < smallest) kept = 0, smallest = own;
            tied[kept++] = tied[i];
        }
        return kept;
    }

    void number(Numbering& numbering, unsigned vertex) const {
        numbering.label[inputs_ + vertex] = static_cast<std::uint8_t>(4 * (inputs_ + numbering.size - 2));
        numbering.labelled |= 1u << (inputs_ + vertex);
        numbering.ready &= ~(1u << vertex);
    }

    // How many of each, a code for each vertex, one for each output value.
    void finish(Numbering& numbering) {
        const unsigned vertices = numbering.size - 1;
        numbering.codes[0] = vertices << 8 | num_values_;
        for (unsigned i = 0; i < num_values_; ++i)
            numbering.codes[numbering.size++] = renumber(values_[i], numbering);
        const auto begin = numbering.codes.begin(), end = begin + numbering.size;
        std::sort(begin + 1 + vertices, end);
        const bool smaller = best_size_ == 0 || std::lexicographical_compare(begin, end, best_.begin(),
                                                                             best_.begin() + best_size_);
        if (smaller) best_ = numbering.codes, best_size_ = numbering.size;
    }

    unsigned inputs_, vertices_ = 0, num_values_ = 0;
    bool shared_;
    std::array<std::uint8_t, kMaxVertices> type_{};
    std::array<Terms, kMaxVertices> terms_{};
    std::array<Terms, kMaxValues> values_{};
    std::array<std::uint32_t, kMaxVertices> needs_{};
    std::array<std::uint64_t, kMaxVertices> fingerprint_{};
    bool has_fingerprints_ = false;
    std::uint32_t alive_ = 0;  // one bit a vertex
    std::array<std::uint64_t, kMaxCodes> best_{};
    unsigned best_size_ = 0;
};

}  // namespace efficient_nas
