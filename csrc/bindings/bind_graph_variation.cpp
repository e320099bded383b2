#include <nanobind/stl/optional.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/graph/graph_crossover.hpp"
#include "efficient_nas/graph/graph_mutation.hpp"
#include "genotypes.h"
#include "graph_tuples.h"

namespace nas = efficient_nas;

namespace {

std::optional<GraphTuple> mutate(const nas::Graph& parent, const std::vector<std::string>& names,
                                 nb::handle seed) {
    const std::vector<nas::MutationKind> kinds = parse_kinds(names);
    const std::uint64_t number = seed_argument("mutate", seed);
    nb::gil_scoped_release release;
    const std::optional<nas::GraphParts> child = nas::mutated(parent, kinds, number);
    return child ? std::optional(to_tuple(*child)) : std::nullopt;
}

GraphTuple crossover(const nas::Graph& a, const nas::Graph& b, nb::handle seed) {
    const std::uint64_t number = seed_argument("crossover", seed);
    nb::gil_scoped_release release;
    return to_tuple(nas::crossed(a, b, number));
}

}  // namespace

void export_graph_variation(nb::module_& module) {
    module.def(
        "mutation_kinds",
        [] {
            std::vector<std::string> names;
            for (const std::string_view name : nas::kMutationKinds) names.emplace_back(name);
            return names;
        },
        "Names of all kinds of mutations.");
    module.def("mutate_graph", &mutate, nb::arg("parent"), nb::arg("kinds"), nb::arg("seed").none(),
               "Nodes, connections and origins of a mutant; None if no kind applies.");
    module.def(
        "draw_kind",
        [](nb::handle seed, std::size_t kinds) {
            return nas::RandomStream(seed_argument("mutate", seed), 0).below(kinds);
        },
        nb::arg("seed").none(), nb::arg("kinds"),
        "Index of the kind that a mutation which `seed` decides is of.");
    module.def("cross_graphs", &crossover, nb::arg("a"), nb::arg("b"), nb::arg("seed").none(),
               "Nodes, connections and origins of a child.");
}
