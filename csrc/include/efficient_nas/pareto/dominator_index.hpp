// Finds the highest front among the points of a set that dominate a given point, 64 points at a time.
//
// The points are numbered by front, highest first, one bit each. For every objective they are also cut into
// blocks by ascending value, with a bit set for the points of the first 1, 2, 3, ... blocks. Dominators lie
// in the intersection, over the objectives, of the smallest bit sets that reach far enough; what these hold
// too much is sorted out point by point. The first point that passes is the answer. O(m n / 64) a query,
// often much less.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/pareto/front_bitsets.hpp"
#include "efficient_nas/radix_sort.hpp"

namespace efficient_nas::detail {

class DominatorIndex {
  public:
    explicit DominatorIndex(const Coordinates& coordinates) : coordinates_(coordinates) {}

    // Takes `points` (ascending, not empty); dominance is over the first m objectives. `first` is the lowest
    // index that will be asked about.
    void build(PointSet points, std::size_t m, const std::vector<std::int32_t>& fronts, std::uint32_t first) {
        m_ = m;
        words_ = (points.size() + 63) / 64;
        first_column_ = points.back() < first ? 1 : 0;
        by_value_.resize(points.size());
        keys_.resize(points.size());
        std::int32_t highest = 0;
        for (const std::uint32_t point : points) highest = std::max(highest, fronts[point]);
        for (std::size_t i = 0; i < points.size(); ++i) {
            keys_[i] = highest - fronts[points[i]];
            by_value_[i] = static_cast<std::uint32_t>(i);
        }
        stable_sort_by_key(keys_, by_value_);
        order_.resize(points.size());
        front_.resize(points.size());
        for (std::size_t i = 0; i < points.size(); ++i) {
            order_[i] = points[by_value_[i]];
            front_[i] = fronts[order_[i]];
        }
        block_size_ = std::max<std::size_t>(1, words_ * points.size() / kWordsPerColumn);
        blocks_ = (points.size() + block_size_ - 1) / block_size_;
        last_.resize(m * blocks_);
        bits_.resize(m * blocks_ * words_);
        for (std::size_t column = first_column_; column < m; ++column) build_column(column);
    }

    // The highest front among the dominators of `point`, if it is at least `least`; else least - 1.
    std::int32_t highest(std::uint32_t point, std::int32_t least) {
        sets_.clear();
        for (std::size_t column = first_column_; column < m_; ++column) {
            const std::int32_t limit = value(column, point);
            const std::int32_t* last = last_.data() + column * blocks_;
            std::size_t block = 0;  // the first that ends above the limit, or the last one
            for (std::size_t left = blocks_ - 1; left > 0;) {
                const std::size_t half = (left + 1) / 2;
                block += last[block + half - 1] <= limit ? half : 0;
                left -= half;
            }
            sets_.push_back(bits_.data() + (column * blocks_ + block) * words_);
        }
        for (std::size_t word = 0; word < words_; ++word) {
            if (front_[64 * word] < least) break;
            std::uint64_t candidates = ~std::uint64_t{0};
            for (const std::uint64_t* set : sets_) candidates &= set[word];
            for (; candidates != 0; candidates &= candidates - 1) {
                const std::size_t i = 64 * word + static_cast<std::size_t>(std::countr_zero(candidates));
                if (front_[i] < least) return least - 1;
                if (dominates(order_[i], point)) return front_[i];
            }
        }
        return least - 1;
    }

  private:
    // Column 0 is the index: no point is dominated by one behind it in lexicographic order.
    std::int32_t value(std::size_t column, std::uint32_t point) const {
        return column == 0 ? static_cast<std::int32_t>(point) : coordinates_[column][point];
    }

    bool dominates(std::uint32_t a, std::uint32_t b) const {
        if (a >= b) return false;
        for (std::size_t objective = 1; objective < m_; ++objective)
            if (coordinates_[objective][a] > coordinates_[objective][b]) return false;
        return true;
    }

    void build_column(std::size_t column) {
        const std::size_t n = order_.size();
        by_value_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            keys_[i] = value(column, order_[i]);
            by_value_[i] = static_cast<std::uint32_t>(i);
        }
        stable_sort_by_key(keys_, by_value_);
        for (std::size_t block = 0; block < blocks_; ++block) {
            std::uint64_t* set = bits_.data() + (column * blocks_ + block) * words_;
            if (block > 0)
                std::copy_n(set - words_, words_, set);
            else
                std::fill_n(set, words_, std::uint64_t{0});
            const std::size_t end = std::min(n, block_size_ * (block + 1));
            for (std::size_t i = block_size_ * block; i < end; ++i)
                set[by_value_[i] / 64] |= std::uint64_t{1} << (by_value_[i] % 64);
            last_[column * blocks_ + block] = keys_[by_value_[end - 1]];
        }
    }

    static constexpr std::size_t kWordsPerColumn = 4096;  // 32 KiB of bit sets: the first-level cache

    const Coordinates& coordinates_;
    std::size_t m_ = 0, words_ = 0, block_size_ = 0, blocks_ = 0;
    std::size_t first_column_ = 0;      // 1 when every point is before all those asked about
    std::vector<std::uint32_t> order_;  // points by front, highest first
    std::vector<std::int32_t> front_;   // of order_
    std::vector<std::int32_t> last_;    // [column][block]: the block's largest value
    std::vector<std::uint64_t> bits_;   // [column][block][word]: the points of blocks 0 to `block`
    std::vector<std::int32_t> keys_;
    std::vector<std::uint32_t> by_value_;
    std::vector<const std::uint64_t*> sets_;
};

}  // namespace efficient_nas::detail
