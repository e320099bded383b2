// Fronts of a set of points under Pareto dominance, all objectives minimised.
//
// A point's front is 0 if nothing dominates it, else one more than the highest front among its dominators
// (equal to peeling off the non-dominated points again and again). Equal points share a front.
// One objective: a sort. Two: the sweep of Jensen 2003, O(n log n). Three and more: divide and conquer over
// the objectives, Jensen 2003 as corrected for equal coordinates by Buzdalov and Shalyto 2014 ("A provably
// asymptotically fast version of the generalized Jensen algorithm for non-dominated sorting"),
// O(n log^(m-1) n); small subproblems are compared pair by pair.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

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
    std::vector<std::vector<std::int32_t>> coordinates;  // [m][count]
    std::vector<std::uint32_t> rows;                     // the rows that take part, in lexicographic order
    std::vector<std::uint32_t> point_of;                 // for rows[i], its point
};

inline OrderedPoints order_points(const double* values, std::size_t n, std::size_t m) {
    std::vector<std::uint32_t> rows;
    rows.reserve(n);
    for (std::size_t row = 0; row < n; ++row)
        if (!has_nan(values + row * m, m)) rows.push_back(static_cast<std::uint32_t>(row));
    std::vector<std::vector<std::int32_t>> ranks(m, std::vector<std::int32_t>(n));
    std::vector<std::uint64_t> keys(n);
    std::vector<std::uint32_t> order = rows;
    for (std::size_t objective = 0; objective < m; ++objective) {
        for (const std::uint32_t row : rows) keys[row] = ordered_bits(values[row * m + objective]);
        stable_sort_by_key(keys, order);
        std::int32_t rank = 0;
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (i > 0 && keys[order[i]] != keys[order[i - 1]]) ++rank;
            ranks[objective][order[i]] = rank;
        }
    }
    OrderedPoints points;
    points.rows = std::move(rows);
    for (std::size_t objective = m; objective-- > 0;) stable_sort_by_key(ranks[objective], points.rows);
    points.point_of.resize(points.rows.size());
    points.coordinates.resize(m);
    for (auto& column : points.coordinates) column.reserve(points.rows.size());
    for (std::size_t i = 0; i < points.rows.size(); ++i) {
        const std::uint32_t row = points.rows[i];
        const auto differs = [&](const auto& rank) { return rank[row] != rank[points.rows[i - 1]]; };
        if (i == 0 || std::any_of(ranks.begin(), ranks.end(), differs)) {
            for (std::size_t objective = 0; objective < m; ++objective)
                points.coordinates[objective].push_back(ranks[objective][row]);
            ++points.count;
        }
        points.point_of[i] = static_cast<std::uint32_t>(points.count - 1);
    }
    return points;
}

// The highest front among the points seen so far with a second coordinate of at most y.
class FrontStaircase {
  public:
    std::int32_t highest(std::int32_t y) const {
        const auto above = std::upper_bound(y_.begin(), y_.end(), y);
        return above == y_.begin() ? -1 : front_[static_cast<std::size_t>(above - y_.begin()) - 1];
    }

    void insert(std::int32_t y, std::int32_t front) {
        auto first = static_cast<std::size_t>(std::lower_bound(y_.begin(), y_.end(), y) - y_.begin());
        if (first < y_.size() && y_[first] == y && front_[first] >= front) return;
        if (first > 0 && front_[first - 1] >= front) return;
        std::size_t last = first;
        while (last < y_.size() && front_[last] <= front) ++last;
        if (first == last) {
            y_.insert(y_.begin() + static_cast<std::ptrdiff_t>(first), y);
            front_.insert(front_.begin() + static_cast<std::ptrdiff_t>(first), front);
            return;
        }
        y_[first] = y;
        front_[first] = front;
        y_.erase(y_.begin() + static_cast<std::ptrdiff_t>(first + 1),
                 y_.begin() + static_cast<std::ptrdiff_t>(last));
        front_.erase(front_.begin() + static_cast<std::ptrdiff_t>(first + 1),
                     front_.begin() + static_cast<std::ptrdiff_t>(last));
    }

    void clear() {
        y_.clear();
        front_.clear();
    }

  private:
    std::vector<std::int32_t> y_, front_;  // both strictly increasing
};

// Sets of points are sorted lists of indices. A dominator always has a lower index than what it dominates,
// because the points are distinct and in lexicographic order; so objective 0 needs no comparison.
class FrontAssignment {
  public:
    using Set = std::vector<std::uint32_t>;
    using View = std::span<const std::uint32_t>;

    explicit FrontAssignment(const OrderedPoints& points)
        : coordinates_(points.coordinates), front_(points.count, 0) {}

    std::vector<std::int32_t> run() {
        Set all(front_.size());
        std::iota(all.begin(), all.end(), 0u);
        assign(all, coordinates_.size());
        return std::move(front_);
    }

  private:
    static constexpr std::size_t kPairwise = 64;  // sets up to this size are compared pair by pair

    // Fronts of `set`, whose points are equal in every objective from `m` on.
    void assign(View set, std::size_t m) {
        if (set.size() < 2) return;
        if (m <= 2) return sweep(set, set);
        if (set.size() <= kPairwise) {
            for (std::size_t i = 1; i < set.size(); ++i) compare(set.first(i), set.subspan(i, 1), m);
            return;
        }
        const auto& column = coordinates_[m - 1];
        const auto [low, high] = extent(set, column);
        if (low == high) return assign(set, m - 1);
        const Split split(set, column, median(set, {}, column));
        assign(split.below, m);
        update(split.below, split.equal, m - 1);
        assign(split.equal, m - 1);
        update(split.up_to, split.above, m - 1);
        assign(split.above, m);
    }

    // Raises the fronts of `later` above those of their dominators in `earlier`, whose fronts are final and
    // whose points are no worse in every objective from `m` on.
    void update(View earlier, View later, std::size_t m) {
        if (earlier.empty() || later.empty()) return;
        if (m <= 2) return sweep(earlier, later);
        if (earlier.size() <= kPairwise || later.size() <= 4) return compare(earlier, later, m);
        const auto& column = coordinates_[m - 1];
        const auto [earlier_low, earlier_high] = extent(earlier, column);
        const auto [later_low, later_high] = extent(later, column);
        if (earlier_low > later_high) return;
        if (earlier_high <= later_low) return update(earlier, later, m - 1);
        const std::int32_t pivot = median(earlier, later, column);
        const Split e(earlier, column, pivot), l(later, column, pivot);
        update(e.below, l.below, m);
        update(e.up_to, l.equal, m - 1);
        update(e.up_to, l.above, m - 1);
        update(e.above, l.above, m);
    }

    // `update` by one pass in lexicographic order over the first two objectives; with the same set twice,
    // `assign`.
    void sweep(View earlier, View later) {
        const bool same = earlier.data() == later.data();
        const auto& y = coordinates_.size() > 1 ? coordinates_[1] : coordinates_[0];
        staircase_.clear();
        std::size_t e = 0;
        for (const std::uint32_t point : later) {
            for (; !same && e < earlier.size() && earlier[e] < point; ++e)
                staircase_.insert(y[earlier[e]], front_[earlier[e]]);
            front_[point] = std::max(front_[point], staircase_.highest(y[point]) + 1);
            if (same) staircase_.insert(y[point], front_[point]);
        }
    }

    // `update` pair by pair.
    void compare(View earlier, View later, std::size_t m) {
        gathered_.resize(m * earlier.size());
        for (std::size_t i = 0; i < earlier.size(); ++i) {
            gathered_[i] = front_[earlier[i]] + 1;
            for (std::size_t objective = 1; objective < m; ++objective)
                gathered_[objective * earlier.size() + i] = coordinates_[objective][earlier[i]];
        }
        candidate_.resize(earlier.size());
        for (const std::uint32_t point : later) {
            const auto before = static_cast<std::size_t>(
                std::lower_bound(earlier.begin(), earlier.end(), point) - earlier.begin());
            std::copy_n(gathered_.begin(), before, candidate_.begin());
            for (std::size_t objective = 1; objective < m; ++objective) {
                const std::int32_t limit = coordinates_[objective][point];
                const std::int32_t* column = gathered_.data() + objective * earlier.size();
                for (std::size_t i = 0; i < before; ++i)
                    candidate_[i] = column[i] <= limit ? candidate_[i] : 0;
            }
            std::int32_t highest = front_[point];
            for (std::size_t i = 0; i < before; ++i) highest = std::max(highest, candidate_[i]);
            front_[point] = highest;
        }
    }

    struct Split {
        Set below, equal, up_to, above;
        Split(View set, const std::vector<std::int32_t>& column, std::int32_t pivot) {
            for (const std::uint32_t point : set) {
                const std::int32_t value = column[point];
                if (value < pivot) below.push_back(point);
                if (value == pivot) equal.push_back(point);
                (value <= pivot ? up_to : above).push_back(point);
            }
        }
    };

    static std::pair<std::int32_t, std::int32_t> extent(View set, const std::vector<std::int32_t>& column) {
        std::int32_t low = column[set[0]], high = low;
        for (const std::uint32_t point : set) {
            low = std::min(low, column[point]);
            high = std::max(high, column[point]);
        }
        return {low, high};
    }

    std::int32_t median(View a, View b, const std::vector<std::int32_t>& column) {
        gathered_.clear();
        for (const std::uint32_t point : a) gathered_.push_back(column[point]);
        for (const std::uint32_t point : b) gathered_.push_back(column[point]);
        const auto middle = gathered_.begin() + static_cast<std::ptrdiff_t>(gathered_.size() / 2);
        std::nth_element(gathered_.begin(), middle, gathered_.end());
        return *middle;
    }

    const std::vector<std::vector<std::int32_t>>& coordinates_;
    std::vector<std::int32_t> front_;
    FrontStaircase staircase_;
    std::vector<std::int32_t> gathered_, candidate_;  // scratch of compare and median
};

}  // namespace detail

// Front of every row of values [n, m], m >= 1. Rows with a NaN form one last front of their own.
inline std::vector<std::int32_t> nondominated_sort(const double* values, std::size_t n, std::size_t m) {
    const detail::OrderedPoints points = detail::order_points(values, n, m);
    std::vector<std::int32_t> front_of_point;
    if (m == 1) {
        front_of_point.resize(points.count);
        std::iota(front_of_point.begin(), front_of_point.end(), 0);
    } else {
        front_of_point = detail::FrontAssignment(points).run();
    }
    std::int32_t last = 0;
    for (const std::int32_t front : front_of_point) last = std::max(last, front + 1);
    std::vector<std::int32_t> fronts(n, last);
    for (std::size_t i = 0; i < points.rows.size(); ++i)
        fronts[points.rows[i]] = front_of_point[points.point_of[i]];
    return fronts;
}

}  // namespace efficient_nas
