// Reference directions of many-objective search: points spread evenly over the unit simplex.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace efficient_nas {

inline constexpr std::size_t kMostDirections = 10'000'000;

namespace detail {

// Number of points of `simplex_grid`, C(partitions + m - 1, m - 1), or kMostDirections + 1 if it is larger.
inline std::size_t simplex_grid_size(std::size_t m, std::size_t partitions) {
    const std::size_t smaller = std::min(m - 1, partitions), sum = partitions + m - 1;
    std::size_t count = 1;
    for (std::size_t i = 1; i <= smaller; ++i) {
        count = count * (sum - smaller + i) / i;  // C(sum - smaller + i, i), which grows with i
        if (count > kMostDirections) return kMostDirections + 1;
    }
    return count;
}

// Calls visit(steps) with all vectors of m whole numbers whose sum is `partitions`, in lexicographic order.
template <typename Visit>
void for_each_composition(std::size_t m, std::size_t partitions, const Visit& visit) {
    std::vector<std::size_t> steps(m, 0);
    steps[m - 1] = partitions;
    while (true) {
        visit(steps);
        if (steps[0] == partitions) return;
        std::size_t k =
            m - 1;  // the last one that is not 0 gives one to its neighbour and the rest goes back
        while (steps[k] == 0) --k;
        const std::size_t rest = steps[k] - 1;
        steps[k] = 0;
        ++steps[k - 1];
        steps[m - 1] = rest;
    }
}

}  // namespace detail

// Directions [count, m], each with a sum of 1, in lexicographic order: the grid of Das and Dennis 1998 with
// `partitions` steps along each edge, then, unless inner_partitions is 0, such a grid shrunk to half its size
// around the simplex's centre (the two layers of Deb and Jain 2014, section IV-D, for which many objectives
// need fewer points). An inner point that coincides with an outer one is left out.
inline std::vector<double> reference_directions(std::size_t m, std::size_t partitions,
                                                std::size_t inner_partitions) {
    const auto refuse = [](const char* name, std::size_t least, std::size_t seen) {
        throw std::invalid_argument("reference_directions: " + std::string(name) + " must be between " +
                                    std::to_string(least) + " and " + std::to_string(kMostDirections) +
                                    ", got " + std::to_string(seen));
    };
    if (m == 0 || m > kMostDirections) refuse("objectives", 1, m);
    if (partitions == 0 || partitions > kMostDirections) refuse("partitions", 1, partitions);
    if (inner_partitions > kMostDirections) refuse("inner_partitions", 0, inner_partitions);
    const std::size_t count = detail::simplex_grid_size(m, partitions) +
                              (inner_partitions > 0 ? detail::simplex_grid_size(m, inner_partitions) : 0);
    if (count > kMostDirections || count * m > 8 * kMostDirections)
        throw std::invalid_argument("reference_directions: " + std::to_string(partitions) + " and " +
                                    std::to_string(inner_partitions) + " partitions of " + std::to_string(m) +
                                    " objectives are more than " + std::to_string(kMostDirections) +
                                    " directions or " + std::to_string(8 * kMostDirections) + " numbers");
    std::vector<double> directions;
    directions.reserve(count * m);
    detail::for_each_composition(m, partitions, [&](const std::vector<std::size_t>& steps) {
        for (const std::size_t step : steps)
            directions.push_back(static_cast<double>(step) / static_cast<double>(partitions));
    });
    if (inner_partitions == 0) return directions;
    const std::size_t denominator = 2 * m * inner_partitions;
    detail::for_each_composition(m, inner_partitions, [&](const std::vector<std::size_t>& steps) {
        // (step / inner_partitions + 1 / m) / 2 as a fraction
        const auto numerator = [&](std::size_t step) { return m * step + inner_partitions; };
        const bool outer = std::all_of(steps.begin(), steps.end(), [&](std::size_t step) {
            return partitions * numerator(step) % denominator == 0;
        });
        if (outer) return;
        for (const std::size_t step : steps)
            directions.push_back(static_cast<double>(numerator(step)) / static_cast<double>(denominator));
    });
    return directions;
}

}  // namespace efficient_nas
