#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "check.hpp"
#include "efficient_nas/graph/canonical_architecture.hpp"
#include "efficient_nas/graph/cost.hpp"
#include "efficient_nas/graph/graph.hpp"
#include "efficient_nas/graph/prune.hpp"
#include "efficient_nas/rng.hpp"

using namespace efficient_nas;

namespace {

constexpr std::int64_t kChannels = 4;

struct Parts {
    std::vector<Node> nodes;
    std::vector<Connection> connections;
    Graph graph() const { return Graph(nodes, connections, {kChannels, 8, 8}); }
};

// A random DAG of operations that keep the shape; concat is always followed by a convolution back.
Parts random_parts(RandomStream& random, std::size_t size) {
    constexpr Operation kOperations[] = {
        Operation::kNone,       Operation::kSkipConnect, Operation::kSum,        Operation::kNorConv1x1,
        Operation::kSepConv3x3, Operation::kMaxPool3x3,  Operation::kAvgPool3x3, Operation::kBNReLU,
        Operation::kConcat,     Operation::kGate};
    Parts parts;
    std::vector<std::int64_t> values{0};  // nodes with kChannels channels
    const auto add = [&](const Node& node) {
        parts.nodes.push_back(node);
        return static_cast<std::int64_t>(parts.nodes.size()) - 1;
    };
    const auto connect_some = [&](std::int64_t to, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            parts.connections.push_back({values[random.below(values.size())], to});
    };
    add({.operation = Operation::kInput, .input_channels = kChannels, .output_channels = kChannels});
    for (std::size_t i = 0; i < size; ++i) {
        const Operation operation = kOperations[random.below(std::size(kOperations))];
        const std::size_t inputs = 1 + random.below(3);
        Node node{.operation = operation, .input_channels = kChannels, .output_channels = kChannels};
        if (operation == Operation::kConcat)
            node.output_channels = kChannels * static_cast<std::int64_t>(inputs);
        const std::int64_t made = add(node);
        connect_some(made, inputs);
        if (operation == Operation::kConcat) {
            const std::int64_t back = add({.operation = Operation::kNorConv1x1,
                                           .input_channels = node.output_channels,
                                           .output_channels = kChannels});
            parts.connections.push_back({made, back});
            values.push_back(back);
        } else {
            values.push_back(made);
        }
    }
    connect_some(
        add({.operation = Operation::kOutput, .input_channels = kChannels, .output_channels = kChannels}),
        1 + random.below(3));
    return parts;
}

Parts renumbered(const Parts& parts, RandomStream& random) {
    std::vector<std::int64_t> position(parts.nodes.size());
    for (std::size_t i = 0; i < position.size(); ++i) position[i] = static_cast<std::int64_t>(i);
    for (std::size_t i = position.size(); i-- > 1;) std::swap(position[i], position[random.below(i + 1)]);
    Parts moved = parts;
    for (std::size_t i = 0; i < position.size(); ++i)
        moved.nodes[static_cast<std::size_t>(position[i])] = parts.nodes[i];
    for (Connection& connection : moved.connections)
        connection = {position[static_cast<std::size_t>(connection.from)],
                      position[static_cast<std::size_t>(connection.to)]};
    for (std::size_t i = moved.connections.size(); i-- > 1;)
        std::swap(moved.connections[i], moved.connections[random.below(i + 1)]);
    return moved;
}

}  // namespace

TEST(random_graphs_mean_the_same_in_any_numbering) {
    RandomStream random(21, 0);
    for (std::size_t round = 0; round < 200; ++round) {
        const Parts parts = random_parts(random, round % 25);
        const Graph graph = parts.graph(), moved = renumbered(parts, random).graph();
        for (std::size_t node = 0; node < graph.size(); ++node)
            CHECK(graph.shape(node) == graph.cost(node).output);
        CHECK(macs(graph) == macs(moved));
        CHECK(params(graph) == params(moved));
        CHECK(depth(graph) == depth(moved));
        CHECK(peak_activation_bytes(graph) >= 4 * kChannels * 64);
        for (const CanonicalKind kind : {CanonicalKind::kGraph, CanonicalKind::kExpression})
            CHECK(canonical_bytes(graph, kind) == canonical_bytes(moved, kind));
    }
}

TEST(pruning_changes_no_cost_and_no_canonical_form) {
    RandomStream random(22, 0);
    for (std::size_t round = 0; round < 200; ++round) {
        const Parts parts = random_parts(random, round % 25);
        const Graph graph = parts.graph();
        const std::vector<std::size_t> kept = kept_nodes(graph);
        Parts pruned;
        std::vector<std::int64_t> index(graph.size(), -1);
        for (const std::size_t node : kept) {
            index[node] = static_cast<std::int64_t>(pruned.nodes.size());
            pruned.nodes.push_back(parts.nodes[node]);
        }
        for (const Connection& connection : parts.connections) {
            const std::int64_t from = index[static_cast<std::size_t>(connection.from)],
                               to = index[static_cast<std::size_t>(connection.to)];
            if (from >= 0 && to >= 0) pruned.connections.push_back({from, to});
        }
        const Graph rest = pruned.graph();
        CHECK(macs(rest) == macs(graph));
        CHECK(params(rest) == params(graph));
        CHECK(kept_nodes(rest).size() == rest.size());
        for (const CanonicalKind kind : {CanonicalKind::kGraph, CanonicalKind::kExpression})
            CHECK(canonical_bytes(rest, kind) == canonical_bytes(graph, kind));
    }
}

TEST(nested_sums_of_a_value_with_itself_stay_exact) {
    // Every level doubles the multiplicity: 2^100 terms of the input, far beyond 64 bits.
    const auto doubled = [](std::size_t levels) {
        Parts parts;
        parts.nodes.push_back(
            {.operation = Operation::kInput, .input_channels = kChannels, .output_channels = kChannels});
        for (std::size_t i = 0; i <= levels; ++i) {
            const Operation operation = i < levels ? Operation::kSum : Operation::kOutput;
            parts.nodes.push_back(
                {.operation = operation, .input_channels = kChannels, .output_channels = kChannels});
            for (std::size_t copy = 0; copy < (i < levels ? 2 : 1); ++copy)
                parts.connections.push_back({static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1});
        }
        return canonical_bytes(parts.graph(), CanonicalKind::kGraph);
    };
    CHECK(doubled(100) == doubled(100));
    CHECK(doubled(100) != doubled(101));
    CHECK(doubled(100) != doubled(36));  // the same modulo 2^64
}

TEST(malformed_graphs_are_refused) {
    RandomStream random(23, 0);
    std::size_t refused = 0;
    for (std::size_t round = 0; round < 500; ++round) {
        Parts parts = random_parts(random, 1 + round % 8);
        const auto any = [&](const auto& list) { return random.below(list.size()); };
        switch (random.below(4)) {
            case 0:
                parts.connections[any(parts.connections)].from = static_cast<std::int64_t>(random.next_u64());
                break;
            case 1: {
                Connection& connection = parts.connections[any(parts.connections)];
                std::swap(connection.from, connection.to);
                break;
            }
            case 2:
                parts.nodes[any(parts.nodes)].input_channels = static_cast<std::int64_t>(random.next_u64());
                break;
            default:
                parts.nodes[any(parts.nodes)].operation = Operation::kOutput;
        }
        try {
            const Graph graph = parts.graph();
            (void)macs(graph);
        } catch (const std::invalid_argument& error) {
            ++refused;
            CHECK(std::string(error.what()).starts_with("Architecture: "));
        }
    }
    CHECK(refused > 400);
    CHECK_THROWS(Graph({}, {}, {1, 1, 1}), std::invalid_argument, "exactly one input node");
}

TEST(costs_beyond_64_bits_are_an_error) {
    const std::int64_t huge = std::numeric_limits<std::int32_t>::max();
    const std::vector<Node> nodes{
        {.operation = Operation::kInput, .input_channels = huge, .output_channels = huge},
        {.operation = Operation::kConv, .input_channels = huge, .output_channels = huge, .kernel_size = 101},
        {.operation = Operation::kOutput, .input_channels = huge, .output_channels = huge}};
    CHECK_THROWS(macs(Graph(nodes, {{0, 1}, {1, 2}}, {huge, 5, 5})), std::invalid_argument, "64 bits");
}
