// The total order by which populations are compared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "efficient_nas/pareto/crowding.hpp"
#include "efficient_nas/pareto/nondominated_sort.hpp"

namespace efficient_nas {

// The standing of every member of a population.
struct Ranking {
    std::vector<std::int32_t> fronts;  // constrained fronts, 0 is best
    std::vector<double> crowding;      // distance within the front
    std::vector<std::uint32_t> order;  // members from best to worst
};

// Ranks values [n, m] by constrained domination (Deb et al. 2002, section VI): feasible members (violation 0)
// come before infeasible ones, less violation first, failed ones last; members of equal violation are
// compared by front and then by crowding distance, larger first; then by index. A row with a NaN counts as
// failed. violations [n], failed [n]: null if none is violated or failed.
inline Ranking rank_population(const double* values, std::size_t n, std::size_t m,
                               const double* violations = nullptr, const bool* failed = nullptr) {
    Ranking ranking{std::vector<std::int32_t>(n, -1), std::vector<double>(n, 0.0), {}};
    std::vector<std::uint32_t> valid;
    std::vector<std::uint64_t> keys(n);
    valid.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
        if ((failed != nullptr && failed[i]) || has_nan(values + i * m, m)) continue;
        keys[i] = ordered_bits(violations != nullptr ? violations[i] : 0.0);
        valid.push_back(static_cast<std::uint32_t>(i));
    }
    stable_sort_by_key(keys, valid);

    std::int32_t next = 0;  // the first front of the group
    std::vector<double> members;
    for (std::size_t begin = 0, end = 0; begin < valid.size(); begin = end) {
        while (end < valid.size() && keys[valid[end]] == keys[valid[begin]]) ++end;
        const std::span<const std::uint32_t> group(valid.data() + begin, end - begin);  // of equal violation
        members.clear();
        for (const std::uint32_t i : group)
            members.insert(members.end(), values + i * m, values + (i + 1) * m);
        const detail::OrderedPoints points = detail::order_points(members.data(), group.size(), m);
        const std::vector<std::int32_t> fronts = detail::fronts_of_points(points);
        const std::vector<double> distances = detail::crowding_of_points(points, members.data(), fronts);
        for (std::size_t i = 0; i < group.size(); ++i)
            ranking.fronts[group[points.rows[i]]] = next + fronts[points.point_of[i]];
        for (std::size_t point = 0; point < points.count; ++point)
            ranking.crowding[group[points.first_row[point]]] = distances[point];
        next += *std::max_element(fronts.begin(), fronts.end()) + 1;
    }
    std::replace(ranking.fronts.begin(), ranking.fronts.end(), -1, next);

    ranking.order.resize(n);
    std::iota(ranking.order.begin(), ranking.order.end(), 0u);
    for (std::size_t i = 0; i < n; ++i) keys[i] = ~ordered_bits(ranking.crowding[i]);
    stable_sort_by_key(keys, ranking.order);
    stable_sort_by_key(ranking.fronts, ranking.order);
    return ranking;
}

}  // namespace efficient_nas
