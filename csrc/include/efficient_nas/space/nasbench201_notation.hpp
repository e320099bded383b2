// The notation of NAS-Bench-201 (Dong & Yang 2020, arXiv:2001.00326) for cells:
// |nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "efficient_nas/messages.hpp"
#include "efficient_nas/space/nasbench201.hpp"
#include "efficient_nas/text.hpp"

namespace efficient_nas::nasbench201 {

// In the order of CellOperation.
inline constexpr std::array<std::string_view, kOperations> kOperationNames{
    "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"};

// genotype: kEdges operations.
inline std::string to_string(const std::uint8_t* genotype) {
    std::array<std::string, 3> nodes;
    for (std::size_t e = 0; e < kEdges; ++e) {
        std::string& node = nodes[kEdgeList[e].to - 1u];
        if (node.empty()) node = "|";
        node += std::string(kOperationNames[genotype[e]]) + "~" + std::to_string(kEdgeList[e].from) + "|";
    }
    return nodes[0] + "+" + nodes[1] + "+" + nodes[2];
}

namespace detail {

// Appends the operations on the edges into node `target`, whose text is |op~0|...|op~(target - 1)|.
inline void parse_node(std::size_t target, std::string_view text, std::vector<std::uint8_t>& genotype) {
    std::string form = "|";
    for (std::size_t source = 0; source < target; ++source) form += "op~" + std::to_string(source) + "|";
    const auto malformed = [&] {
        return std::invalid_argument("from_string: node " + std::to_string(target) + " must have the form " +
                                     form + ", got " + quoted(text));
    };
    if (text.size() < 2 || !text.starts_with('|') || !text.ends_with('|')) throw malformed();
    const std::vector<std::string_view> edges = split(text.substr(1, text.size() - 2), '|');
    for (const std::string_view edge : edges) {
        const std::size_t tilde = edge.find('~');
        if (tilde == edge.npos || tilde == 0 || tilde + 1 == edge.size() ||
            edge.find_first_not_of("0123456789", tilde + 1) != edge.npos)
            throw malformed();
    }
    if (edges.size() != target) throw malformed();
    for (std::size_t source = 0; source < target; ++source) {
        const std::size_t tilde = edges[source].find('~');
        const std::string_view operation = edges[source].substr(0, tilde);
        const auto known = std::find(kOperationNames.begin(), kOperationNames.end(), operation);
        if (known == kOperationNames.end())
            throw std::invalid_argument("from_string: unknown operation " + quoted(operation) +
                                        nearest(operation, kOperationNames) +
                                        "; operations: " + joined(kOperationNames));
        if (edges[source].substr(tilde + 1) != std::to_string(source))
            throw std::invalid_argument("from_string: expected an edge from " + std::to_string(source) +
                                        " in " + quoted(text) + ", got " + quoted(edges[source]));
        genotype.push_back(static_cast<std::uint8_t>(known - kOperationNames.begin()));
    }
}

}  // namespace detail

// The genotype [kEdges] of a cell. Throws std::invalid_argument that names what is wrong.
inline std::vector<std::uint8_t> from_string(std::string_view text) {
    const std::vector<std::string_view> nodes = split(stripped(text), '+');
    if (nodes.size() != 3)
        throw std::invalid_argument(
            "from_string: expected 3 nodes joined by '+', like |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, got " +
            std::to_string(nodes.size()) + " in " + quoted(text));
    std::vector<std::uint8_t> genotype;
    for (std::size_t i = 0; i < nodes.size(); ++i) detail::parse_node(i + 1, nodes[i], genotype);
    return genotype;
}

}  // namespace efficient_nas::nasbench201
