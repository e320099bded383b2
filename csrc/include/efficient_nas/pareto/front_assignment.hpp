// Fronts by divide and conquer over the objectives: Jensen 2003, as corrected for equal coordinates by
// Buzdalov and Shalyto 2014 ("A provably asymptotically fast version of the generalized Jensen algorithm for
// non-dominated sorting"), O(n log^(m-1) n). Subproblems small enough for bit sets are solved by FrontBitsets
// and DominatorIndex.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "efficient_nas/pareto/dominator_index.hpp"

namespace efficient_nas::detail {

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

// Sets of points are ascending lists of indices. A dominator always has a lower index than what it dominates,
// because the points are distinct and in lexicographic order; so objective 0 needs no comparison.
class FrontAssignment {
  public:
    // coordinates [m][n], m >= 2, of distinct points in lexicographic order.
    explicit FrontAssignment(const Coordinates& coordinates)
        : coordinates_(coordinates),
          front_(coordinates[0].size(), 0),
          bitsets_(coordinates_),
          dominators_(coordinates_) {}

    std::vector<std::int32_t> run() {
        std::vector<std::uint32_t> all(front_.size());
        std::iota(all.begin(), all.end(), 0u);
        assign(all, coordinates_.size());
        return std::move(front_);
    }

  private:
    static constexpr std::size_t kBitsets = 2048;  // larger sets are divided
    static constexpr std::size_t kPairwise = 64;   // dominators up to this many are compared one by one,
    static constexpr std::size_t kLanes = 16;      // points compared at once
    static constexpr std::size_t kFew = 8;
    static constexpr std::size_t kIndexed = 4096;  // those up to this one by DominatorIndex

    // Fronts of `set`, whose points are equal in every objective from `m` on.
    void assign(PointSet set, std::size_t m) {
        if (set.size() < 2) return;
        if (m <= 2) return sweep(set, set);
        if (set.size() <= kBitsets) return bitsets_.assign(set, m, front_);
        if (set.size() <= kIndexed) {
            const std::size_t half = set.size() / 2;
            assign(set.first(half), m);
            update(set.first(half), set.subspan(half), m);
            return assign(set.subspan(half), m);
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
    void update(PointSet earlier, PointSet later, std::size_t m) {
        if (earlier.empty() || later.empty()) return;
        if (m <= 2) return sweep(earlier, later);
        if (earlier.size() <= kPairwise || later.size() <= kFew) return compare(earlier, later, m);
        if (earlier.size() <= kIndexed) {
            dominators_.build(earlier, m, front_, later.front());
            for (const std::uint32_t point : later)
                front_[point] = dominators_.highest(point, front_[point]) + 1;
            return;
        }
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

    // One pass in lexicographic order over the first two objectives: `update`, or with the same set twice
    // `assign`.
    void sweep(PointSet earlier, PointSet later) {
        const bool same = earlier.data() == later.data();
        const auto& y = coordinates_[1];
        staircase_.clear();
        std::size_t e = 0;
        for (const std::uint32_t point : later) {
            for (; !same && e < earlier.size() && earlier[e] < point; ++e)
                staircase_.insert(y[earlier[e]], front_[earlier[e]]);
            front_[point] = std::max(front_[point], staircase_.highest(y[point]) + 1);
            if (same) staircase_.insert(y[point], front_[point]);
        }
    }

    // Pair by pair.
    void compare(PointSet earlier, PointSet later, std::size_t m) {
        // Columns of whole lanes: fronts plus one (0 until the point is passed), then the objectives from 1
        // on.
        const std::size_t width = (earlier.size() + kLanes - 1) / kLanes * kLanes;
        gathered_.assign(m * width, 0);
        for (std::size_t objective = 1; objective < m; ++objective)
            for (std::size_t i = 0; i < earlier.size(); ++i)
                gathered_[objective * width + i] = coordinates_[objective][earlier[i]];
        std::size_t passed = 0;
        for (const std::uint32_t point : later) {
            for (; passed < earlier.size() && earlier[passed] < point; ++passed)
                gathered_[passed] = front_[earlier[passed]] + 1;
            std::array<std::int32_t, kLanes> highest{};
            for (std::size_t block = 0; block < passed; block += kLanes) {
                std::array<std::int32_t, kLanes> front;
                std::copy_n(gathered_.begin() + static_cast<std::ptrdiff_t>(block), kLanes, front.begin());
                for (std::size_t objective = 1; objective < m; ++objective) {
                    const std::int32_t limit = coordinates_[objective][point];
                    const std::int32_t* values = gathered_.data() + objective * width + block;
                    for (std::size_t i = 0; i < kLanes; ++i) front[i] = values[i] <= limit ? front[i] : 0;
                }
                for (std::size_t i = 0; i < kLanes; ++i) highest[i] = std::max(highest[i], front[i]);
            }
            front_[point] = std::max(front_[point], *std::max_element(highest.begin(), highest.end()));
        }
    }

    struct Split {
        std::vector<std::uint32_t> below, equal, up_to, above;
        Split(PointSet set, const std::vector<std::int32_t>& column, std::int32_t pivot) {
            for (const std::uint32_t point : set) {
                const std::int32_t value = column[point];
                if (value < pivot) below.push_back(point);
                if (value == pivot) equal.push_back(point);
                (value <= pivot ? up_to : above).push_back(point);
            }
        }
    };

    static std::pair<std::int32_t, std::int32_t> extent(PointSet set,
                                                        const std::vector<std::int32_t>& column) {
        std::int32_t low = column[set[0]], high = low;
        for (const std::uint32_t point : set) {
            low = std::min(low, column[point]);
            high = std::max(high, column[point]);
        }
        return {low, high};
    }

    std::int32_t median(PointSet a, PointSet b, const std::vector<std::int32_t>& column) {
        gathered_.clear();
        for (const std::uint32_t point : a) gathered_.push_back(column[point]);
        for (const std::uint32_t point : b) gathered_.push_back(column[point]);
        const auto middle = gathered_.begin() + static_cast<std::ptrdiff_t>(gathered_.size() / 2);
        std::nth_element(gathered_.begin(), middle, gathered_.end());
        return *middle;
    }

    const Coordinates& coordinates_;
    std::vector<std::int32_t> front_;
    FrontBitsets bitsets_;
    DominatorIndex dominators_;
    FrontStaircase staircase_;
    std::vector<std::int32_t> gathered_;  // scratch of compare and median
};

}  // namespace efficient_nas::detail
