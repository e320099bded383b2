// The kinds of mutations, and where in an architecture each applies.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "efficient_nas/graph/graph_attributes.hpp"
#include "efficient_nas/graph/graph_repair.hpp"
#include "efficient_nas/graph/graph_ties.hpp"

namespace efficient_nas {

// docs/design/graph-mutations.md says what each does.
enum class MutationKind : std::uint8_t {
    kAdd,
    kRemove,
    kReplace,
    kRewire,
    kWiden,
    kNarrow,
    kDeepen,
    kAddSkip,
    kChangeKernel,
    kChangeStride,
};

// In the order of MutationKind.
inline constexpr std::array<std::string_view, 10> kMutationKinds{
    "add",    "remove", "replace",  "rewire",        "widen",
    "narrow", "deepen", "add_skip", "change_kernel", "change_stride"};

inline MutationKind parse_mutation_kind(std::string_view name) {
    const auto found = std::find(kMutationKinds.begin(), kMutationKinds.end(), name);
    if (found != kMutationKinds.end()) return static_cast<MutationKind>(found - kMutationKinds.begin());
    std::string message = "kinds must be among ";
    for (const std::string_view kind : kMutationKinds) message.append(kind).append(", ");
    message.resize(message.size() - 2);
    throw std::invalid_argument(message + "; got '" + std::string(name.substr(0, 64)) + "'");
}

// Where a mutation applies; what the numbers mean depends on its kind.
struct MutationSite {
    static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    std::size_t node = kNone, source = kNone, connection = kNone;
};

class MutationSites {
  public:
    // All sites of `kind` in `parent`, which is in normal form, into `sites`.
    void collect(const Graph& parent, MutationKind kind, const GraphLimits& limits,
                 std::vector<MutationSite>& sites) {
        graph_ = &parent;
        sites_ = &sites;
        sites.clear();
        find_head();
        full_ = parent.size() >= limits.max_nodes;
        if (full_ && (kind == MutationKind::kAdd || kind == MutationKind::kDeepen)) return;
        switch (kind) {
            case MutationKind::kAdd:
                return connections();
            case MutationKind::kRemove:
                return removals();
            case MutationKind::kReplace:
                return nodes([](const Node& node) { return is_layer(node); });
            case MutationKind::kRewire:
                return rewirings();
            case MutationKind::kWiden:
                return widths([&](std::int64_t width) { return width <= limits.max_channels / 2; });
            case MutationKind::kNarrow:
                return widths([](std::int64_t width) { return width > 2; });
            case MutationKind::kDeepen:
                return nodes([](const Node& node) { return is_weighted(node); });
            case MutationKind::kAddSkip:
                return skips();
            case MutationKind::kChangeKernel:
                return nodes([](const Node& node) { return !other_kernels(node).empty(); });
            case MutationKind::kChangeStride:
                return resolutions();
        }
    }

  private:
    // The head: global pools, linear layers and all that comes after one; it stays as it is.
    void find_head() {
        in_head_.resize(graph_->size());
        for (std::size_t i = 0; i < graph_->size(); ++i) {
            const Operation operation = graph_->nodes()[i].operation;
            in_head_[i] = operation == Operation::kGlobalAvgPool || operation == Operation::kLinear;
            for (const std::size_t source : graph_->inputs(i)) in_head_[i] |= in_head_[source];
        }
    }

    bool can_be_read(std::size_t node) const { return !in_head_[node] && graph_->is_alive(node); }
    // Whether the node stands before the head, or is the first of it.
    bool can_read(std::size_t node) const {
        const auto inputs = graph_->inputs(node);
        return graph_->is_alive(node) && std::all_of(inputs.begin(), inputs.end(), [&](std::size_t source) {
                   return in_head_[source] == 0;
               });
    }
    bool reads(std::size_t node, std::size_t source) const {
        const auto inputs = graph_->inputs(node);
        return std::find(inputs.begin(), inputs.end(), source) != inputs.end();
    }
    bool is_concat(std::size_t node) const { return graph_->nodes()[node].operation == Operation::kConcat; }

    // Whether a tensor can stand in for another: as it is, or after a projection of stride 1 or 2 if there is
    // room for one.
    bool bridges(const Shape& from, const Shape& to) const {
        if (full_) return from == to;
        return (from.height == to.height && from.width == to.width) ||
               ((from.height + 1) / 2 == to.height && (from.width + 1) / 2 == to.width);
    }

    template <class Predicate>
    void nodes(const Predicate& applies) {
        for (std::size_t i = 0; i < graph_->size(); ++i)
            if (can_be_read(i) && applies(graph_->nodes()[i])) sites_->push_back({.node = i});
    }

    void connections() {
        for (std::size_t c = 0; c < graph_->connections().size(); ++c) {
            const auto from = static_cast<std::size_t>(graph_->connections()[c].from),
                       to = static_cast<std::size_t>(graph_->connections()[c].to);
            if (can_be_read(from) && graph_->is_alive(to))
                sites_->push_back({.node = to, .source = from, .connection = c});
        }
    }

    // Layers whose readers all have another input can go with their connections (source: kNone); those of
    // stride 1 can be bridged by connections from their inputs to their readers (source: the first input).
    void removals() {
        for (std::size_t i = 0; i < graph_->size(); ++i) {
            const Node& node = graph_->nodes()[i];
            if (!can_be_read(i) || !is_layer(node)) continue;
            const auto readers = graph_->targets(i);
            const bool spare = std::all_of(readers.begin(), readers.end(), [&](std::size_t reader) {
                const auto inputs = graph_->inputs(reader);
                return std::any_of(inputs.begin(), inputs.end(), [&](std::size_t source) {
                    return source != i && graph_->is_alive(source);
                });
            });
            if (spare) sites_->push_back({.node = i});
            if (node.stride == 1 && !node.passes_through())
                sites_->push_back({.node = i, .source = graph_->inputs(i)[0]});
        }
    }

    // A connection, and another source for it. Sources stand before the node in the order: no cycles.
    void rewirings() {
        for (std::size_t c = 0; c < graph_->connections().size(); ++c) {
            const auto old = static_cast<std::size_t>(graph_->connections()[c].from),
                       node = static_cast<std::size_t>(graph_->connections()[c].to);
            if (!can_be_read(old) || !can_read(node)) continue;
            for (std::size_t source = 0; source < node; ++source)
                if (source != old && can_be_read(source) &&
                    bridges(graph_->shape(source), graph_->shape(old)) && !reads(node, source))
                    sites_->push_back({.node = node, .source = source, .connection = c});
        }
    }

    void skips() {
        for (std::size_t node = 1; node < graph_->size(); ++node) {
            if (is_concat(node) || !can_read(node)) continue;
            for (std::size_t source = 0; source < node; ++source)
                if (can_be_read(source) && bridges(graph_->shape(source), graph_->received(node)) &&
                    !reads(node, source))
                    sites_->push_back({.node = node, .source = source});
        }
    }

    // Sets of tensors that have one width, by the tensor that names the set.
    template <class Predicate>
    void widths(const Predicate& applies) {
        sets_.tie_channels(*graph_);
        for (std::size_t i = 0; i < graph_->size(); ++i)
            if (sets_.find(i) == i && !sets_.is_fixed(i) && graph_->is_alive(i) &&
                applies(graph_->shape(i).channels))
                sites_->push_back({.node = i});
    }

    // Sets of tensors that have one resolution which can be halved (their makers get stride 2, their readers
    // stride 1) or doubled (the other way round).
    void resolutions() {
        sets_.tie_resolutions(*graph_);
        makers_.assign(graph_->size(), 0);
        for (std::size_t i = 1; i < graph_->size(); ++i) {
            const std::size_t reads = sets_.find(graph_->inputs(i)[0]), makes = sets_.find(i);
            if (reads == makes) continue;
            const Node& node = graph_->nodes()[i];
            const bool flips = graph_->is_alive(i) && other_stride(node).has_value();
            makers_[makes] |= flips ? (node.stride == 1 ? kHalves : kDoubles) : kHalves | kDoubles;
            makers_[reads] |= flips ? (node.stride == 2 ? kHalves : kDoubles) : kHalves | kDoubles;
        }
        for (std::size_t i = 0; i < graph_->size(); ++i)
            if (sets_.find(i) == i && !sets_.is_fixed(i) && (makers_[i] == kHalves || makers_[i] == kDoubles))
                sites_->push_back({.node = i});
    }

    static constexpr std::uint8_t kHalves = 1, kDoubles = 2;

    const Graph* graph_ = nullptr;
    std::vector<MutationSite>* sites_ = nullptr;
    bool full_ = false;  // no room for another node
    std::vector<std::uint8_t> in_head_;
    std::vector<std::uint8_t> makers_;  // by set: the changes that nodes at its border ask for
    TensorSets sets_;
};

}  // namespace efficient_nas
