// Crossover of architectures: the front of one and the back of another, spliced at tensors of equal shape.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/graph/graph_edit.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// Throws std::invalid_argument unless both take the same input and give the same output.
inline void check_compatible(const char* where, const Graph& a, const Graph& b) {
    const auto check = [where](const char* name, const Shape& expected, const Shape& seen) {
        if (expected != seen)
            throw std::invalid_argument(std::string(where) + ": architectures must have equal " + name +
                                        " shapes, got " + to_string(expected) + " and " + to_string(seen));
    };
    check("input", a.input_shape(), b.input_shape());
    check("output", a.shape(a.output()), b.shape(b.output()));
}

// Reused from crossover to crossover: it keeps its memory.
class GraphCrossover {
  public:
    // The nodes of `a` up to a tensor and those of `b` behind one of equal shape, each on every path of its
    // network; uniform among the pairs of such tensors but (input, input) and (last, last), which give b and
    // a. Both are in normal form and compatible. False if there is no pair that gives at most max_nodes;
    // `child` is untouched then.
    bool cross(const Graph& a, const Graph& b, RandomStream& random, GraphParts& child,
               std::size_t max_nodes = SIZE_MAX) {
        find_cuts(a, cuts_a_);
        find_cuts(b, cuts_b_);
        pairs_.clear();
        for (const std::size_t i : cuts_a_)
            for (const std::size_t j : cuts_b_) {
                const bool whole = (i == 0 && j == 0) || (i + 2 == a.size() && j + 2 == b.size());
                const bool fits = i + b.size() - j <= max_nodes;
                if (!whole && fits && a.shape(i) == b.shape(j)) pairs_.push_back({i, j});
            }
        if (pairs_.empty()) return false;
        const auto [last, first] = pairs_[random.below(pairs_.size())];
        splice(a, last, b, first, child);
        return true;
    }

  private:
    // Nodes but the output on every path from input to output: no connection leads past them.
    void find_cuts(const Graph& graph, std::vector<std::size_t>& cuts) {
        cuts.clear();
        std::size_t farthest = 0;
        for (std::size_t node = 0; node + 1 < graph.size(); ++node) {
            if (farthest <= node && graph.is_alive(node)) cuts.push_back(node);
            for (const std::size_t target : graph.targets(node)) farthest = std::max(farthest, target);
        }
    }

    static void splice(const Graph& a, std::size_t last, const Graph& b, std::size_t first,
                       GraphParts& child) {
        child.input_shape = a.input_shape();
        child.nodes.assign(a.nodes().begin(), a.nodes().begin() + static_cast<std::ptrdiff_t>(last) + 1);
        child.nodes.insert(child.nodes.end(), b.nodes().begin() + static_cast<std::ptrdiff_t>(first) + 1,
                           b.nodes().end());
        child.origin.assign(child.nodes.size(), -1);  // weights of two networks do not fit together
        child.connections.clear();
        const auto end = static_cast<std::int64_t>(last), begin = static_cast<std::int64_t>(first);
        for (const auto& [from, to] : a.connections())
            if (to <= end) child.connections.push_back({from, to});
        for (const auto& [from, to] : b.connections())
            if (from >= begin) child.connections.push_back({from - begin + end, to - begin + end});
    }

    std::vector<std::size_t> cuts_a_, cuts_b_;
    std::vector<std::pair<std::size_t, std::size_t>> pairs_;
};

// A child of any two compatible architectures in normal form; that of `a` where they have no pair of tensors
// to be spliced at, or one of them always gives zeros.
inline GraphParts crossed(const Graph& a, const Graph& b, std::uint64_t seed) {
    check_compatible("crossover", a, b);
    const GraphParts parts_a = normal_form(a), parts_b = normal_form(b);
    if (a.is_zero(a.output()) || b.is_zero(b.output())) return parts_a;
    RandomStream random(seed, 0);
    GraphParts child;
    return GraphCrossover().cross(parts_a.graph(), parts_b.graph(), random, child) ? child : parts_a;
}

}  // namespace efficient_nas
