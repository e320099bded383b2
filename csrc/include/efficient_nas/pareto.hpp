// Crowding distance and the total order by which populations are compared.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "efficient_nas/nondominated_sort.hpp"

namespace efficient_nas {

namespace detail {

// |after - before| / range without overflow; equal infinities are no distance apart.
inline double relative_gap(double before, double after, double range_halved) {
    if (before == after) return 0.0;
    const double gap = after / 2 - before / 2;
    return std::isinf(gap) ? gap : gap / range_halved;
}

}  // namespace detail

// Crowding distance (Deb et al. 2002, section III-B) of every row of values [n, m], taken as one front.
//
// The extremes of every objective are infinitely far from others. Departures, which make the result
// independent of the order of the rows: among equal values of one objective, lexicographic order of the rows
// decides who is whose neighbour; of equal rows the first counts and the others get 0; an objective in which
// all rows are equal adds nothing. One or two distinct rows are extremes. Infinite values are left out of an
// objective's range. Rows with a NaN get 0.
inline std::vector<double> crowding_distance(const double* values, std::size_t n, std::size_t m) {
    std::vector<double> distance(n, 0.0);
    const detail::OrderedPoints points = detail::order_points(values, n, m);
    constexpr double kInfinity = std::numeric_limits<double>::infinity();

    std::vector<std::uint32_t> first_row(points.count);
    for (std::size_t i = points.rows.size(); i-- > 0;) first_row[points.point_of[i]] = points.rows[i];
    if (points.count <= 2) {
        for (const std::uint32_t row : first_row) distance[row] = kInfinity;
        return distance;
    }
    std::vector<std::uint32_t> order(points.count);
    for (std::size_t objective = 0; objective < m; ++objective) {
        std::iota(order.begin(), order.end(), 0u);
        stable_sort_by_key(points.coordinates[objective], order);
        const auto value = [&](std::size_t i) { return values[first_row[order[i]] * m + objective]; };
        const std::size_t last = points.count - 1;
        if (value(0) == value(last)) continue;
        distance[first_row[order[0]]] = distance[first_row[order[last]]] = kInfinity;
        std::size_t low = 0, high = last;  // the finite values
        while (low < last && std::isinf(value(low))) ++low;
        while (high > low && std::isinf(value(high))) --high;
        const double range_halved = value(high) / 2 - value(low) / 2;
        for (std::size_t i = 1; i < last; ++i)
            distance[first_row[order[i]]] += detail::relative_gap(value(i - 1), value(i + 1), range_halved);
    }
    return distance;
}

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
    Ranking ranking{std::vector<std::int32_t>(n, 0), std::vector<double>(n, 0.0), {}};
    std::vector<std::uint32_t> valid;
    std::vector<std::uint64_t> keys(n);
    valid.reserve(n);
    const auto fails = [&](std::size_t i) {
        return (failed != nullptr && failed[i]) || has_nan(values + i * m, m);
    };
    for (std::size_t i = 0; i < n; ++i) {
        if (fails(i)) continue;
        keys[i] = ordered_bits(violations != nullptr ? violations[i] : 0.0);
        valid.push_back(static_cast<std::uint32_t>(i));
    }
    stable_sort_by_key(keys, valid);

    std::int32_t front = 0;  // the next free number
    std::vector<double> members;
    const auto gather = [&](const auto& rows) {
        members.clear();
        for (const std::uint32_t row : rows)
            members.insert(members.end(), values + row * m, values + (row + 1) * m);
    };
    for (std::size_t begin = 0, end = 0; begin < valid.size(); begin = end) {
        while (end < valid.size() && keys[valid[end]] == keys[valid[begin]]) ++end;
        const std::span<const std::uint32_t> group(valid.data() + begin, end - begin);
        gather(group);
        const std::vector<std::int32_t> fronts = nondominated_sort(members.data(), group.size(), m);
        std::vector<std::vector<std::uint32_t>> rows_of_front;
        for (std::size_t i = 0; i < group.size(); ++i) {
            const auto number = static_cast<std::size_t>(fronts[i]);
            if (number >= rows_of_front.size()) rows_of_front.resize(number + 1);
            rows_of_front[number].push_back(group[i]);
            ranking.fronts[group[i]] = front + fronts[i];
        }
        for (const auto& rows : rows_of_front) {
            gather(rows);
            const std::vector<double> distances = crowding_distance(members.data(), rows.size(), m);
            for (std::size_t i = 0; i < rows.size(); ++i) ranking.crowding[rows[i]] = distances[i];
        }
        front += static_cast<std::int32_t>(rows_of_front.size());
    }
    for (std::size_t i = 0; i < n; ++i)
        if (fails(i)) ranking.fronts[i] = front;

    ranking.order.resize(n);
    std::iota(ranking.order.begin(), ranking.order.end(), 0u);
    for (std::size_t i = 0; i < n; ++i) keys[i] = ~ordered_bits(ranking.crowding[i]);
    stable_sort_by_key(keys, ranking.order);
    stable_sort_by_key(ranking.fronts, ranking.order);
    return ranking;
}

}  // namespace efficient_nas
