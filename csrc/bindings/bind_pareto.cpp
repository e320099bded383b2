#include <algorithm>
#include <cmath>
#include <limits>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/pareto/hypervolume.hpp"
#include "efficient_nas/pareto/nondominated_rows.hpp"
#include "efficient_nas/pareto/pareto.hpp"

namespace nas = efficient_nas;

namespace {

using Values = InputArray<double, 2>;

void check_values(const char* where, const Values& values) {
    if (values.shape(1) == 0)
        throw std::invalid_argument(std::string(where) +
                                    ": values must have shape [n, m] with m >= 1, got [" +
                                    std::to_string(values.shape(0)) + ", 0]");
    if (values.shape(0) > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
        throw std::invalid_argument(std::string(where) + ": values may have at most 2^31 - 1 rows, got " +
                                    std::to_string(values.shape(0)));
}

void check_length(const char* where, const char* name, std::size_t seen, std::size_t expected,
                  const char* of) {
    if (seen != expected)
        throw std::invalid_argument(std::string(where) + ": " + name + " must have shape [" +
                                    std::to_string(expected) + "], one for each " + of + " of values, got [" +
                                    std::to_string(seen) + "]");
}

OutputArray<std::int32_t> nondominated_sort(const Values& values) {
    check_values("nondominated_sort", values);
    std::vector<std::int32_t> fronts;
    {
        nb::gil_scoped_release release;
        fronts = nas::nondominated_sort(values.data(), values.shape(0), values.shape(1));
    }
    return make_array(std::move(fronts), {values.shape(0)});
}

OutputArray<bool> is_nondominated(const Values& values) {
    check_values("is_nondominated", values);
    const std::size_t n = values.shape(0), m = values.shape(1);
    auto flags = empty_array<bool>({n});
    {
        nb::gil_scoped_release release;
        std::fill_n(flags.data(), n, false);
        for (const std::uint32_t row : nas::nondominated_rows(values.data(), n, m)) flags.data()[row] = true;
    }
    return flags;
}

OutputArray<double> crowding_distance(const Values& values) {
    check_values("crowding_distance", values);
    std::vector<double> distances;
    {
        nb::gil_scoped_release release;
        distances = nas::crowding_distance(values.data(), values.shape(0), values.shape(1));
    }
    return make_array(std::move(distances), {values.shape(0)});
}

double hypervolume(const Values& values, const InputArray<double, 1>& reference) {
    check_values("hypervolume", values);
    check_length("hypervolume", "reference", reference.shape(0), values.shape(1), "column");
    for (std::size_t k = 0; k < reference.shape(0); ++k)
        if (!std::isfinite(reference.data()[k]))
            throw std::invalid_argument("hypervolume: reference must be finite, got " +
                                        std::to_string(reference.data()[k]) + " at position " +
                                        std::to_string(k));
    nb::gil_scoped_release release;
    return nas::hypervolume(values.data(), values.shape(0), values.shape(1), reference.data());
}

OutputArray<std::int64_t> rank(const Values& values, const InputArray<double, 1>& violation,
                               const InputArray<bool, 1>& failed) {
    const std::size_t n = values.shape(0);
    check_values("rank", values);
    check_length("rank", "violation", violation.shape(0), n, "row");
    check_length("rank", "failed", failed.shape(0), n, "row");
    for (std::size_t i = 0; i < n; ++i)
        if (!failed.data()[i] && !(violation.data()[i] >= 0))
            throw std::invalid_argument("rank: violation must be at least 0, got " +
                                        std::to_string(violation.data()[i]) + " in row " + std::to_string(i));
    std::vector<std::int64_t> positions(n);
    {
        nb::gil_scoped_release release;
        const nas::Ranking ranking =
            nas::rank_population(values.data(), n, values.shape(1), violation.data(), failed.data());
        for (std::size_t i = 0; i < n; ++i) positions[ranking.order[i]] = static_cast<std::int64_t>(i);
    }
    return make_array(std::move(positions), {n});
}

}  // namespace

void export_pareto(nb::module_& module) {
    module.def("nondominated_sort", &nondominated_sort, nb::arg("values").noconvert(),
               "Fronts int32 [n] of values float64 [n, m], minimised.");
    module.def("is_nondominated", &is_nondominated, nb::arg("values").noconvert(),
               "Whether no other row dominates the row: bool [n] of values float64 [n, m], minimised.");
    module.def("crowding_distance", &crowding_distance, nb::arg("values").noconvert(),
               "Crowding distances float64 [n] within values [n, m], taken as one front.");
    module.def("hypervolume", &hypervolume, nb::arg("values").noconvert(), nb::arg("reference").noconvert(),
               "Volume dominated by values [n, m] and bounded by reference [m], minimised.");
    module.def("pareto_rank", &rank, nb::arg("values").noconvert(), nb::arg("violation").noconvert(),
               nb::arg("failed").noconvert(), "Positions int64 [n] in the order best to worst.");
}
