#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.h"
#include "efficient_nas/space/chains.hpp"
#include "efficient_nas/space/darts.hpp"
#include "efficient_nas/space/nasbench201.hpp"

namespace nas = efficient_nas;

namespace {

using CostTuple = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // macs, params, peak_bytes

nas::NetworkCost network_cost(const CostTuple& values) {
    return {std::get<0>(values), std::get<1>(values), std::get<2>(values)};
}

template <std::size_t N>
std::array<nas::OperationCost, N> operation_costs(const char* where, const std::vector<CostTuple>& values) {
    if (values.size() != N)
        throw std::invalid_argument(std::string(where) + ": needs the costs of " + std::to_string(N) +
                                    " operations, got " + std::to_string(values.size()));
    std::array<nas::OperationCost, N> costs;
    for (std::size_t i = 0; i < N; ++i)
        costs[i] = {std::get<0>(values[i]), std::get<1>(values[i]), std::get<2>(values[i])};
    return costs;
}

// ---- NAS-Bench-201

using StageTuple = std::pair<std::int64_t, std::vector<CostTuple>>;  // tensor bytes, costs by operation

nas::nasbench201::Network nasbench201_network(const std::vector<StageTuple>& stages,
                                              std::int64_t cells_per_stage, std::int64_t input_bytes,
                                              const CostTuple& rest, std::int64_t zero_peak_bytes) {
    nas::nasbench201::Network::Stages native;
    if (stages.size() != native.size())
        throw std::invalid_argument("NASBench201Costs: needs 3 stages, got " + std::to_string(stages.size()));
    for (std::size_t s = 0; s < stages.size(); ++s)
        native[s] = {stages[s].first,
                     operation_costs<nas::nasbench201::kOperations>("NASBench201Costs", stages[s].second)};
    return {native, cells_per_stage, input_bytes, network_cost(rest), zero_peak_bytes};
}

// ---- DARTS

// reduction, held bytes, bytes of an input, bytes of a node, costs at stride 1, costs at stride 2 (inputs
// only)
using CellTuple = std::tuple<bool, std::int64_t, std::int64_t, std::int64_t, std::vector<CostTuple>,
                             std::vector<CostTuple>>;

nas::darts::Network darts_network(const std::vector<CellTuple>& cells, const CostTuple& rest) {
    constexpr std::size_t kOperations = nas::darts::kOperations;
    std::vector<nas::darts::CellCosts> costs;
    for (const auto& [reduction, held, input, node, plain, strided] : cells)
        costs.push_back({reduction,
                         held,
                         input,
                         node,
                         {operation_costs<kOperations>("DARTSCosts", plain),
                          operation_costs<kOperations>("DARTSCosts", strided)}});
    return nas::darts::Network(std::move(costs), network_cost(rest));
}

// ---- chains

using VariantTuple = std::pair<std::uint32_t, CostTuple>;
// (column, multiplier) of each gene, variants, depth column, gene values at which the layer is present
using LayerTuple = std::tuple<std::vector<std::pair<std::size_t, std::size_t>>, std::vector<VariantTuple>,
                              std::size_t, std::vector<std::size_t>>;

nas::Chain make_chain(const std::vector<std::size_t>& cardinalities, const std::vector<LayerTuple>& layers,
                      const CostTuple& rest) {
    std::vector<nas::Layer> native;
    for (const auto& [genes, variants, depth_column, depths] : layers) {
        nas::Layer layer;
        for (const auto& [column, multiplier] : genes) layer.genes.push_back({column, multiplier});
        for (const auto& [token, cost] : variants) layer.variants.push_back({token, network_cost(cost)});
        layer.depth_column = depth_column;
        for (const std::size_t depth : depths) {
            if (depth >= nas::kMaxOptions)
                throw std::invalid_argument("Chain: a depth must be below 255, got " + std::to_string(depth));
            layer.depths.set(depth);
        }
        native.push_back(std::move(layer));
    }
    return nas::Chain(cardinalities, std::move(native), network_cost(rest));
}

}  // namespace

void export_cells(nb::module_& module) {
    module.def(
        "nasbench201_form",
        [](bool shared) -> std::shared_ptr<const nas::CanonicalForm> {
            return std::make_shared<nas::nasbench201::Form>(shared);
        },
        nb::arg("shared"));
    nb::class_<nas::nasbench201::Network, nas::CostTables>(
        module, "NASBench201Costs", "Costs of NAS-Bench-201 networks on one kind of image.")
        .def(
            "__init__",
            [](nas::nasbench201::Network* self, const std::vector<StageTuple>& stages,
               std::int64_t cells_per_stage, std::int64_t input_bytes, const CostTuple& rest,
               std::int64_t zero_peak_bytes) {
                new (self) nas::nasbench201::Network(
                    nasbench201_network(stages, cells_per_stage, input_bytes, rest, zero_peak_bytes));
            },
            nb::arg("stages"), nb::arg("cells_per_stage"), nb::arg("input_bytes"), nb::arg("rest"),
            nb::arg("zero_peak_bytes"));

    module.def(
        "darts_form",
        [](bool shared) -> std::shared_ptr<const nas::CanonicalForm> {
            return std::make_shared<nas::darts::Form>(shared);
        },
        nb::arg("shared"));
    nb::class_<nas::darts::Network, nas::CostTables>(module, "DARTSCosts",
                                                     "Costs of DARTS networks on one kind of image.")
        .def(
            "__init__",
            [](nas::darts::Network* self, const std::vector<CellTuple>& cells, const CostTuple& rest) {
                new (self) nas::darts::Network(darts_network(cells, rest));
            },
            nb::arg("cells"), nb::arg("rest"));

    nb::class_<nas::Chain, nas::CostTables>(module, "Chain",
                                            "A space whose networks are chains of layers, with their costs.")
        .def(
            "__init__",
            [](nas::Chain* self, const std::vector<std::size_t>& cardinalities,
               const std::vector<LayerTuple>& layers,
               const CostTuple& rest) { new (self) nas::Chain(make_chain(cardinalities, layers, rest)); },
            nb::arg("cardinalities"), nb::arg("layers"), nb::arg("rest"))
        .def("form", [](const nas::Chain& self) -> std::shared_ptr<const nas::CanonicalForm> {
            return std::make_shared<nas::ChainForm>(self);
        });
}
