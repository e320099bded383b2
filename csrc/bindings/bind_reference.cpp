#include <cmath>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/pareto/reference_directions.hpp"
#include "efficient_nas/pareto/reference_niching.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

OutputArray<double> reference_directions(nb::handle objectives, nb::handle partitions,
                                         nb::handle inner_partitions) {
    const std::size_t m = count_argument("reference_directions: objectives", objectives, 1);
    const std::size_t outer = count_argument("reference_directions: partitions", partitions, 1);
    const std::size_t inner = count_argument("reference_directions: inner_partitions", inner_partitions, 0);
    std::vector<double> directions;
    {
        nb::gil_scoped_release release;
        directions = nas::reference_directions(m, outer, inner);
    }
    const std::size_t count = directions.size() / m;
    return make_array(std::move(directions), {count, m});
}

// NSGA-III's survivors with what it keeps from one generation to the next.
class ReferenceSelection {
  public:
    explicit ReferenceSelection(const InputArray<double, 2>& directions)
        : m_(directions.shape(1)),
          directions_(directions.data(), directions.data() + directions.size()),
          scale_(m_) {
        nas::check_directions("ReferenceSelection", directions_, m_);
    }

    OutputArray<std::int64_t> select(const InputArray<double, 2>& values, nb::handle count, nb::handle seed) {
        if (values.shape(1) != m_)
            throw std::invalid_argument("ReferenceSelection: values must have shape [n, " +
                                        std::to_string(m_) + "] as directions have, got [" +
                                        std::to_string(values.shape(0)) + ", " +
                                        std::to_string(values.shape(1)) + "]");
        const std::size_t most = count_argument("ReferenceSelection: count", count, 0);
        nas::RandomStream draws(seed_argument("ReferenceSelection", seed), 0);
        std::vector<std::uint32_t> survivors;
        nas::ReferenceScale scale = scale_;  // its own, for as long as other threads may run
        {
            nb::gil_scoped_release release;
            survivors = nas::select_by_reference(values.data(), values.shape(0), m_, directions_.data(),
                                                 directions_.size() / m_, most, scale, draws);
        }
        scale_ = std::move(scale);
        return make_array(std::vector<std::int64_t>(survivors.begin(), survivors.end()), {survivors.size()});
    }

  private:
    std::size_t m_;
    std::vector<double> directions_;
    nas::ReferenceScale scale_;
};

}  // namespace

void export_reference(nb::module_& module) {
    module.def("reference_directions", &reference_directions, nb::arg("objectives").none(),
               nb::arg("partitions").none(), nb::arg("inner_partitions").none(),
               "Das-Dennis directions float64 [count, objectives].");
    nb::class_<ReferenceSelection>(module, "ReferenceSelection",
                                   "See efficient_nas.evolution.ReferenceSelection.")
        .def(nb::init<const InputArray<double, 2>&>(), nb::arg("directions").noconvert())
        .def("select", &ReferenceSelection::select, nb::arg("values").noconvert(), nb::arg("count").none(),
             nb::arg("seed").none());
}
