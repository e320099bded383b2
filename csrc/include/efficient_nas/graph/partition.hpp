// Ordered partitions of the vertices of a graph: colour refinement, individualisation and their undoing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "efficient_nas/graph/simplified_graph.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// Cells are runs of positions; a cell is named by its first position. Cell order, and every trace() value,
// depends only on the graph up to isomorphism. Neighbourhoods are compared by sums of edge codes: a collision
// leaves a cell coarser than it could be, which the search on top of it makes good.
template <class Storage>
class Partition {
  public:
    using TermType = typename SimplifiedGraph<Storage>::TermType;
    template <class T>
    using PerVertex = typename Storage::template PerVertex<T>;

    // Refines the cells of tied vertices. Which vertices are tied, and the order of the cells, must depend
    // only on the graph up to isomorphism: see Fingerprints.
    template <class Order>
    Partition(const SimplifiedGraph<Storage>& graph, const Order& order) : graph_(graph) {
        collect_consumers();
        const std::size_t n = graph.size();
        for (auto* array : {&vertex_at_, &position_, &cell_, &length_, &hits_}) array->resize(n);
        sums_.resize(n);
        counted_.resize(n);
        queued_.resize(n);
        std::fill(hits_.begin(), hits_.end(), 0);
        std::fill(sums_.begin(), sums_.end(), 0);
        std::fill(counted_.begin(), counted_.end(), 0);
        std::fill(queued_.begin(), queued_.end(), 0);
        std::uint32_t cell = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
            const std::uint32_t vertex = order.ordered(i);
            if (i == 0 || !order.tied(i - 1)) {
                cell = i;
                length_[cell] = 0;
                ++cells_;
                enqueue(cell);
            }
            vertex_at_[i] = vertex;
            position_[vertex] = i;
            cell_[vertex] = cell;
            ++length_[cell];
        }
        refine();
    }

    bool discrete() const { return cells_ == graph_.size(); }
    std::uint32_t vertex_at(std::size_t position) const { return vertex_at_[position]; }
    std::uint32_t position(std::size_t vertex) const { return position_[vertex]; }
    // Summary of all splits since the last individualise().
    std::uint64_t trace() const { return trace_; }

    // The first cell at or behind `start` with more than one vertex; there must be one.
    std::uint32_t next_cell(std::uint32_t start) const {
        while (length_[start] == 1) ++start;
        return start;
    }
    std::span<const std::uint32_t> members(std::uint32_t cell) const {
        return {vertex_at_.data() + cell, length_[cell]};
    }
    // The vertices that read a vertex, ascending, with their multiplicity.
    std::span<const TermType> consumers(std::size_t vertex) const {
        return {consumers_.data() + consumer_ranges_[vertex].first, consumer_ranges_[vertex].count};
    }

    // Gives a vertex of a larger cell a cell of its own and refines.
    void individualise(std::uint32_t vertex) {
        const std::uint32_t cell = cell_[vertex], last = cell + length_[cell] - 1;
        trace_ = mix64(cell);
        swap_positions(position_[vertex], last);
        split_off(cell, last, 1);
        enqueue(last);
        refine();
    }

    // Number of splits so far, to return to with undo().
    std::size_t splits() const { return splits_.size(); }
    void undo(std::size_t splits) {
        while (splits_.size() > splits) {
            const auto [parent, cell] = splits_.back();
            splits_.pop_back();
            for (const std::uint32_t vertex : members(cell)) cell_[vertex] = parent;
            length_[parent] += length_[cell];
            --cells_;
        }
    }

  private:
    void collect_consumers() {
        const std::size_t n = graph_.size();
        consumers_.resize(graph_.num_terms());
        consumer_ranges_.resize(n);
        std::fill(consumer_ranges_.begin(), consumer_ranges_.end(), Range{0, 0});
        for (std::size_t v = 0; v < n; ++v)
            for (const TermType& term : graph_.terms(v)) ++consumer_ranges_[term.vertex].count;
        std::size_t first = 0;
        for (Range& range : consumer_ranges_) {
            range.first = first;
            first += range.count;
            range.count = 0;
        }
        for (std::size_t v = 0; v < n; ++v)
            for (const TermType& term : graph_.terms(v)) {
                Range& range = consumer_ranges_[term.vertex];
                consumers_[range.first + range.count++] = {static_cast<std::uint32_t>(v), term.multiplicity};
            }
    }

    void enqueue(std::uint32_t cell) {
        if (queued_[cell]) return;
        queued_[cell] = 1;
        queue_.push_back(cell);
    }

    void swap_positions(std::uint32_t a, std::uint32_t b) {
        std::swap(vertex_at_[a], vertex_at_[b]);
        position_[vertex_at_[a]] = a;
        position_[vertex_at_[b]] = b;
    }

    // Makes the vertices from position `start` on, the last ones of their cell, a cell of their own.
    void split_off(std::uint32_t cell, std::uint32_t start, std::uint32_t length) {
        for (std::uint32_t i = start; i < start + length; ++i) cell_[vertex_at_[i]] = start;
        length_[start] = length;
        length_[cell] -= length;
        splits_.push_back({cell, start});
        ++cells_;
    }

    void refine() {
        for (std::size_t head = 0; head < queue_.size(); ++head) {
            const std::uint32_t cell = queue_[head];
            queued_[cell] = 0;
            if (discrete()) continue;
            splitter_.resize(length_[cell]);
            std::copy_n(vertex_at_.begin() + cell, length_[cell], splitter_.begin());
            for (const std::uint32_t vertex : splitter_) count(graph_.terms(vertex));
            split_touched_cells();
            for (const std::uint32_t vertex : splitter_) count(consumers(vertex));
            split_touched_cells();
        }
        queue_.clear();
    }

    // Adds the edge codes of neighbours of the splitter; vertices with a sum move to the end of their cell.
    void count(std::span<const TermType> neighbours) {
        for (const TermType& term : neighbours) {
            const std::uint32_t vertex = term.vertex, cell = cell_[vertex];
            if (length_[cell] == 1) continue;
            if (!counted_[vertex]) {
                counted_[vertex] = 1;
                if (hits_[cell]++ == 0) touched_.push_back(cell);
                swap_positions(position_[vertex], cell + length_[cell] - hits_[cell]);
            }
            sums_[vertex] += edge_code(term.multiplicity);
        }
    }

    void split_touched_cells() {
        if (touched_.size() > 1) std::sort(touched_.begin(), touched_.end());
        for (const std::uint32_t cell : touched_) {
            const std::uint32_t end = cell + length_[cell], begin = end - hits_[cell];
            hits_[cell] = 0;
            if (end - begin > 1) {
                std::sort(vertex_at_.begin() + begin, vertex_at_.begin() + end,
                          [this](std::uint32_t a, std::uint32_t b) { return sums_[a] < sums_[b]; });
                for (std::uint32_t i = begin; i < end; ++i) position_[vertex_at_[i]] = i;
            }
            split(cell, begin, end);
            for (std::uint32_t i = begin; i < end; ++i) sums_[vertex_at_[i]] = counted_[vertex_at_[i]] = 0;
        }
        touched_.clear();
    }

    // Splits a cell by sums: vertices before `begin` have none, those in [begin, end) are sorted by theirs.
    void split(std::uint32_t cell, std::uint32_t begin, std::uint32_t end) {
        const std::size_t first_split = splits_.size();
        for (std::uint32_t i = end; i-- > begin;) {
            const std::uint64_t sum = sums_[vertex_at_[i]];
            if (i > begin && sums_[vertex_at_[i - 1]] == sum) continue;
            const std::uint32_t length = cell + length_[cell] - i;
            trace_ = mix64(mix64(trace_ ^ sum) + (std::uint64_t{i} << 32 | length));
            if (i > cell) split_off(cell, i, length);
        }
        if (first_split == splits_.size()) return;
        // All fragments but the largest become splitters, or all if the cell waits to be one anyway.
        std::uint32_t largest = cell;
        for (std::size_t i = first_split; i < splits_.size(); ++i)
            if (length_[splits_[i].cell] > length_[largest]) largest = splits_[i].cell;
        const bool waits = queued_[cell] != 0;
        if (waits || cell != largest) enqueue(cell);
        for (std::size_t i = first_split; i < splits_.size(); ++i)
            if (waits || splits_[i].cell != largest) enqueue(splits_[i].cell);
    }

    struct Range {
        std::size_t first, count;
    };
    struct Split {
        std::uint32_t parent, cell;
    };

    const SimplifiedGraph<Storage>& graph_;
    PerVertex<std::uint32_t> vertex_at_, position_;
    PerVertex<std::uint32_t> cell_;           // by vertex: the first position of its cell
    PerVertex<std::uint32_t> length_, hits_;  // by cell
    PerVertex<std::uint64_t> sums_;           // by vertex, 0 between two splitters
    PerVertex<std::uint8_t> counted_, queued_;
    PerVertex<std::uint32_t> splitter_, touched_;
    typename Storage::template PerTerm<std::uint32_t> queue_;  // of cells; fewer than 3 for each vertex
    PerVertex<Split> splits_;
    PerVertex<Range> consumer_ranges_;
    typename Storage::template PerTerm<TermType> consumers_;
    std::size_t cells_ = 0;
    std::uint64_t trace_ = 0;
};

}  // namespace efficient_nas
