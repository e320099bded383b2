// The first front alone: which rows no other row dominates, all objectives minimised. Much cheaper than
// sorting, because where points are no front by themselves, a few good ones dominate most of the others.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "efficient_nas/pareto/nondominated_sort.hpp"

namespace efficient_nas {

namespace detail {

// Whether row a is no worse than row b in every objective and better in one.
inline bool dominates(const double* a, const double* b, std::size_t m) {
    bool better = false;
    for (std::size_t k = 0; k < m; ++k) {
        if (!(a[k] <= b[k])) return false;
        better |= a[k] < b[k];
    }
    return better;
}

// The rows with the least sums of objectives, each scaled to its range: any rows would be right as filters,
// these dominate many.
inline std::vector<const double*> strong_rows(const double* values, const std::vector<std::uint32_t>& rows,
                                              std::size_t m) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    constexpr std::size_t kStrong = 24;
    std::vector<double> low(m, kInfinity), high(m, -kInfinity);
    for (const std::uint32_t row : rows)
        for (std::size_t k = 0; k < m; ++k) {
            const double value = values[row * m + k];
            if (std::isinf(value)) continue;
            low[k] = std::min(low[k], value);
            high[k] = std::max(high[k], value);
        }
    std::vector<double> scale(m);
    for (std::size_t k = 0; k < m; ++k) scale[k] = high[k] > low[k] ? 1.0 / (high[k] - low[k]) : 0.0;
    std::vector<std::pair<double, std::uint32_t>> sums;
    sums.reserve(rows.size());
    for (const std::uint32_t row : rows) {
        double sum = 0.0;
        for (std::size_t k = 0; k < m; ++k) sum += scale[k] * values[row * m + k];
        sums.emplace_back(std::isnan(sum) ? kInfinity : sum, row);
    }
    const std::size_t count = std::min(kStrong, sums.size());
    std::partial_sort(sums.begin(), sums.begin() + static_cast<std::ptrdiff_t>(count), sums.end());
    std::vector<const double*> strong;
    for (std::size_t i = 0; i < count; ++i) strong.push_back(values + sums[i].second * m);
    return strong;
}

// Drops rows that a strong row dominates, unless the first hundreds show that hardly any is.
inline void drop_dominated(const double* values, std::size_t m, std::vector<std::uint32_t>& rows) {
    constexpr std::size_t kTrial = 256;
    const std::vector<const double*> strong = strong_rows(values, rows, m);
    std::size_t kept = 0, i = 0;
    for (; i < rows.size(); ++i) {
        if (i == kTrial && kept > kTrial / 4 * 3) break;
        const double* row = values + rows[i] * m;
        const bool dominated = std::any_of(strong.begin(), strong.end(),
                                           [&](const double* other) { return dominates(other, row, m); });
        rows[kept] = rows[i];
        kept += !dominated;
    }
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(kept),
               rows.begin() + static_cast<std::ptrdiff_t>(i));
}

// For every point whether none dominates it.
inline std::vector<bool> first_front(const OrderedPoints& points) {
    const Coordinates& coordinates = points.coordinates;
    if (coordinates.size() == 3)
        if (auto first = first_front_by_staircase(coordinates[1], coordinates[2])) return *first;
    std::vector<bool> first(points.count);
    if (coordinates.size() == 2) {
        std::int32_t least = std::numeric_limits<std::int32_t>::max();
        for (std::size_t i = 0; i < points.count; ++i) {
            first[i] = coordinates[1][i] < least;
            least = std::min(least, coordinates[1][i]);
        }
    } else {
        const std::vector<std::int32_t> fronts = fronts_of_points(points);
        for (std::size_t i = 0; i < points.count; ++i) first[i] = fronts[i] == 0;
    }
    return first;
}

}  // namespace detail

// Those of values [n, m], m >= 1, ascending. Equal rows do not dominate each other; rows with a NaN are left
// out and dominate nothing.
inline std::vector<std::uint32_t> nondominated_rows(const double* values, std::size_t n, std::size_t m) {
    std::vector<std::uint32_t> rows;
    rows.reserve(n);
    for (std::size_t row = 0; row < n; ++row)
        if (!has_nan(values + row * m, m)) rows.push_back(static_cast<std::uint32_t>(row));
    detail::drop_dominated(values, m, rows);
    std::vector<double> left;
    left.reserve(rows.size() * m);
    for (const std::uint32_t row : rows) left.insert(left.end(), values + row * m, values + (row + 1) * m);
    const detail::OrderedPoints points = detail::order_points(left.data(), rows.size(), m);
    const std::vector<bool> first = detail::first_front(points);
    std::vector<std::uint32_t> nondominated;
    for (std::size_t i = 0; i < points.rows.size(); ++i)
        if (first[points.point_of[i]]) nondominated.push_back(rows[points.rows[i]]);
    std::sort(nondominated.begin(), nondominated.end());
    return nondominated;
}

}  // namespace efficient_nas
