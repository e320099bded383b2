// The published text form of DARTS genotypes (Liu et al. 2019, arXiv:1806.09055), read without executing it:
// Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=...)
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "efficient_nas/messages.hpp"
#include "efficient_nas/space/darts.hpp"
#include "efficient_nas/text.hpp"

namespace efficient_nas::darts {

// In the order of CellOperation.
inline constexpr std::array<std::string_view, kOperations> kOperationNames{
    "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3",
    "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"};
inline constexpr std::array<std::string_view, 2> kCellNames{"normal", "reduce"};

// The text of a valid genotype [kGenes].
inline std::string to_string(const std::uint8_t* genotype) {
    std::string text = "Genotype(";
    for (std::size_t c = 0; c < kCellNames.size(); ++c) {
        const std::string name(kCellNames[c]);
        text += (c > 0 ? ", " : "") + name + "=[";
        for (std::size_t i = 0; i < 2 * kNodes; ++i) {
            const Gene g = gene(genotype + c * kCellGenes, i / 2, i % 2);
            text += std::string(i > 0 ? ", " : "") + "('" + std::string(kOperationNames[g.operation]) +
                    "', " + std::to_string(g.predecessor) + ")";
        }
        text += "], " + name + "_concat=range(2, 6)";
    }
    return text + ")";
}

namespace detail {

// An operation and a predecessor as they are written.
using WrittenGene = std::pair<std::string_view, std::string_view>;

// Reads pieces from the front of a text without spaces.
class NotationReader {
  public:
    explicit NotationReader(std::string_view rest) : rest_(rest) {}

    bool take(std::string_view piece) {
        if (!rest_.starts_with(piece)) return false;
        rest_.remove_prefix(piece.size());
        return true;
    }
    std::string_view take_while(bool (*wanted)(char)) {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), wanted);
        const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(taken.size());
        return taken;
    }
    // ('operation',predecessor)
    bool take_gene(WrittenGene& gene) {
        if (!take("('")) return false;
        gene.first = take_while([](char c) { return c != '\''; });
        if (!take("',")) return false;
        gene.second = take_while([](char c) { return c >= '0' && c <= '9'; });
        return !gene.second.empty() && take(")");
    }
    // name=[genes],name_concat=range(2,6)
    bool take_cell(const std::string& name, std::vector<WrittenGene>& genes) {
        if (!take(name + "=[")) return false;
        WrittenGene gene;
        while (!take("]")) {
            if (!take_gene(gene)) return false;
            genes.push_back(gene);
            take(",");
        }
        return take("," + name + "_concat=") && (take("range(2,6)") || take("[2,3,4,5]"));
    }
    bool done() const { return rest_.empty(); }

  private:
    std::string_view rest_;
};

inline Gene parse_gene(std::string_view cell, std::size_t node, const WrittenGene& written) {
    const auto& [operation, predecessor] = written;
    const auto known = std::find(kOperationNames.begin(), kOperationNames.end(), operation);
    if (known == kOperationNames.end())
        throw std::invalid_argument("from_string: unknown operation " + quoted(operation) +
                                    nearest(operation, kOperationNames) + " in " + std::string(cell) +
                                    "; operations: " + joined(kOperationNames));
    const std::size_t zeros = std::min(predecessor.find_first_not_of('0'), predecessor.size() - 1);
    const std::string_view number = predecessor.substr(zeros);
    const std::size_t source = number.size() == 1 ? static_cast<std::size_t>(number[0] - '0') : node;
    if (source >= node)
        throw std::invalid_argument("from_string: node " + std::to_string(node) + " of " + std::string(cell) +
                                    " cannot read from " + std::string(number.substr(0, 40)) +
                                    ", only from 0 to " + std::to_string(node - 1));
    return {static_cast<std::uint8_t>(source), static_cast<std::uint8_t>(known - kOperationNames.begin())};
}

inline void parse_cell(std::string_view cell, const std::vector<WrittenGene>& written,
                       std::vector<std::uint8_t>& genotype) {
    if (written.size() != 2 * kNodes)
        throw std::invalid_argument("from_string: " + std::string(cell) + " must hold " +
                                    std::to_string(2 * kNodes) + " pairs, two for each node, got " +
                                    std::to_string(written.size()));
    for (std::size_t i = 0; i < kNodes; ++i) {
        const std::size_t node = kInputs + i;
        Gene a = parse_gene(cell, node, written[2 * i]), b = parse_gene(cell, node, written[2 * i + 1]);
        if (a.predecessor == b.predecessor)
            throw std::invalid_argument("from_string: both inputs of node " + std::to_string(node) + " of " +
                                        std::string(cell) + " come from " + std::to_string(a.predecessor));
        if (a.predecessor > b.predecessor) std::swap(a, b);
        genotype.insert(genotype.end(), {a.predecessor, a.operation, b.predecessor, b.operation});
    }
}

}  // namespace detail

// The genotype [kGenes]; the two inputs of a node are put in order of their predecessors. Spaces and the kind
// of quotes do not matter. Throws std::invalid_argument that names what is wrong.
inline std::vector<std::uint8_t> from_string(std::string_view text) {
    std::string dense;
    for (const char c : text)
        if (!is_space(c)) dense += c == '"' ? '\'' : c;
    detail::NotationReader reader(dense);
    std::array<std::vector<detail::WrittenGene>, 2> cells;
    const bool read = reader.take("Genotype(") && reader.take_cell("normal", cells[0]) && reader.take(",") &&
                      reader.take_cell("reduce", cells[1]) && reader.take(")") && reader.done();
    if (!read)
        throw std::invalid_argument(
            "from_string: expected Genotype(normal=[('operation', predecessor), ...], "
            "normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6)), got " +
            quoted(text));
    std::vector<std::uint8_t> genotype;
    for (std::size_t c = 0; c < cells.size(); ++c) detail::parse_cell(kCellNames[c], cells[c], genotype);
    return genotype;
}

}  // namespace efficient_nas::darts
