#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "efficient_nas/graph/canonical_architecture.hpp"
#include "efficient_nas/graph/cost.hpp"
#include "efficient_nas/graph/graph.hpp"
#include "efficient_nas/graph/prune.hpp"
#include "graph_tuples.h"

namespace nas = efficient_nas;

namespace {

nas::Graph make_graph(const std::vector<NodeTuple>& nodes, const std::vector<ConnectionTuple>& connections,
                      const ShapeTuple& input_shape) {
    std::vector<nas::Node> native_nodes;
    native_nodes.reserve(nodes.size());
    for (const NodeTuple& node : nodes) native_nodes.push_back(to_node(node));
    std::vector<nas::Connection> native_connections;
    native_connections.reserve(connections.size());
    for (const auto& [from, to] : connections) native_connections.push_back({from, to});
    const auto [channels, height, width] = input_shape;
    nas::Graph graph(std::move(native_nodes), std::move(native_connections), {channels, height, width});
    // Costs that overflow are an error now and not when somebody prints the architecture.
    nas::macs(graph);
    nas::params(graph);
    nas::peak_activation_bytes(graph);
    return graph;
}

// A search for the canonical form of a large graph may take a while.
std::vector<std::uint8_t> canonical_bytes(const nas::Graph& graph, const std::string& kind) {
    const nas::CanonicalKind parsed = nas::parse_canonical_kind(kind);
    nb::gil_scoped_release release;
    return nas::canonical_bytes(graph, parsed);
}

}  // namespace

void export_graph(nb::module_& module) {
    module.def(
        "operations",
        [] {
            std::vector<std::string> names;
            for (const nas::OperationTraits& operation : nas::kOperations) names.emplace_back(operation.name);
            return names;
        },
        "Names of all operations.");

    module.def(
        "check_node", [](const NodeTuple& node) { nas::check_node(to_node(node)); }, nb::arg("node"),
        "Raises ValueError if the attributes of a node are wrong.");

    nb::class_<nas::Graph>(module, "Graph", "A checked architecture; see efficient_nas.graph.Architecture.")
        .def(
            "__init__",
            [](nas::Graph* self, const std::vector<NodeTuple>& nodes,
               const std::vector<ConnectionTuple>& connections, const ShapeTuple& input_shape) {
                new (self) nas::Graph(make_graph(nodes, connections, input_shape));
            },
            nb::arg("nodes"), nb::arg("connections"), nb::arg("input_shape"))
        .def_prop_ro("macs", [](const nas::Graph& graph) { return nas::macs(graph); })
        .def_prop_ro("params", [](const nas::Graph& graph) { return nas::params(graph); })
        .def_prop_ro("peak_activation_bytes",
                     [](const nas::Graph& graph) { return nas::peak_activation_bytes(graph); })
        .def_prop_ro("depth", [](const nas::Graph& graph) { return nas::depth(graph); })
        .def(
            "canonical_bytes",
            [](const nas::Graph& graph, const std::string& kind) {
                const std::vector<std::uint8_t> bytes = canonical_bytes(graph, kind);
                return nb::bytes(bytes.data(), bytes.size());
            },
            nb::arg("kind"))
        .def(
            "canonical_hash",
            [](const nas::Graph& graph, const std::string& kind) {
                const std::vector<std::uint8_t> bytes = canonical_bytes(graph, kind);
                return nas::hash_bytes(bytes.data(), bytes.size());
            },
            nb::arg("kind"))
        .def_prop_ro("topological_order",
                     [](const nas::Graph& graph) {
                         const auto order = graph.topological_order();
                         return std::vector<std::size_t>(order.begin(), order.end());
                     })
        .def_prop_ro("execution_order",
                     [](const nas::Graph& graph) {
                         const auto order = graph.execution_order();
                         return std::vector<std::size_t>(order.begin(), order.end());
                     })
        .def_prop_ro("kept_nodes", [](const nas::Graph& graph) { return nas::kept_nodes(graph); })
        .def_prop_ro("alive",
                     [](const nas::Graph& graph) {
                         std::vector<bool> alive(graph.size());
                         for (std::size_t i = 0; i < graph.size(); ++i) alive[i] = graph.is_alive(i);
                         return alive;
                     })
        .def_prop_ro("shapes",
                     [](const nas::Graph& graph) {
                         std::vector<ShapeTuple> shapes;
                         for (std::size_t i = 0; i < graph.size(); ++i)
                             shapes.push_back(to_tuple(graph.shape(i)));
                         return shapes;
                     })
        .def_prop_ro("received_shapes", [](const nas::Graph& graph) {
            std::vector<ShapeTuple> shapes;
            for (std::size_t i = 0; i < graph.size(); ++i) shapes.push_back(to_tuple(graph.received(i)));
            return shapes;
        });
}
