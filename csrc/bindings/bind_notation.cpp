#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/graph/architecture_json.hpp"
#include "efficient_nas/space/darts_notation.hpp"
#include "efficient_nas/space/nasbench201_notation.hpp"
#include "efficient_nas/space/space_notation.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

std::string_view notation(nb::handle text) {
    return text_argument("from_string: text must be a string", text);
}

OutputArray<std::uint8_t> row(std::vector<std::uint8_t>&& genotype) {
    const std::size_t columns = genotype.size();
    return make_array(std::move(genotype), {columns});
}

std::string nasbench201_to_string(nb::handle genotype) {
    const auto cell = genotype_row("to_string: genotype", genotype, nas::nasbench201::kEdges);
    for (std::size_t e = 0; e < nas::nasbench201::kEdges; ++e)
        if (cell.data()[e] >= nas::nasbench201::kOperations)
            throw std::invalid_argument("to_string: an operation must be between 0 and 4, got " +
                                        std::to_string(cell.data()[e]));
    return nas::nasbench201::to_string(cell.data());
}

std::string darts_to_string(nb::handle genotype) {
    const auto cells = genotype_row("to_string: genotype", genotype, nas::darts::kGenes);
    if (!nas::darts::is_valid(cells.data())) throw std::invalid_argument("to_string: genotype is not valid");
    return nas::darts::to_string(cells.data());
}

std::string space_to_string(const nas::SpaceSpec& space, nb::handle genotype) {
    const auto choices = genotype_row("to_string: genotype", genotype, space.num_choices());
    if (const auto reason = space.why_invalid(choices.data()))
        throw std::invalid_argument("to_string: genotype is not valid: " + *reason);
    return nas::to_string(space, choices.data());
}

// operation, input_channels, output_channels, stride, kernel_size (None: not given), expansion, affine
using NodeTuple = std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t,
                             std::optional<std::int64_t>, std::int64_t, bool>;
using Connections = std::vector<std::pair<std::int64_t, std::int64_t>>;
using ShapeTuple = std::tuple<std::int64_t, std::int64_t, std::int64_t>;

std::tuple<std::vector<NodeTuple>, Connections, ShapeTuple> architecture_from_json(nb::handle text) {
    const std::string_view json = text_argument("Architecture.from_json: text must be a str", text);
    const nb::gil_scoped_release release;
    const nas::ArchitectureParts parts = nas::architecture_parts_from_json(json);
    std::vector<NodeTuple> nodes;
    for (const nas::Node& node : parts.nodes)
        nodes.emplace_back(nas::traits(node.operation).name, node.input_channels, node.output_channels,
                           node.stride,
                           node.kernel_size == 0 ? std::nullopt : std::optional(node.kernel_size),
                           node.expansion, node.affine);
    Connections connections;
    for (const auto& [from, to] : parts.connections) connections.emplace_back(from, to);
    const nas::Shape& shape = parts.input_shape;
    return {std::move(nodes), std::move(connections), {shape.channels, shape.height, shape.width}};
}

}  // namespace

void export_notation(nb::module_& module) {
    module.def("architecture_from_json", &architecture_from_json, nb::arg("text").none(),
               "Nodes, connections and input shape of a text that architecture_to_json made.");
    module.def(
        "architecture_to_json", [](const nas::Graph& graph) { return nas::to_json(graph); }, nb::arg("graph"),
        "JSON text, one line for each node.");
    module.def(
        "nasbench201_from_string",
        [](nb::handle text) { return row(nas::nasbench201::from_string(notation(text))); },
        nb::arg("text").none(), "The genotype uint8 [6] of a cell in the benchmark's notation.");
    module.def("nasbench201_to_string", &nasbench201_to_string, nb::arg("genotype").none(),
               "A cell uint8 [6] in the benchmark's notation.");
    module.def(
        "darts_from_string", [](nb::handle text) { return row(nas::darts::from_string(notation(text))); },
        nb::arg("text").none(), "The genotype uint8 [32] of a published `Genotype(...)`.");
    module.def("darts_to_string", &darts_to_string, nb::arg("genotype").none(),
               "A genotype uint8 [32] as `Genotype(...)`.");
    module.def(
        "space_from_string",
        [](const nas::SpaceSpec& space, nb::handle text) {
            return row(nas::from_string(space, notation(text)));
        },
        nb::arg("space"), nb::arg("text").none(), "The genotype uint8 [c] of `name=value,...`.");
    module.def("space_to_string", &space_to_string, nb::arg("space"), nb::arg("genotype").none(),
               "A genotype uint8 [c] as `name=value` of its active choices.");
}
