// Fuzzed mutations: chains of random mutations from architectures of every shape that the built-in spaces
// make, and from random DAGs. EFFNAS_MUTATIONS sets how many (1000000 takes about half a minute, optimised).
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "check.hpp"
#include "efficient_nas/graph/canonical_architecture.hpp"
#include "efficient_nas/graph/cost.hpp"
#include "efficient_nas/graph/graph_crossover.hpp"
#include "efficient_nas/graph/graph_mutation.hpp"
#include "graph_examples.hpp"

using namespace efficient_nas;

namespace {

std::size_t mutations_to_make() {
    const char* wanted = std::getenv("EFFNAS_MUTATIONS");
    return wanted == nullptr ? 3000 : static_cast<std::size_t>(std::strtoull(wanted, nullptr, 10));
}

const std::vector<MutationKind>& all_kinds() {
    static const std::vector<MutationKind> kinds = [] {
        std::vector<MutationKind> all;
        for (const std::string_view name : kMutationKinds) all.push_back(parse_mutation_kind(name));
        return all;
    }();
    return kinds;
}

std::int64_t any_height(RandomStream& random) { return 5 + static_cast<std::int64_t>(random.below(28)); }

constexpr GraphLimits kLimits{.max_nodes = 60, .max_channels = 96};

// What must hold of every child, beside what the constructor of Graph has checked.
void check_child(const Graph& parent, const GraphParts& child) {
    const Graph graph = child.graph();
    CHECK(graph.input_shape() == parent.input_shape());
    CHECK(graph.shape(graph.output()) == parent.shape(parent.output()));
    CHECK(!graph.is_zero(graph.output()));
    CHECK(in_normal_form(graph));
    CHECK(graph.size() <= std::max(kLimits.max_nodes, parent.size()));
    CHECK(macs(graph) >= 0 && peak_activation_bytes(graph) > 0);
    CHECK(canonical_bytes(graph, CanonicalKind::kGraph) != canonical_bytes(parent, CanonicalKind::kGraph));
    CHECK(child.origin.size() == graph.size());
    std::vector<bool> used(parent.size(), false);
    for (std::size_t i = 0; i < graph.size(); ++i) {
        if (child.origin[i] < 0) continue;
        const auto origin = static_cast<std::size_t>(child.origin[i]);
        CHECK(origin < parent.size() && !used[origin]);
        used[origin] = true;
    }
    // The classifier stays: linear layers keep their outputs.
    const auto classes = [](const Graph& of) {
        std::vector<std::int64_t> widths;
        for (const Node& node : of.nodes())
            if (node.operation == Operation::kLinear) widths.push_back(node.output_channels);
        return widths;
    };
    CHECK(classes(graph) == classes(parent));
}

}  // namespace

TEST(chains_of_mutations_stay_valid) {
    std::array<std::size_t, kMutationKinds.size()> made{};
    const std::size_t wanted = mutations_to_make();
    std::size_t done = 0;
    for (std::uint64_t chain = 0; done < wanted; ++chain) {
        RandomStream random(31, chain);
        Graph parent = example_architecture(chain, any_height(random), random);
        for (std::size_t step = 0; step < 40 && done < wanted; ++step) {
            const MutationKind kind = all_kinds()[random.below(all_kinds().size())];
            std::optional<GraphParts> child = mutated(parent, {kind}, 32 + chain, step, kLimits);
            if (child)
                ++made[static_cast<std::size_t>(kind)];
            else
                child = mutated(parent, all_kinds(), 33 + chain, step, kLimits);
            if (!child) break;  // as large as the limits allow and nothing else to change, or dead
            check_child(parent, *child);
            parent = child->graph();
            ++done;
        }
    }
    for (std::size_t kind = 0; kind < made.size(); ++kind) {
        std::printf("  %-13s %zu\n", std::string(kMutationKinds[kind]).c_str(), made[kind]);
        CHECK(made[kind] > 0);
    }
}

TEST(a_mutation_depends_on_seed_and_stream_alone) {
    RandomStream random(34, 0);
    for (std::uint64_t round = 0; round < 50; ++round) {
        const Graph parent = example_architecture(round, any_height(random), random);
        const auto a = mutated(parent, all_kinds(), 5, round), b = mutated(parent, all_kinds(), 5, round);
        CHECK(a.has_value() == b.has_value());
        if (a) CHECK(a->nodes == b->nodes && a->connections == b->connections && a->origin == b->origin);
    }
}

TEST(crossover_splices_valid_graphs) {
    std::size_t children = 0;
    GraphCrossover crossover;
    for (std::uint64_t round = 0; round < 2000; ++round) {
        RandomStream random(35, round);
        const std::int64_t height = any_height(random);
        const auto normal = [&](std::uint64_t family) {
            return normal_form(example_architecture(family, height, random)).graph();
        };
        const std::uint64_t family = random.below(5);
        const Graph a = normal(family), b = normal(family);
        if (a.shape(a.output()) != b.shape(b.output()) || a.is_zero(a.output()) || b.is_zero(b.output()))
            continue;
        GraphParts child;
        if (!crossover.cross(a, b, random, child)) continue;
        const Graph graph = child.graph();
        CHECK(in_normal_form(graph));
        CHECK(graph.shape(graph.output()) == a.shape(a.output()));
        ++children;
    }
    CHECK(children > 300);
}
