#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "check.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/darts.hpp"
#include "efficient_nas/space/nasbench201.hpp"

using namespace efficient_nas;

namespace {

using Bytes = std::vector<std::uint8_t>;
using Genotype = std::array<std::uint8_t, darts::kGenes>;

Genotype random_darts(RandomStream& random) {
    Genotype genotype{};
    for (std::size_t gene = 0; gene < darts::kGenes; gene += 4) {
        const std::size_t node = gene % darts::kCellGenes / 4;
        const std::uint64_t b = 1 + random.below(darts::kInputs + node - 1), a = random.below(b);
        genotype[gene] = static_cast<std::uint8_t>(a);
        genotype[gene + 2] = static_cast<std::uint8_t>(b);
        genotype[gene + 1] = static_cast<std::uint8_t>(random.below(darts::kOperations));
        genotype[gene + 3] = static_cast<std::uint8_t>(random.below(darts::kOperations));
    }
    return genotype;
}

Bytes canonical(const Genotype& genotype, bool shared) {
    Bytes bytes;
    darts::append_canonical(genotype.data(), shared, bytes);
    return bytes;
}

}  // namespace

TEST(nasbench201_has_the_known_numbers_of_classes) {
    const nasbench201::CanonicalTable graph(false), expression(true);
    std::map<Bytes, Bytes> expression_of_graph;
    std::set<Bytes> expressions;
    for (std::size_t cell = 0; cell < nasbench201::kCells; ++cell) {
        CHECK(nasbench201::cell_index(nasbench201::cell_genotype(cell).data()) == cell);
        const auto g = graph.bytes(cell), e = expression.bytes(cell);
        const Bytes coarse(e.begin(), e.end());
        expressions.insert(coarse);
        const auto [known, is_new] = expression_of_graph.emplace(Bytes(g.begin(), g.end()), coarse);
        CHECK(known->second == coarse);  // graph classes nest in expression classes
    }
    CHECK(expression_of_graph.size() == 5425);
    CHECK(expressions.size() == 4930);
}

TEST(darts_cells_are_the_same_in_any_numbering_of_their_nodes) {
    RandomStream random(31, 0);
    for (int round = 0; round < 300; ++round) {
        Genotype genotype = random_darts(random);
        CHECK(darts::is_valid(genotype.data()));
        // Nodes 0 and 1 read the cell's inputs alone: they can change places, and their readers with them.
        std::uint8_t* cell = genotype.data() + (round % 2) * darts::kCellGenes;
        cell[4] = 0;
        cell[6] = 1;
        Genotype swapped = genotype;
        std::uint8_t* other = swapped.data() + (round % 2) * darts::kCellGenes;
        std::swap_ranges(other, other + 4, other + 4);
        for (std::size_t node = 2; node < darts::kNodes; ++node) {
            std::uint8_t* genes = other + 4 * node;
            for (const std::size_t input : {0u, 2u})
                if (genes[input] == 2 || genes[input] == 3)
                    genes[input] = static_cast<std::uint8_t>(5 - genes[input]);
            if (genes[0] > genes[2]) {
                std::swap(genes[0], genes[2]);
                std::swap(genes[1], genes[3]);
            }
        }
        CHECK(darts::is_valid(swapped.data()));
        for (const bool shared : {false, true})
            CHECK(canonical(genotype, shared) == canonical(swapped, shared));
        const std::size_t gene = 1 + 2 * random.below(darts::kGenes / 2);
        swapped = genotype;
        swapped[gene] = static_cast<std::uint8_t>((swapped[gene] + 1) % darts::kOperations);
        CHECK(canonical(genotype, false) != canonical(swapped, false) ||
              canonical(genotype, true) == canonical(swapped, true));
    }
}

TEST(invalid_darts_genotypes_are_seen) {
    RandomStream random(32, 0);
    for (int round = 0; round < 300; ++round) {
        Genotype genotype = random_darts(random);
        const std::size_t gene = random.below(darts::kGenes);
        genotype[gene] = static_cast<std::uint8_t>(7 + random.below(249));
        CHECK(!darts::is_valid(genotype.data()));
    }
}
