// Which nodes are left of an architecture without its dead ones.
#pragma once

#include <cstddef>
#include <vector>

#include "efficient_nas/graph/graph.hpp"

namespace efficient_nas {

// Ascending indices of the nodes to keep: all alive ones, and behind every zero input of a concat (or of an
// output that receives only zeros) as few dead nodes as give that input its shape. Pruning twice changes
// nothing more.
inline std::vector<std::size_t> kept_nodes(const Graph& graph) {
    std::vector<bool> kept(graph.size(), false);
    std::vector<std::size_t> dead;
    const auto keep = [&](std::size_t node) {
        if (kept[node]) return;
        kept[node] = true;
        if (!graph.is_alive(node)) dead.push_back(node);
    };
    const auto keep_one_input = [&](std::size_t node) {
        std::size_t choice = graph.size();  // the smallest alive one, else the smallest
        for (const std::size_t source : graph.inputs(node)) {
            const bool better = choice == graph.size() || graph.is_alive(source) > graph.is_alive(choice) ||
                                (graph.is_alive(source) == graph.is_alive(choice) && source < choice);
            if (better) choice = source;
        }
        keep(choice);
    };
    const auto is_concat = [&](std::size_t node) {
        return graph.nodes()[node].operation == Operation::kConcat;
    };

    for (const std::size_t node : graph.execution_order()) {
        keep(node);
        if (is_concat(node))
            for (const std::size_t source : graph.inputs(node)) keep(source);
    }
    if (graph.is_zero(graph.output())) keep_one_input(graph.output());
    while (!dead.empty()) {
        const std::size_t node = dead.back();
        dead.pop_back();
        if (is_concat(node))
            for (const std::size_t source : graph.inputs(node)) keep(source);
        else
            keep_one_input(node);
    }
    std::vector<std::size_t> indices;
    for (std::size_t node = 0; node < graph.size(); ++node)
        if (kept[node]) indices.push_back(node);
    return indices;
}

}  // namespace efficient_nas
