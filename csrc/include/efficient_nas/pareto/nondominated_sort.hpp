// Fronts of a set of points under Pareto dominance, all objectives minimised.
//
// A point's front is 0 if nothing dominates it, else one more than the highest front among its dominators
// (equal to peeling off the non-dominated points again and again). Equal points share a front.
// One objective: a sort. Two: the sweep of Jensen 2003, O(n log n). Three: staircases. More: divide and
// conquer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "efficient_nas/pareto/front_assignment.hpp"
#include "efficient_nas/pareto/front_staircases.hpp"
#include "efficient_nas/radix_sort.hpp"

namespace efficient_nas {

inline bool has_nan(const double* row, std::size_t m) {
    return std::any_of(row, row + m, [](double value) { return std::isnan(value); });
}

namespace detail {

// Distinct points in lexicographic order, each coordinate replaced by its rank among the values seen.
// Rows with a NaN are left out.
struct OrderedPoints {
    std::size_t count = 0;
    Coordinates coordinates;               // [m][count]
    std::vector<std::uint32_t> rows;       // the rows that take part, in lexicographic order
    std::vector<std::uint32_t> point_of;   // for rows[i], its point
    std::vector<std::uint32_t> first_row;  // of each point
};

inline OrderedPoints order_points(const double* values, std::size_t n, std::size_t m) {
    std::vector<std::uint32_t> rows;
    rows.reserve(n);
    for (std::size_t row = 0; row < n; ++row)
        if (!has_nan(values + row * m, m)) rows.push_back(static_cast<std::uint32_t>(row));
    // Stable sorts from the last objective to the first leave the rows in lexicographic order.
    std::vector<std::vector<std::int32_t>> ranks(m, std::vector<std::int32_t>(n));
    std::vector<std::uint64_t> keys(n);
    for (std::size_t objective = m; objective-- > 0;) {
        for (const std::uint32_t row : rows) keys[row] = ordered_bits(values[row * m + objective]);
        stable_sort_by_key(keys, rows);
        std::int32_t rank = 0;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (i > 0 && keys[rows[i]] != keys[rows[i - 1]]) ++rank;
            ranks[objective][rows[i]] = rank;
        }
    }
    OrderedPoints points;
    points.rows = std::move(rows);
    points.point_of.resize(points.rows.size());
    points.coordinates.resize(m);
    for (auto& column : points.coordinates) column.reserve(points.rows.size());
    for (std::size_t i = 0; i < points.rows.size(); ++i) {
        const std::uint32_t row = points.rows[i];
        const auto differs = [&](const auto& rank) { return rank[row] != rank[points.rows[i - 1]]; };
        if (i == 0 || std::any_of(ranks.begin(), ranks.end(), differs)) {
            for (std::size_t objective = 0; objective < m; ++objective)
                points.coordinates[objective].push_back(ranks[objective][row]);
            points.first_row.push_back(row);
            ++points.count;
        }
        points.point_of[i] = static_cast<std::uint32_t>(points.count - 1);
    }
    return points;
}

// Front of every point.
inline std::vector<std::int32_t> fronts_of_points(const OrderedPoints& points) {
    const std::size_t m = points.coordinates.size();
    if (m == 1) return points.coordinates[0];  // distinct points: their ranks
    if (m == 3)
        if (auto fronts = sort_by_staircases(points.coordinates[1], points.coordinates[2])) return *fronts;
    return FrontAssignment(points.coordinates).run();
}

}  // namespace detail

// Front of every row of values [n, m], m >= 1. Rows with a NaN form one last front of their own.
inline std::vector<std::int32_t> nondominated_sort(const double* values, std::size_t n, std::size_t m) {
    const detail::OrderedPoints points = detail::order_points(values, n, m);
    const std::vector<std::int32_t> front_of_point = detail::fronts_of_points(points);
    const auto last = std::max_element(front_of_point.begin(), front_of_point.end());
    std::vector<std::int32_t> fronts(n, last == front_of_point.end() ? 0 : *last + 1);
    for (std::size_t i = 0; i < points.rows.size(); ++i)
        fronts[points.rows[i]] = front_of_point[points.point_of[i]];
    return fronts;
}

}  // namespace efficient_nas
