#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "efficient_nas/cells.hpp"
#include "efficient_nas/chains.hpp"
#include "efficient_nas/darts.hpp"
#include "efficient_nas/nasbench201.hpp"
#include "efficient_nas/rng.hpp"

using namespace efficient_nas;
using Bytes = std::vector<std::uint8_t>;

namespace {

// A random cell as plain lists, so that it can be handed over in any order of its vertices.
struct Plan {
    std::vector<unsigned> types;
    std::vector<std::vector<std::size_t>> sources;  // of each vertex: items, with multiplicity
    std::vector<std::vector<std::size_t>> values;
};

constexpr unsigned kInputs = 2;

Plan random_plan(RandomStream& random) {
    Plan plan;
    const std::size_t vertices = random.below(Cell::kMaxVertices + 1);
    for (std::size_t v = 0; v < vertices; ++v) {
        plan.types.push_back(static_cast<unsigned>(random.below(2)));
        plan.sources.emplace_back();
        for (std::size_t i = 0; i < 1 + random.below(2); ++i)
            plan.sources.back().push_back(random.below(kInputs + v));
    }
    for (std::size_t i = 0; i < 1 + random.below(Cell::kMaxValues); ++i) {
        plan.values.emplace_back();
        for (std::size_t t = 0; t < 1 + random.below(3); ++t)
            plan.values.back().push_back(random.below(kInputs + vertices));
    }
    return plan;
}

// The canonical bytes when vertices are added in a random order that respects their sources.
Bytes canonical(const Plan& plan, bool shared, RandomStream& random) {
    Cell cell(kInputs, shared);
    std::vector<Terms> item(kInputs + plan.types.size(), 0);
    for (unsigned i = 0; i < kInputs; ++i) item[i] = Cell::item(i);
    const auto sum = [&](const std::vector<std::size_t>& items) {
        Terms terms = 0;
        for (const std::size_t i : items) terms += item[i];
        return terms;
    };
    for (std::size_t added = 0; added < plan.types.size();) {
        const std::size_t v = random.below(plan.types.size());
        const auto known = [&](std::size_t i) { return item[i] != 0; };
        if (item[kInputs + v] != 0 || !std::ranges::all_of(plan.sources[v], known)) continue;
        item[kInputs + v] = cell.add_vertex(plan.types[v], sum(plan.sources[v]));
        ++added;
    }
    std::vector<std::size_t> order(plan.values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    for (const std::size_t i : order) cell.add_output(sum(plan.values[i]));
    Bytes bytes;
    cell.append_canonical(bytes);
    return bytes;
}

Chain small_chain() {
    const LayerVariant identity{}, wide{1, {10, 20, 30}}, narrow{2, {1, 2, 300}};
    Layer first{{{0, 1}}, {identity, wide}, 0, OptionSet(0b11)};
    Layer second{{{0, 2}, {1, 1}}, {identity, narrow, wide, narrow}, 1, OptionSet(0b10)};
    return Chain({2, 2}, {first, second}, {100, 200, 50});
}

}  // namespace

TEST(canonical_bytes_ignore_the_order_of_vertices_and_values) {
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
        RandomStream random(seed, 0);
        const Plan plan = random_plan(random);
        for (const bool shared : {false, true})
            CHECK(canonical(plan, shared, random) == canonical(plan, shared, random));
    }
}

TEST(a_dead_vertex_does_not_count) {
    for (const bool shared : {false, true}) {
        Cell plain(1, shared), extended(1, shared);
        plain.add_output(plain.add_vertex(3, Cell::item(0)));
        extended.add_vertex(2, Cell::item(0));
        extended.add_output(extended.add_vertex(3, Cell::item(0)));
        Bytes a, b;
        plain.append_canonical(a);
        extended.append_canonical(b);
        CHECK(a == b);
    }
}

TEST(sharing_counts_in_graphs_only) {
    std::array<Bytes, 2> once, twice;
    for (const bool shared : {false, true}) {
        Cell one(1, shared), two(1, shared);
        const Terms v = one.add_vertex(1, Cell::item(0));
        one.add_output(v + v);
        const Terms a = two.add_vertex(1, Cell::item(0)), b = two.add_vertex(1, Cell::item(0));
        two.add_output(a + b);
        one.append_canonical(once[shared]);
        two.append_canonical(twice[shared]);
    }
    CHECK(once[0] != twice[0]);
    CHECK(once[1] == twice[1]);
}

TEST(nasbench201_has_its_classes) {
    for (const bool shared : {false, true}) {
        const nasbench201::CanonicalTable& table = nasbench201::canonical_table(shared);
        std::set<Bytes> classes;
        for (std::size_t cell = 0; cell < nasbench201::kCells; ++cell) {
            const auto bytes = table.bytes(cell);
            classes.insert(Bytes(bytes.begin(), bytes.end()));
            CHECK(nasbench201::cell_index(nasbench201::cell_genotype(cell).data()) == cell);
        }
        CHECK(classes.size() == (shared ? 4930u : 5425u));
    }
}

TEST(darts_genotypes_are_checked) {
    std::array<std::uint8_t, darts::kGenes> genotype{};
    for (std::size_t i = 0; i < darts::kGenes; i += 4) genotype[i + 2] = 1;
    CHECK(darts::is_valid(genotype.data()));
    genotype[2] = 2;
    CHECK(!darts::is_valid(genotype.data()));
    genotype[2] = 0;
    CHECK(!darts::is_valid(genotype.data()));
    genotype[2] = 1;
    genotype[31] = darts::kOperations;
    CHECK(!darts::is_valid(genotype.data()));
}

TEST(chain_sums_its_layers_and_drops_identities) {
    const Chain chain = small_chain();
    const std::array<std::uint8_t, 2> deep{1, 1}, shallow{1, 0}, empty{0, 0}, outside{2, 0};
    CHECK(chain.in_range(deep.data()) && !chain.in_range(outside.data()));
    const NetworkCost cost = chain.cost(deep.data());
    CHECK(cost.macs == 111 && cost.params == 222 && cost.peak_bytes == 300);
    CHECK(chain.cost(shallow.data()).macs == 110 && chain.cost(shallow.data()).peak_bytes == 50);
    Bytes bytes;
    chain.append_canonical(deep.data(), bytes);
    CHECK((bytes == Bytes{1, 0, 0, 0, 2, 0, 0, 0}));
    bytes.clear();
    chain.append_canonical(empty.data(), bytes);
    CHECK(bytes.empty());
}

TEST(chain_refuses_tables_that_do_not_fit) {
    const Layer missing{{{0, 1}}, {{}}, 0, OptionSet(1)}, column{{{7, 1}}, {{}}, 0, OptionSet(1)},
        depth{{}, {{}}, 7, OptionSet(1)};
    CHECK_THROWS(Chain({2}, {missing}, {}), std::invalid_argument, "layer 0: needs 2 variants, got 1");
    CHECK_THROWS(Chain({2}, {column}, {}), std::invalid_argument, "a column does not exist");
    CHECK_THROWS(Chain({2}, {depth}, {}), std::invalid_argument, "its depth column does not exist");
}

TEST(sums_beyond_64_bits_are_refused_once_and_for_all) {
    constexpr std::int64_t kHuge = std::int64_t{1} << 60;
    Layer layer{{}, {{1, {kHuge, 0, 0}}}, 0, OptionSet(1)};
    CHECK(Chain({1}, {layer, layer}, {}).cost(std::array<std::uint8_t, 1>{}.data()).macs == 2 * kHuge);
    CHECK_THROWS(Chain({1}, std::vector<Layer>(8, layer), {}), std::invalid_argument, "64 bits");
    nasbench201::Network::Stages stages{};
    stages[0].operations[nasbench201::kConv3x3].macs = kHuge / 6;
    CHECK_THROWS(nasbench201::Network(stages, 9, 0, {}, 0), std::invalid_argument, "64 bits");
    CHECK_THROWS(nasbench201::Network(stages, -1, 0, {}, 0), std::invalid_argument, "negative");
    darts::CellCosts cell;
    cell.node_bytes = kHuge;
    CHECK_THROWS(darts::Network({cell}, {}), std::invalid_argument, "64 bits");
}
