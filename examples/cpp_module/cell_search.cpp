// A Python module without Torch: hypervolume of numpy values and canonical forms of NAS-Bench-201 cells.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "efficient_nas/key_set.hpp"
#include "efficient_nas/pareto/hypervolume.hpp"
#include "efficient_nas/space/nasbench201.hpp"

namespace py = pybind11;
namespace nas = efficient_nas;

namespace {

using Values = py::array_t<double, py::array::c_style>;
using Genotypes = py::array_t<std::uint8_t, py::array::c_style>;

// values float64 [n, m] and reference [m], minimised.
double hypervolume(const Values& values, const Values& reference) {
    if (values.ndim() != 2 || reference.ndim() != 1 || values.shape(1) != reference.shape(0) ||
        values.shape(1) == 0)
        throw std::invalid_argument("hypervolume: values must be [n, m] and reference [m]");
    for (py::ssize_t k = 0; k < reference.shape(0); ++k)
        if (!std::isfinite(reference.at(k)))
            throw std::invalid_argument("hypervolume: reference must be finite");
    const auto n = static_cast<std::size_t>(values.shape(0)), m = static_cast<std::size_t>(values.shape(1));
    const py::gil_scoped_release release;
    return nas::hypervolume(values.data(), n, m, reference.data());
}

// How many different networks the cells uint8 [n, 6] stand for.
std::size_t count_distinct(const Genotypes& genotypes) {
    constexpr auto kEdges = static_cast<py::ssize_t>(nas::nasbench201::kEdges);
    if (genotypes.ndim() != 2 || genotypes.shape(1) != kEdges)
        throw std::invalid_argument("count_distinct: genotypes must be uint8 [n, 6]");
    for (py::ssize_t i = 0; i < genotypes.size(); ++i)
        if (genotypes.data()[i] >= nas::nasbench201::kOperations)
            throw std::invalid_argument("count_distinct: an operation must be between 0 and 4, got " +
                                        std::to_string(genotypes.data()[i]));
    const py::gil_scoped_release release;
    const nas::nasbench201::CanonicalTable& table = nas::nasbench201::canonical_table(false);
    nas::KeySet seen;
    for (py::ssize_t i = 0; i < genotypes.shape(0); ++i)
        seen.insert(table.bytes(nas::nasbench201::cell_index(genotypes.data() + i * kEdges)));
    return seen.size();
}

}  // namespace

PYBIND11_MODULE(cell_search, module) {
    module.def("hypervolume", &hypervolume, py::arg("values").noconvert(), py::arg("reference").noconvert());
    module.def("count_distinct", &count_distinct, py::arg("genotypes").noconvert());
}
