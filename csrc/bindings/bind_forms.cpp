#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/space/canonical_form.hpp"
#include "efficient_nas/space/cell_costs.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

using Rows = InputArray<std::uint8_t, 2>;
using CostArrays =
    std::tuple<OutputArray<std::int64_t>, OutputArray<std::int64_t>, OutputArray<std::int64_t>>;

// `genotypes` as rows that `reader`, a CanonicalForm or CostTables, can take.
template <typename Reader>
Rows accepted_rows(const char* where, nb::handle genotypes, const Reader& reader) {
    Rows rows = genotype_batch((std::string(where) + ": genotypes").c_str(), genotypes, reader.num_choices());
    for (std::size_t i = 0; i < rows.shape(0); ++i)
        if (!reader.accepts(rows.data() + i * rows.shape(1)))
            throw std::invalid_argument(std::string(where) + ": row " + std::to_string(i) +
                                        " of genotypes is not valid");
    return rows;
}

nb::list canonical_bytes(const nas::CanonicalForm& form, nb::handle genotypes) {
    const Rows rows = accepted_rows("canonical_bytes", genotypes, form);
    nb::list result;
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < rows.shape(0); ++i) {
        bytes.clear();
        form.append(rows.data() + i * rows.shape(1), bytes);
        result.append(nb::bytes(bytes.data(), bytes.size()));
    }
    return result;
}

OutputArray<std::uint64_t> canonical_hash(const nas::CanonicalForm& form, nb::handle genotypes) {
    const Rows rows = accepted_rows("canonical_hash", genotypes, form);
    auto out = empty_array<std::uint64_t>({rows.shape(0)});
    std::uint64_t* hashes = out.data();
    nb::gil_scoped_release released;
    std::vector<std::uint8_t> scratch;
    for (std::size_t i = 0; i < rows.shape(0); ++i)
        hashes[i] = form.hash(rows.data() + i * rows.shape(1), scratch);
    return out;
}

CostArrays costs(const nas::CostTables& tables, nb::handle genotypes) {
    const Rows rows = accepted_rows("costs", genotypes, tables);
    const std::size_t n = rows.shape(0), columns = rows.shape(1);
    auto macs = empty_array<std::int64_t>({n}), params = empty_array<std::int64_t>({n}),
         peaks = empty_array<std::int64_t>({n});
    std::int64_t *macs_data = macs.data(), *params_data = params.data(), *peaks_data = peaks.data();
    {
        nb::gil_scoped_release released;
        for (std::size_t i = 0; i < n; ++i) {
            const nas::NetworkCost cost = tables.cost(rows.data() + i * columns);
            macs_data[i] = cost.macs;
            params_data[i] = cost.params;
            peaks_data[i] = cost.peak_bytes;
        }
    }
    return {std::move(macs), std::move(params), std::move(peaks)};
}

}  // namespace

void export_forms(nb::module_& module) {
    nb::class_<nas::CanonicalForm>(module, "CanonicalForm", "What counts as the same architecture.")
        .def("canonical_bytes", &canonical_bytes, nb::arg("genotypes").none(),
             "For each row bytes that are equal exactly for equal architectures.")
        .def("canonical_hash", &canonical_hash, nb::arg("genotypes").none(), "64 bits of each row's bytes.");
    module.def(
        "genotype_form",
        [](std::size_t num_choices) -> std::shared_ptr<const nas::CanonicalForm> {
            return std::make_shared<nas::GenotypeForm>(num_choices);
        },
        nb::arg("num_choices"), "Every genotype is an architecture of its own.");

    nb::class_<nas::CostTables>(module, "CostTables", "Costs of a space's networks on one kind of image.")
        .def("costs", &costs, nb::arg("genotypes").none(),
             "macs, params and peak_activation_bytes of each row, each int64 [n].");
}
