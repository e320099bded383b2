// Mutations of architectures (docs/design/graph-mutations.md): a random change of one kind, then shape
// repair.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "efficient_nas/graph/canonical_architecture.hpp"
#include "efficient_nas/graph/graph_mutation_sites.hpp"

namespace efficient_nas {

// Reused from mutation to mutation: it keeps its memory.
class GraphMutator {
  public:
    explicit GraphMutator(const GraphLimits& limits = {}) : limits_(limits) {}

    // Mutates `parent`, which is in normal form, by one kind, uniform among those of `kinds` that apply, at
    // a site that is uniform among its sites. `accept` may refuse a child that is not wanted, then another
    // site is drawn. False if every one is refused, or none applies; `child` holds anything then.
    template <class Accept>
    bool mutate(const Graph& parent, const std::vector<MutationKind>& kinds, RandomStream& random,
                GraphParts& child, const Accept& accept) {
        left_ = kinds;
        const GraphLimits limits{std::max(limits_.max_nodes, parent.size()), limits_.max_channels};
        while (!left_.empty()) {
            const MutationKind kind = take(left_, random);
            finder_.collect(parent, kind, limits, sites_);
            while (!sites_.empty()) {
                edit_.start(parent);
                apply(parent, kind, take(sites_, random), random);
                if (repair_.run(edit_, parent.input_shape(), parent.shape(parent.output()), limits, child) &&
                    accept(child))
                    return true;
            }
        }
        return false;
    }

  private:
    template <class T>
    static T take(std::vector<T>& items, RandomStream& random) {
        std::swap(items[random.below(items.size())], items.back());
        const T item = items.back();
        items.pop_back();
        return item;
    }

    void apply(const Graph& parent, MutationKind kind, const MutationSite& site, RandomStream& random) {
        switch (kind) {
            case MutationKind::kAdd:
                return add(parent, site, random);
            case MutationKind::kRemove:
                return site.source == MutationSite::kNone ? drop(site.node) : bypass(parent, site.node);
            case MutationKind::kReplace:
                return replace(site.node, draw_layer(edit_.nodes[site.node], true, random));
            case MutationKind::kRewire:
                edit_.connections[site.connection].from = static_cast<std::int64_t>(site.source);
                return;
            case MutationKind::kWiden:
            case MutationKind::kNarrow:
                return set_width(
                    parent, site.node,
                    draw_width(parent.shape(site.node).channels, kind == MutationKind::kWiden, random));
            case MutationKind::kDeepen:
                return deepen(site.node);
            case MutationKind::kAddSkip:
                return edit_.connect(site.source, site.node);
            case MutationKind::kChangeKernel: {
                const NodeVariants variants = other_kernels(edit_.nodes[site.node]);
                edit_.nodes[site.node] = variants[random.below(variants.size())];
                return;
            }
            case MutationKind::kChangeStride:
                return move_stride(parent, site.node);
        }
    }

    // A new layer on the connection, or (but for concat) beside it.
    void add(const Graph& parent, const MutationSite& site, RandomStream& random) {
        const std::int64_t channels = parent.shape(site.source).channels;
        const Node like{.input_channels = channels, .output_channels = channels};
        const std::size_t added = edit_.insert(draw_layer(like, false, random), site.node);
        edit_.connect(site.source, added);
        const bool beside = parent.nodes()[site.node].operation != Operation::kConcat && random.below(2) == 0;
        if (beside)
            edit_.connect(added, site.node);
        else
            edit_.connections[site.connection].from = static_cast<std::int64_t>(added);
    }

    void drop(std::size_t node) {
        std::erase_if(edit_.connections, [node](const Connection& connection) {
            return connection.from == static_cast<std::int64_t>(node);
        });
    }

    // Every reader gets the node's inputs instead: one by one where they are summed anyway.
    void bypass(const Graph& parent, std::size_t node) {
        const auto inputs = parent.inputs(node);
        std::size_t sum = MutationSite::kNone;
        if (inputs.size() > 1) {
            for (const std::size_t reader : parent.targets(node))
                if (parent.nodes()[reader].operation == Operation::kConcat) sum = node;
        }
        if (sum == node) {
            Node& kept = edit_.nodes[node];
            replace(node, {.operation = Operation::kSum,
                           .input_channels = kept.input_channels,
                           .output_channels = kept.input_channels});
            return;
        }
        const std::size_t old = edit_.connections.size();
        for (std::size_t c = 0; c < old; ++c) {
            if (edit_.connections[c].from != static_cast<std::int64_t>(node)) continue;
            edit_.connections[c].from = static_cast<std::int64_t>(inputs[0]);
            for (const std::size_t input : inputs.subspan(1))
                edit_.connect(input, static_cast<std::size_t>(edit_.connections[c].to));
        }
    }

    // Another layer in its place; its weights are new.
    void replace(std::size_t node, const Node& replacement) {
        edit_.nodes[node] = replacement;
        edit_.origin[node] = -1;
    }

    void set_width(const Graph& parent, std::size_t set, std::int64_t width) {
        sets_.tie_channels(parent);
        for (std::size_t i = 0; i < parent.size(); ++i)
            if (sets_.find(i) == set && !keeps_channels(parent.nodes()[i]))
                edit_.nodes[i].output_channels = width;
    }

    // The same layer again, with stride 1 behind the node.
    void deepen(std::size_t node) {
        Node again = edit_.nodes[node];
        again.input_channels = again.output_channels;
        again.stride = 1;
        const std::int64_t from = static_cast<std::int64_t>(node);
        const std::size_t next = node + 1;  // the output at the latest
        const std::size_t added = edit_.insert(again, next);
        for (Connection& connection : edit_.connections)
            if (connection.from == from) connection.from = static_cast<std::int64_t>(added);
        edit_.connect(node, added);
    }

    void move_stride(const Graph& parent, std::size_t set) {
        sets_.tie_resolutions(parent);
        for (std::size_t i = 1; i < parent.size(); ++i) {
            const bool reads = sets_.find(parent.inputs(i)[0]) == set, makes = sets_.find(i) == set;
            if (reads != makes) edit_.nodes[i] = *other_stride(parent.nodes()[i]);
        }
    }

    GraphLimits limits_;
    MutationSites finder_;
    ShapeRepair repair_;
    TensorSets sets_;
    GraphEdit edit_;
    std::vector<MutationKind> left_;
    std::vector<MutationSite> sites_;
};

// A mutant of any architecture whose canonical bytes differ from the parent's, in normal form; none if no
// kind applies. origin refers to the nodes of `parent`.
inline std::optional<GraphParts> mutated(const Graph& parent, const std::vector<MutationKind>& kinds,
                                         std::uint64_t seed, std::uint64_t stream = 0,
                                         const GraphLimits& limits = {}) {
    if (parent.is_zero(parent.output())) return std::nullopt;  // none of its nodes does anything
    const GraphParts start = normal_form(parent);
    const Graph graph = start.graph();
    const std::vector<std::uint8_t> bytes = canonical_bytes(graph, CanonicalKind::kGraph);
    RandomStream random(seed, stream);
    GraphParts child;
    std::optional<GraphParts> mutant;
    GraphMutator(limits).mutate(graph, kinds, random, child, [&](const GraphParts& parts) {
        const Graph made = parts.graph();
        if (made.is_zero(made.output()) || canonical_bytes(made, CanonicalKind::kGraph) == bytes)
            return false;
        mutant = normal_form(made);
        return true;
    });
    if (!mutant) return std::nullopt;
    for (std::int64_t& origin : mutant->origin) {
        origin = child.origin[static_cast<std::size_t>(origin)];
        if (origin >= 0) origin = start.origin[static_cast<std::size_t>(origin)];
    }
    return mutant;
}

}  // namespace efficient_nas
