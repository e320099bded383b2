// Fronts within a small set of points by bit sets, 64 points at a time.
//
// Passing the points in the order of each objective leaves every point with the set of those that are no
// worse in all of them: its dominators (in the manner of merge non-dominated sorting, Moreno et al. 2020).
// Its front follows from meeting that set with those of the points whose front is at least f, by bisection
// over f. O(m n^2 / 64) with a small constant.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "efficient_nas/radix_sort.hpp"

namespace efficient_nas::detail {

// Points by index, in lexicographic order; coordinates [m][points].
using Coordinates = std::vector<std::vector<std::int32_t>>;
using PointSet = std::span<const std::uint32_t>;

class FrontBitsets {
  public:
    explicit FrontBitsets(const Coordinates& coordinates) : coordinates_(coordinates) {}

    // Raises the fronts of `points` (ascending, not empty) above those of their dominators in the same set;
    // dominance is over the first m objectives, m >= 2. As the points are distinct and in lexicographic
    // order, a dominator has a lower index, and objective 0 needs no comparison.
    void assign(PointSet points, std::size_t m, std::vector<std::int32_t>& fronts) {
        words_ = (points.size() + 63) / 64;
        find_dominators(points, m);
        if (at_least_.size() < words_) at_least_.resize(words_);
        for (std::size_t word = 0; word < words_; ++word) at_least_[word].clear();
        std::int32_t least = fronts[points.front()];
        for (const std::uint32_t point : points) least = std::min(least, fronts[point]);
        for (std::size_t i = 0; i < points.size(); ++i) {
            std::int32_t& front = fronts[points[i]];
            const auto level =
                raised(dominators_.data() + i * words_, i / 64, static_cast<std::size_t>(front - least));
            front = least + static_cast<std::int32_t>(level);
            std::vector<std::uint64_t>& sets = at_least_[i / 64];
            if (sets.size() <= level) sets.resize(level + 1, 0);
            const std::uint64_t bit = std::uint64_t{1} << (i % 64);
            for (std::size_t f = 0; f <= level; ++f) sets[f] |= bit;
        }
    }

  private:
    // The least level from `level` on that no dominator reaches. The sets of a word shrink with the level;
    // the last words come first, because there the levels are highest.
    std::size_t raised(const std::uint64_t* dominators, std::size_t last_word, std::size_t level) const {
        for (std::size_t word = last_word + 1; word-- > 0;) {
            const std::vector<std::uint64_t>& sets = at_least_[word];
            const std::uint64_t some = dominators[word];
            if (level >= sets.size() || (some & sets[level]) == 0) continue;
            level = static_cast<std::size_t>(
                std::partition_point(sets.begin() + static_cast<std::ptrdiff_t>(level) + 1, sets.end(),
                                     [&](std::uint64_t set) { return (some & set) != 0; }) -
                sets.begin());
        }
        return level;
    }

    void find_dominators(PointSet points, std::size_t m) {
        const std::size_t n = points.size();
        dominators_.resize(n * words_);
        keys_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            std::uint64_t* row = dominators_.data() + i * words_;
            std::fill_n(row, i / 64 + 1, ~std::uint64_t{0});
            row[i / 64] = (std::uint64_t{1} << (i % 64)) - 1;  // those before it
        }
        for (std::size_t objective = 1; objective < m; ++objective) {
            order_.resize(n);
            for (std::size_t i = 0; i < n; ++i) {
                keys_[i] = coordinates_[objective][points[i]];
                order_[i] = static_cast<std::uint32_t>(i);
            }
            stable_sort_by_key(keys_, order_);
            passed_.assign(words_, 0);
            for (std::size_t begin = 0, end = 0; begin < n; begin = end) {
                for (; end < n && keys_[order_[end]] == keys_[order_[begin]]; ++end)
                    passed_[order_[end] / 64] |= std::uint64_t{1} << (order_[end] % 64);
                for (std::size_t i = begin; i < end; ++i) {
                    std::uint64_t* row = dominators_.data() + order_[i] * words_;
                    const std::size_t words = order_[i] / 64 + 1;
                    for (std::size_t word = 0; word < words; ++word) row[word] &= passed_[word];
                }
            }
        }
    }

    const Coordinates& coordinates_;
    std::size_t words_ = 0;                             // of a set of all points
    std::vector<std::uint64_t> dominators_;             // [point][word]
    std::vector<std::vector<std::uint64_t>> at_least_;  // [word][level]: points with a front of at least that
    std::vector<std::uint64_t> passed_;
    std::vector<std::uint32_t> order_;
    std::vector<std::int32_t> keys_;
};

}  // namespace efficient_nas::detail
