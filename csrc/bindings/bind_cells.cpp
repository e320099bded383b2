#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/chains.hpp"
#include "efficient_nas/darts.hpp"
#include "efficient_nas/nasbench201.hpp"
#include "efficient_nas/rng.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

using Rows = InputArray<std::uint8_t, 2>;
using CostArrays =
    std::tuple<OutputArray<std::int64_t>, OutputArray<std::int64_t>, OutputArray<std::int64_t>>;
using CostTuple = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // macs, params, peak_bytes

template <typename Valid>
Rows checked_rows(const char* where, nb::handle genotypes, std::size_t columns, const Valid& valid) {
    Rows rows = genotype_batch((std::string(where) + ": genotypes").c_str(), genotypes, columns);
    for (std::size_t i = 0; i < rows.shape(0); ++i)
        if (!valid(rows.data() + i * columns))
            throw std::invalid_argument(std::string(where) + ": row " + std::to_string(i) +
                                        " of genotypes is not valid");
    return rows;
}

// append(row, bytes) appends the canonical bytes of one row.
template <typename Append>
nb::list bytes_of_rows(const Rows& rows, const Append& append) {
    nb::list result;
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < rows.shape(0); ++i) {
        bytes.clear();
        append(rows.data() + i * rows.shape(1), bytes);
        result.append(nb::bytes(bytes.data(), bytes.size()));
    }
    return result;
}

template <typename Append>
OutputArray<std::uint64_t> hashes_of_rows(const Rows& rows, const Append& append) {
    auto out = empty_array<std::uint64_t>({rows.shape(0)});
    std::uint64_t* hashes = out.data();
    nb::gil_scoped_release released;
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < rows.shape(0); ++i) {
        bytes.clear();
        append(rows.data() + i * rows.shape(1), bytes);
        hashes[i] = nas::hash_bytes(bytes.data(), bytes.size());
    }
    return out;
}

template <typename Network>
CostArrays costs_of_rows(const Network& network, const Rows& rows) {
    const std::size_t n = rows.shape(0), columns = rows.shape(1);
    auto macs = empty_array<std::int64_t>({n}), params = empty_array<std::int64_t>({n}),
         peaks = empty_array<std::int64_t>({n});
    std::int64_t *macs_data = macs.data(), *params_data = params.data(), *peaks_data = peaks.data();
    {
        nb::gil_scoped_release released;
        for (std::size_t i = 0; i < n; ++i) {
            const nas::NetworkCost cost = network.cost(rows.data() + i * columns);
            macs_data[i] = cost.macs;
            params_data[i] = cost.params;
            peaks_data[i] = cost.peak_bytes;
        }
    }
    return {std::move(macs), std::move(params), std::move(peaks)};
}

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

Rows nasbench201_rows(const char* where, nb::handle genotypes) {
    return checked_rows(where, genotypes, nas::nasbench201::kEdges, [](const std::uint8_t* row) {
        bool valid = true;
        for (std::size_t e = 0; e < nas::nasbench201::kEdges; ++e)
            valid &= row[e] < nas::nasbench201::kOperations;
        return valid;
    });
}

nb::list nasbench201_canonical_bytes(nb::handle genotypes, bool shared) {
    const auto& table = nas::nasbench201::canonical_table(shared);
    const Rows rows = nasbench201_rows("canonical_bytes", genotypes);
    return bytes_of_rows(rows, [&](const std::uint8_t* row, std::vector<std::uint8_t>& bytes) {
        const auto found = table.bytes(nas::nasbench201::cell_index(row));
        bytes.assign(found.begin(), found.end());
    });
}

OutputArray<std::uint64_t> nasbench201_canonical_hash(nb::handle genotypes, bool shared) {
    const auto& table = nas::nasbench201::canonical_table(shared);
    const Rows rows = nasbench201_rows("canonical_hash", genotypes);
    auto out = empty_array<std::uint64_t>({rows.shape(0)});
    for (std::size_t i = 0; i < rows.shape(0); ++i)
        out.data()[i] = table.hash(nas::nasbench201::cell_index(rows.data() + i * rows.shape(1)));
    return out;
}

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

Rows darts_rows(const char* where, nb::handle genotypes) {
    return checked_rows(where, genotypes, nas::darts::kGenes, nas::darts::is_valid);
}

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

Rows chain_rows(const nas::Chain& chain, const char* where, nb::handle genotypes) {
    return checked_rows(where, genotypes, chain.num_choices(),
                        [&](const std::uint8_t* row) { return chain.in_range(row); });
}

}  // namespace

void export_cells(nb::module_& module) {
    module.def("nasbench201_canonical_bytes", &nasbench201_canonical_bytes, nb::arg("genotypes"),
               nb::arg("shared"));
    module.def("nasbench201_canonical_hash", &nasbench201_canonical_hash, nb::arg("genotypes"),
               nb::arg("shared"));
    nb::class_<nas::nasbench201::Network>(module, "NASBench201Costs",
                                          "Costs of NAS-Bench-201 networks on one kind of image.")
        .def(
            "__init__",
            [](nas::nasbench201::Network* self, const std::vector<StageTuple>& stages,
               std::int64_t cells_per_stage, std::int64_t input_bytes, const CostTuple& rest,
               std::int64_t zero_peak_bytes) {
                new (self) nas::nasbench201::Network(
                    nasbench201_network(stages, cells_per_stage, input_bytes, rest, zero_peak_bytes));
            },
            nb::arg("stages"), nb::arg("cells_per_stage"), nb::arg("input_bytes"), nb::arg("rest"),
            nb::arg("zero_peak_bytes"))
        .def(
            "costs",
            [](const nas::nasbench201::Network& self, nb::handle genotypes) {
                return costs_of_rows(self, nasbench201_rows("costs", genotypes));
            },
            nb::arg("genotypes"), "macs, params and peak_activation_bytes of each row, each int64 [n].");

    module.def(
        "darts_canonical_bytes",
        [](nb::handle genotypes, bool shared) {
            return bytes_of_rows(darts_rows("canonical_bytes", genotypes),
                                 [shared](const std::uint8_t* row, std::vector<std::uint8_t>& bytes) {
                                     nas::darts::append_canonical(row, shared, bytes);
                                 });
        },
        nb::arg("genotypes"), nb::arg("shared"));
    module.def(
        "darts_canonical_hash",
        [](nb::handle genotypes, bool shared) {
            return hashes_of_rows(darts_rows("canonical_hash", genotypes),
                                  [shared](const std::uint8_t* row, std::vector<std::uint8_t>& bytes) {
                                      nas::darts::append_canonical(row, shared, bytes);
                                  });
        },
        nb::arg("genotypes"), nb::arg("shared"));
    nb::class_<nas::darts::Network>(module, "DARTSCosts", "Costs of DARTS networks on one kind of image.")
        .def(
            "__init__",
            [](nas::darts::Network* self, const std::vector<CellTuple>& cells, const CostTuple& rest) {
                new (self) nas::darts::Network(darts_network(cells, rest));
            },
            nb::arg("cells"), nb::arg("rest"))
        .def(
            "costs",
            [](const nas::darts::Network& self, nb::handle genotypes) {
                return costs_of_rows(self, darts_rows("costs", genotypes));
            },
            nb::arg("genotypes"), "macs, params and peak_activation_bytes of each row, each int64 [n].");

    nb::class_<nas::Chain>(module, "Chain", "A space whose networks are chains of layers, with their costs.")
        .def(
            "__init__",
            [](nas::Chain* self, const std::vector<std::size_t>& cardinalities,
               const std::vector<LayerTuple>& layers,
               const CostTuple& rest) { new (self) nas::Chain(make_chain(cardinalities, layers, rest)); },
            nb::arg("cardinalities"), nb::arg("layers"), nb::arg("rest"))
        .def(
            "costs",
            [](const nas::Chain& self, nb::handle genotypes) {
                return costs_of_rows(self, chain_rows(self, "costs", genotypes));
            },
            nb::arg("genotypes"), "macs, params and peak_activation_bytes of each row, each int64 [n].")
        .def(
            "canonical_bytes",
            [](const nas::Chain& self, nb::handle genotypes) {
                return bytes_of_rows(chain_rows(self, "canonical_bytes", genotypes),
                                     [&](const std::uint8_t* row, std::vector<std::uint8_t>& bytes) {
                                         self.append_canonical(row, bytes);
                                     });
            },
            nb::arg("genotypes"))
        .def(
            "canonical_hash",
            [](const nas::Chain& self, nb::handle genotypes) {
                return hashes_of_rows(chain_rows(self, "canonical_hash", genotypes),
                                      [&](const std::uint8_t* row, std::vector<std::uint8_t>& bytes) {
                                          self.append_canonical(row, bytes);
                                      });
            },
            nb::arg("genotypes"));
}
