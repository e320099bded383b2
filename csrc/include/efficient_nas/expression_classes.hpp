// Equality of vertices as expressions: equal type and equal multisets of inputs, whether shared or computed
// twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "efficient_nas/simplified_graph.hpp"

namespace efficient_nas {

// Ranks the vertices bottom-up, height by height. A vertex's key is its type and the sorted list of (rank,
// multiplicity) of its inputs; equal keys are one class. Keys are compared as they are, so ranks are exact,
// and they do not depend on the numbering of the vertices.
template <class Storage>
class ExpressionClasses {
  public:
    using TermType = typename SimplifiedGraph<Storage>::TermType;

    explicit ExpressionClasses(const SimplifiedGraph<Storage>& graph) : graph_(graph) {
        sort_by_height();
        rank_.resize(graph.size());
        keys_.resize(graph.size());
        for (std::size_t begin = 0; begin < graph.size();) {
            const std::uint32_t height = graph.height(order_[begin]);
            std::size_t end = begin;
            while (end < graph.size() && graph.height(order_[end]) == height) make_key(order_[end++]);
            rank_level(begin, end);
            begin = end;
        }
    }

    // Ranks are 0 ... count() - 1; the output's is the last.
    std::uint32_t count() const { return count_; }
    std::uint32_t rank(std::size_t vertex) const { return rank_[vertex]; }
    // Vertex i in ascending order of ranks.
    std::uint32_t ordered(std::size_t i) const { return order_[i]; }
    // The inputs of a vertex as (rank, multiplicity), ascending.
    std::span<const TermType> key(std::size_t vertex) const {
        return {terms_.data() + keys_[vertex].first, keys_[vertex].count};
    }

  private:
    static constexpr std::size_t kShort = 16;  // up to here, inserting beats std::sort

    struct Key {
        std::size_t first, count;
    };

    void sort_by_height() {
        const std::size_t n = graph_.size();
        typename Storage::template PerVertex<std::uint32_t> next;  // where the next vertex of a height goes
        next.resize(n);
        std::fill(next.begin(), next.end(), 0);
        for (std::size_t v = 0; v < n; ++v)
            if (graph_.height(v) + 1 < n) ++next[graph_.height(v) + 1];
        for (std::size_t height = 1; height < n; ++height) next[height] += next[height - 1];
        order_.resize(n);
        for (std::size_t v = 0; v < n; ++v) order_[next[graph_.height(v)]++] = static_cast<std::uint32_t>(v);
    }

    void make_key(std::uint32_t vertex) {
        const auto inputs = graph_.terms(vertex);
        const std::size_t first = terms_.size();
        terms_.resize(first + inputs.size());
        TermType* const begin = terms_.data() + first;
        TermType* end = begin;
        for (const TermType& input : inputs) {
            const TermType term{rank_[input.vertex], input.multiplicity};
            TermType* place = end;
            if (inputs.size() <= kShort)
                while (place != begin && term.vertex < place[-1].vertex) --place;
            std::move_backward(place, end, end + 1);
            *place = term;
            ++end;
        }
        if (inputs.size() > kShort) std::sort(begin, end);
        end = merge_equal(begin, end);
        keys_[vertex] = {first, static_cast<std::size_t>(end - begin)};
        terms_.resize(first + keys_[vertex].count);
    }

    // Adds up the multiplicities of equal vertices in a sorted range; the new end.
    static TermType* merge_equal(TermType* begin, TermType* end) {
        TermType* last = begin;
        for (TermType* term = begin; term != end; ++term) {
            if (last != begin && last[-1].vertex == term->vertex)
                increase(last[-1].multiplicity, term->multiplicity);
            else
                *last++ = *term;
        }
        return last;
    }

    void rank_level(std::size_t begin, std::size_t end) {
        if (end - begin > 1)
            std::sort(order_.data() + begin, order_.data() + end,
                      [this](std::uint32_t a, std::uint32_t b) { return less(a, b); });
        for (std::size_t i = begin; i < end; ++i) {
            if (i == begin || less(order_[i - 1], order_[i])) ++count_;
            rank_[order_[i]] = count_ - 1;
        }
    }

    bool less(std::uint32_t a, std::uint32_t b) const {
        if (graph_.type(a) != graph_.type(b)) return graph_.type(a) < graph_.type(b);
        const auto key_a = key(a), key_b = key(b);
        return std::lexicographical_compare(key_a.begin(), key_a.end(), key_b.begin(), key_b.end());
    }

    const SimplifiedGraph<Storage>& graph_;
    typename Storage::template PerVertex<std::uint32_t> order_, rank_;
    typename Storage::template PerVertex<Key> keys_;
    typename Storage::template PerTerm<TermType> terms_;
    std::uint32_t count_ = 0;
};

}  // namespace efficient_nas
