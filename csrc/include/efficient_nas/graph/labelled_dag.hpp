// Directed acyclic graphs of up to 64 labelled vertices as bit masks: what a cell given as a matrix is.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace efficient_nas {

template <class Visit>
void for_each_bit(std::uint64_t bits, Visit visit) {
    for (; bits; bits &= bits - 1) visit(static_cast<unsigned>(std::countr_zero(bits)));
}

constexpr std::uint64_t lowest_bits(std::size_t count) {
    return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// For an edge from v to w: bit w of out[v] and bit v of in[w]. Entries from `size` on are not initialised.
struct LabelledDag {
    static constexpr std::size_t kMaxVertices = 64;

    std::size_t size = 0;
    std::array<std::uint64_t, kMaxVertices> in, out;
    std::array<std::int32_t, kMaxVertices> label;

    // At most kMaxVertices times.
    std::size_t add_vertex(std::int32_t vertex_label) {
        in[size] = out[size] = 0;
        label[size] = vertex_label;
        return size++;
    }
    void add_edge(std::size_t from, std::size_t to) {
        out[from] |= std::uint64_t{1} << to;
        in[to] |= std::uint64_t{1} << from;
    }
};

// The first `size` vertices of a row-major matrix of `stride` x `stride` bytes, each 0 or 1; entry (v, w) is
// an edge from v to w. size <= stride <= kMaxVertices. Throws std::invalid_argument for any other byte;
// whether there is a cycle is left to the functions that need none.
inline LabelledDag dag_of_matrix(const std::uint8_t* matrix, const std::int32_t* labels, std::size_t stride,
                                 std::size_t size) {
    constexpr std::uint64_t kOnes = 0x0101010101010101u, kGather = 0x0102040810204080u;
    // All entries as one string of bits, made eight at a time: rows of a cell are shorter than that.
    std::array<std::uint64_t, LabelledDag::kMaxVertices + 1> bits;
    const std::size_t entries = stride * stride;
    std::fill_n(bits.begin(), entries / 64 + 1, 0);
    std::uint64_t seen = 0;
    std::size_t i = 0;
    for (; i + 8 <= entries; i += 8) {
        std::uint64_t eight = 0;
        for (std::size_t b = 0; b < 8; ++b) eight |= static_cast<std::uint64_t>(matrix[i + b]) << (8 * b);
        seen |= eight;
        bits[i / 64] |= ((eight & kOnes) * kGather >> 56) << (i % 64);
    }
    for (; i < entries; ++i) {
        seen |= matrix[i];
        bits[i / 64] |= static_cast<std::uint64_t>(matrix[i] & 1) << (i % 64);
    }
    if (seen & ~kOnes)
        throw std::invalid_argument("adjacency must be 0 or 1, got " +
                                    std::to_string(*std::max_element(matrix, matrix + entries)));

    LabelledDag dag;
    for (std::size_t v = 0; v < size; ++v) dag.add_vertex(labels[v]);
    for (std::size_t v = 0; v < size; ++v) {
        const std::size_t first = v * stride, shift = first % 64;
        std::uint64_t row = bits[first / 64] >> shift;
        if (shift + size > 64) row |= bits[first / 64 + 1] << (64 - shift);
        dag.out[v] = row & lowest_bits(size);
        for_each_bit(dag.out[v], [&](unsigned w) { dag.in[w] |= std::uint64_t{1} << v; });
    }
    return dag;
}

// Whether every edge leads to a later vertex.
inline bool is_topological(const LabelledDag& dag) {
    std::uint64_t backward = 0;
    for (std::size_t v = 0; v < dag.size; ++v) backward |= dag.in[v] >> v;
    return backward == 0;
}

// Writes vertices, each behind all those that it reads, and returns their number: less than dag.size exactly
// if there is a cycle.
inline std::size_t topological_order(const LabelledDag& dag,
                                     std::array<std::uint8_t, LabelledDag::kMaxVertices>& order) {
    std::size_t count = 0, before = 1;
    std::uint64_t waiting = lowest_bits(dag.size);
    while (count != before) {
        before = count;
        for_each_bit(waiting, [&](unsigned v) {
            if (dag.in[v] & waiting) return;
            waiting &= ~(std::uint64_t{1} << v);
            order[count++] = static_cast<std::uint8_t>(v);
        });
    }
    return count;
}

inline bool has_cycle(const LabelledDag& dag) {
    std::array<std::uint8_t, LabelledDag::kMaxVertices> order;
    return !is_topological(dag) && topological_order(dag, order) < dag.size;
}

// The same DAG with its vertices in a topological order. Throws std::invalid_argument if there is a cycle.
inline LabelledDag topologically_sorted(const LabelledDag& dag) {
    std::array<std::uint8_t, LabelledDag::kMaxVertices> order, number;
    if (topological_order(dag, order) < dag.size) throw std::invalid_argument("adjacency has a cycle");
    LabelledDag result;
    for (std::size_t i = 0; i < dag.size; ++i) {
        const unsigned v = order[i];
        number[v] = static_cast<std::uint8_t>(result.add_vertex(dag.label[v]));
        for_each_bit(dag.in[v], [&](unsigned u) { result.add_edge(number[u], i); });
    }
    return result;
}

// What is on a path from the first vertex to the last one, which a graph of one vertex is; nothing if there
// is no path. So NAS-Bench-101 prunes its cells (Ying et al. 2019, arXiv:1902.09635, section 2.2).
inline LabelledDag pruned(const LabelledDag& dag) {
    if (dag.size == 0) return {};
    const auto reached = [](const auto& neighbours, std::size_t start) {
        std::uint64_t found = std::uint64_t{1} << start;
        for (std::uint64_t fresh = found; fresh;) {
            std::uint64_t next = 0;
            for_each_bit(fresh, [&](unsigned v) { next |= neighbours[v]; });
            fresh = next & ~found;
            found |= fresh;
        }
        return found;
    };
    const std::uint64_t kept = reached(dag.out, 0) & reached(dag.in, dag.size - 1);
    LabelledDag result;
    std::array<std::size_t, LabelledDag::kMaxVertices> number;
    for_each_bit(kept, [&](unsigned v) { number[v] = result.add_vertex(dag.label[v]); });
    for_each_bit(kept, [&](unsigned v) {
        for_each_bit(dag.out[v] & kept, [&](unsigned w) { result.add_edge(number[v], number[w]); });
    });
    return result;
}

}  // namespace efficient_nas
