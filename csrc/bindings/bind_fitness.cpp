#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/evolution/fitness.hpp"
#include "efficient_nas/space/space_variation.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

using Metric = nas::CostFitness::Metric;

Metric parse_metric(const std::string& name) {
    if (name == "macs") return Metric::kMacs;
    if (name == "params") return Metric::kParams;
    if (name == "peak_activation_bytes") return Metric::kPeakActivationBytes;
    throw std::invalid_argument("CostFitness: unknown metric '" + name +
                                "'; metrics: macs, params, peak_activation_bytes");
}

OutputArray<double> evaluate(const nas::Fitness& fitness, const nas::SpaceSpec& space, nb::handle genotypes) {
    const auto rows = genotype_batch("evaluate: genotypes", genotypes, fitness.num_choices());
    fitness.check(space);
    std::vector<std::uint8_t> activity(space.num_choices());
    for (std::size_t i = 0; i < rows.shape(0); ++i)
        nas::require_valid(space, "evaluate: genotypes", rows.data() + i * rows.shape(1), i, activity.data());
    auto out = empty_array<double>({rows.shape(0), fitness.num_objectives()});
    double* values = out.data();
    nb::gil_scoped_release release;
    fitness.evaluate(rows.data(), rows.shape(0), values);
    return out;
}

}  // namespace

void export_fitness(nb::module_& module) {
    nb::class_<nas::Fitness>(module, "Fitness", "Objectives that are evaluated without leaving native code.")
        .def_prop_ro("num_objectives", &nas::Fitness::num_objectives)
        .def("check", &nas::Fitness::check, nb::arg("space"))
        .def("evaluate", &evaluate, nb::arg("space"), nb::arg("genotypes").none(),
             "Values of each row, float64 [n, m].");
    nb::class_<nas::AdditiveFitness, nas::Fitness>(module, "AdditiveFitness")
        .def(
            "__init__",
            [](nas::AdditiveFitness* self, const InputArray<double, 3>& amounts) {
                new (self) nas::AdditiveFitness(
                    amounts.shape(0), amounts.shape(1), amounts.shape(2),
                    std::vector<double>(amounts.data(), amounts.data() + amounts.size()));
            },
            nb::arg("amounts").noconvert());
    nb::class_<nas::TableFitness, nas::Fitness>(module, "TableFitness")
        .def(
            "__init__",
            [](nas::TableFitness* self, std::vector<std::size_t> cardinalities,
               const InputArray<double, 2>& values) {
                new (self)
                    nas::TableFitness(std::move(cardinalities), values.shape(1),
                                      std::vector<double>(values.data(), values.data() + values.size()));
            },
            nb::arg("cardinalities"), nb::arg("values").noconvert());
    nb::class_<nas::CostFitness, nas::Fitness>(module, "CostFitness")
        .def(
            "__init__",
            [](nas::CostFitness* self, std::shared_ptr<const nas::CostTables> tables,
               const std::vector<std::string>& metrics) {
                std::vector<Metric> parsed;
                for (const std::string& metric : metrics) parsed.push_back(parse_metric(metric));
                new (self) nas::CostFitness(std::move(tables), std::move(parsed));
            },
            nb::arg("tables"), nb::arg("metrics"));
    nb::class_<nas::JoinedFitness, nas::Fitness>(module, "JoinedFitness")
        .def(nb::init<std::vector<std::shared_ptr<const nas::Fitness>>>(), nb::arg("parts"));
}
