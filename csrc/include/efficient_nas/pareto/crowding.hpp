// Crowding distance (Deb et al. 2002, section III-B).
//
// Departures, which make the result independent of the order of the rows: among equal values of one objective
// the lexicographic order of the rows decides who is whose neighbour; of equal rows the first counts and the
// others get 0; an objective in which all rows of a front are equal adds nothing. One or two distinct rows
// are extremes, at an infinite distance. Infinite values are left out of an objective's range.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "efficient_nas/pareto/nondominated_sort.hpp"

namespace efficient_nas {

namespace detail {

// One front while its points pass in the order of an objective.
class FrontPass {
  public:
    static constexpr double kInfinity = std::numeric_limits<double>::infinity();

    void widen(double value) {
        if (members_++ == 0) low_ = value;
        high_ = value;
        if (std::isinf(value)) return;
        finite_low_ = std::min(finite_low_, value);
        finite_high_ = value;
    }

    bool is_single() const { return members_ == 1; }
    bool is_flat() const { return low_ == high_; }

    // Adds to the distance of the point before `point` what lies between its two neighbours.
    void pass(std::uint32_t point, double value, std::vector<double>& distance) {
        if (passed_ == 0)
            distance[point] = kInfinity;
        else if (passed_ > 1)
            distance[last_point_] += relative_gap(before_last_value_, value);
        ++passed_;
        before_last_value_ = last_value_;
        last_value_ = value;
        last_point_ = point;
    }

    void finish(std::vector<double>& distance) const {
        if (passed_ > 0) distance[last_point_] = kInfinity;
    }

  private:
    // Equal infinities are no distance apart. Halves where a difference could leave the range of doubles.
    double relative_gap(double before, double after) const {
        if (before == after) return 0.0;
        const double range = finite_high_ - finite_low_;
        const double half = std::isinf(range) ? 0.5 : 1.0;
        const double gap = half * after - half * before;
        return std::isinf(gap) ? gap : gap / (half * finite_high_ - half * finite_low_);
    }

    std::size_t members_ = 0, passed_ = 0;
    double low_ = 0, high_ = 0, finite_low_ = kInfinity, finite_high_ = -kInfinity;
    double last_value_ = 0, before_last_value_ = 0;
    std::uint32_t last_point_ = 0;
};

// Distances of all points, each within its front, in two passes over the points for every objective.
inline std::vector<double> crowding_of_points(const OrderedPoints& points, const double* values,
                                              const std::vector<std::int32_t>& front_of_point) {
    const std::size_t m = points.coordinates.size();
    std::int32_t fronts = 0;
    for (const std::int32_t front : front_of_point) fronts = std::max(fronts, front + 1);
    std::vector<double> distance(points.count, 0.0);
    std::vector<std::uint32_t> order(points.count);
    for (std::size_t objective = 0; objective < m; ++objective) {
        std::iota(order.begin(), order.end(), 0u);
        if (objective > 0) stable_sort_by_key(points.coordinates[objective], order);
        std::vector<FrontPass> passes(static_cast<std::size_t>(fronts));
        const auto front_of = [&](std::uint32_t point) -> FrontPass& {
            return passes[static_cast<std::size_t>(front_of_point[point])];
        };
        const auto value = [&](std::uint32_t point) {
            return values[points.first_row[point] * m + objective];
        };
        for (const std::uint32_t point : order) front_of(point).widen(value(point));
        for (const std::uint32_t point : order) {
            FrontPass& front = front_of(point);
            if (front.is_single()) distance[point] = FrontPass::kInfinity;
            if (!front.is_flat()) front.pass(point, value(point), distance);
        }
        for (const FrontPass& front : passes) front.finish(distance);
    }
    return distance;
}

}  // namespace detail

// Of every row of values [n, m], taken as one front. Rows with a NaN get 0.
inline std::vector<double> crowding_distance(const double* values, std::size_t n, std::size_t m) {
    const detail::OrderedPoints points = detail::order_points(values, n, m);
    const std::vector<double> of_points =
        detail::crowding_of_points(points, values, std::vector<std::int32_t>(points.count, 0));
    std::vector<double> distance(n, 0.0);
    for (std::size_t point = 0; point < points.count; ++point)
        distance[points.first_row[point]] = of_points[point];
    return distance;
}

}  // namespace efficient_nas
