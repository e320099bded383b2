// Canonical numbering of a simplified graph: individualisation and refinement with automorphism pruning
// (McKay and Piperno 2014, "Practical graph isomorphism, II").
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>

#include "efficient_nas/graph/partition.hpp"
#include "efficient_nas/graph/simplified_graph.hpp"

namespace efficient_nas {

// Searches the tree whose nodes are refined partitions, whose branches individualise one vertex of the first
// larger cell and whose leaves are numberings. The canonical leaf is the least by (traces along its path,
// numbered graph), compared as they are. Subtrees are skipped only if
//  - their trace is greater, so that they cannot hold the canonical leaf, or
//  - an automorphism maps them to one that was searched: known for vertices of one type with the same
//    neighbours, else found by a leaf equal to the best one, which also sends the search back to where the
//    two paths part.
template <class Storage>
class CanonicalLabelling {
  public:
    using TermType = typename SimplifiedGraph<Storage>::TermType;
    template <class T>
    using PerVertex = typename Storage::template PerVertex<T>;
    template <class T>
    using PerTerm = typename Storage::template PerTerm<T>;

    // order: of the vertices as far as it is known, with ties (Fingerprints). Its cells keep their places.
    template <class Order>
    CanonicalLabelling(const SimplifiedGraph<Storage>& graph, const Order& order)
        : graph_(graph), partition_(graph, order) {
        depth_of_.resize(graph.size());
        std::fill(depth_of_.begin(), depth_of_.end(), kNone);
        if (partition_.discrete())
            visit_leaf();
        else
            search();
    }

    // The vertex with canonical number i.
    std::uint32_t ordered(std::size_t i) const { return best_order_[i]; }
    // The terms of vertex ordered(i), ascending, by canonical numbers.
    std::span<const TermType> terms(std::size_t i) const {
        return {best_rows_.data() + best_first_[i], graph_.terms(best_order_[i]).size()};
    }

  private:
    static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

    struct Frame {
        std::size_t splits;    // of the partition at this node
        std::uint32_t cell;    // whose vertices the branches individualise
        std::uint32_t tried;   // the last one that was; kNone: none yet
        bool interchangeable;  // all have the same neighbours: one branch stands for all
    };
    struct Move {
        std::uint32_t from, to;
    };

    void search() {
        push_frame(0);
        while (!frames_.empty()) {
            const std::size_t depth = frames_.size() - 1;
            partition_.undo(frames_.back().splits);
            traces_.resize(depth);
            for (; path_.size() > depth; path_.pop_back()) depth_of_[path_.back()] = kNone;
            const std::uint32_t vertex = next_branch(frames_.back(), depth);
            if (vertex == kNone) {
                frames_.pop_back();
                continue;
            }
            frames_.back().tried = vertex;
            path_.push_back(vertex);
            depth_of_[vertex] = static_cast<std::uint32_t>(depth);
            partition_.individualise(vertex);
            traces_.push_back(partition_.trace());
            if (greater_than_best(depth)) continue;
            if (partition_.discrete())
                visit_leaf();
            else
                push_frame(partition_.next_cell(frames_.back().cell));
        }
    }

    void push_frame(std::uint32_t start) {
        const std::uint32_t cell = partition_.next_cell(start);
        const auto members = partition_.members(cell);
        const bool interchangeable =
            std::all_of(members.begin() + 1, members.end(), [&](std::uint32_t vertex) {
                return graph_.type(vertex) == graph_.type(members[0]) &&
                       std::ranges::equal(graph_.terms(vertex), graph_.terms(members[0])) &&
                       std::ranges::equal(partition_.consumers(vertex), partition_.consumers(members[0]));
            });
        frames_.push_back({partition_.splits(), cell, kNone, interchangeable});
    }

    // Vertices are tried in ascending order, and of every orbit under the known automorphisms that fix the
    // path to this node only the least.
    std::uint32_t next_branch(const Frame& frame, std::size_t depth) {
        const auto members = partition_.members(frame.cell);
        if (frame.tried == kNone) return *std::min_element(members.begin(), members.end());
        if (frame.interchangeable) return kNone;
        find_orbits(depth);
        std::uint32_t next = kNone;
        for (const std::uint32_t vertex : members)
            if (vertex > frame.tried && vertex < next && orbit(vertex) == vertex) next = vertex;
        return next;
    }

    void find_orbits(std::size_t depth) {
        orbits_.resize(graph_.size());
        std::iota(orbits_.begin(), orbits_.end(), 0);
        std::size_t first = 0;
        for (const std::size_t end : automorphism_ends_) {
            const std::span<const Move> moves(moves_.data() + first, end - first);
            first = end;
            const bool fixes_path = std::all_of(
                moves.begin(), moves.end(), [&](const Move& move) { return depth_of_[move.from] >= depth; });
            if (!fixes_path) continue;
            for (const Move& move : moves) {
                const std::uint32_t a = orbit(move.from), b = orbit(move.to);
                orbits_[std::max(a, b)] = std::min(a, b);
            }
        }
    }

    std::uint32_t orbit(std::uint32_t vertex) {
        while (orbits_[vertex] != vertex) vertex = orbits_[vertex] = orbits_[orbits_[vertex]];
        return vertex;
    }

    // Whether every leaf below the node that the path has just reached is greater than the best one.
    bool greater_than_best(std::size_t depth) {
        if (best_order_.empty() || less_than_best_) return false;
        if (depth >= best_traces_.size() || traces_[depth] > best_traces_[depth]) return true;
        less_than_best_ = traces_[depth] < best_traces_[depth];
        return false;
    }

    void visit_leaf() {
        number_graph();
        const bool first = best_order_.empty();
        const bool less = first || less_than_best_ || path_.size() < best_path_.size();
        const int order = less ? -1 : compare_with_best();
        if (order < 0) {
            best_order_.resize(graph_.size());
            for (std::uint32_t i = 0; i < graph_.size(); ++i) best_order_[i] = partition_.vertex_at(i);
            best_types_ = types_;
            best_rows_ = rows_;
            best_first_ = first_;
            best_path_ = path_;
            best_traces_ = traces_;
            less_than_best_ = false;
        } else if (order == 0) {
            store_automorphism();
            const auto [a, b] = std::mismatch(path_.begin(), path_.end(), best_path_.begin());
            frames_.resize(static_cast<std::size_t>(a - path_.begin()) + 1);
        }
    }

    // Types and terms of all vertices, by position.
    void number_graph() {
        types_.clear();
        first_.clear();
        rows_.clear();
        for (std::size_t i = 0; i < graph_.size(); ++i) {
            const std::uint32_t vertex = partition_.vertex_at(i);
            const std::size_t first = rows_.size();
            types_.push_back(graph_.type(vertex));
            first_.push_back(first);
            for (const TermType& term : graph_.terms(vertex))
                rows_.push_back({partition_.position(term.vertex), term.multiplicity});
            std::sort(rows_.data() + first, rows_.data() + rows_.size());
        }
    }

    // -1, 0 or 1: whether this leaf's numbered graph is less than, equal to or greater than the best one.
    int compare_with_best() const {
        const auto order = [](const auto& a, const auto& b) {
            if (std::ranges::equal(a, b)) return 0;
            return std::ranges::lexicographical_compare(a, b) ? -1 : 1;
        };
        if (const int types = order(types_, best_types_)) return types;
        if (const int first = order(first_, best_first_)) return first;
        return order(rows_, best_rows_);
    }

    void store_automorphism() {
        const std::size_t first = moves_.size();
        for (std::uint32_t i = 0; i < graph_.size(); ++i) {
            const Move move{best_order_[i], partition_.vertex_at(i)};
            if (move.from == move.to) continue;
            if (moves_.size() == Storage::kMaxMoves) {  // only costs speed
                moves_.resize(first);
                return;
            }
            moves_.push_back(move);
        }
        automorphism_ends_.push_back(moves_.size());
    }

    const SimplifiedGraph<Storage>& graph_;
    Partition<Storage> partition_;
    PerVertex<Frame> frames_;
    PerVertex<std::uint32_t> path_, depth_of_;  // individualised vertices; by vertex, its index in the path
    PerVertex<std::uint64_t> traces_;           // along the path
    PerVertex<std::uint32_t> types_;            // of the numbered graph, by position
    PerVertex<std::size_t> first_;              // where the terms of a position start,
    PerTerm<TermType> rows_;                    // and the terms

    PerVertex<std::uint32_t> best_order_, best_path_;
    PerVertex<std::uint64_t> best_traces_;
    PerVertex<std::uint32_t> best_types_;
    PerVertex<std::size_t> best_first_;
    PerTerm<TermType> best_rows_;
    bool less_than_best_ = false;

    PerTerm<Move> moves_;  // of all known automorphisms
    PerTerm<std::size_t> automorphism_ends_;
    PerVertex<std::uint32_t> orbits_;
};

}  // namespace efficient_nas
