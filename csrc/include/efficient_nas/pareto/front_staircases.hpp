// Fronts of points with three objectives: one pass in lexicographic order (ENS-BS, Zhang et al. 2015), with
// every front kept as the staircase of its last two objectives, so that asking whether a front dominates a
// point is one binary search.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace efficient_nas::detail {

// The lower left border of a set of points in two dimensions.
class FrontBorder {
  public:
    std::size_t size() const { return y_.size(); }

    // Whether some point is no worse in both.
    bool covers(std::int32_t y, std::int32_t z) const {
        std::size_t steps = 0;  // with a first coordinate of at most y
        for (std::size_t left = y_.size(); left > 0;) {
            const std::size_t half = (left + 1) / 2;
            steps += y_[steps + half - 1] <= y ? half : 0;
            left -= half;
        }
        return steps > 0 && z_[steps - 1] <= z;
    }

    // Adds a point that is not covered.
    void insert(std::int32_t y, std::int32_t z) {
        const auto first = std::lower_bound(y_.begin(), y_.end(), y) - y_.begin();
        auto last = first;  // the steps from first to last are covered by the new one
        while (last < static_cast<std::ptrdiff_t>(z_.size()) && z_[static_cast<std::size_t>(last)] >= z)
            ++last;
        replace(y_, first, last, y);
        replace(z_, first, last, z);
    }

  private:
    static void replace(std::vector<std::int32_t>& steps, std::ptrdiff_t first, std::ptrdiff_t last,
                        std::int32_t value) {
        if (first == last) {
            steps.insert(steps.begin() + first, value);
        } else {
            steps[static_cast<std::size_t>(first)] = value;
            steps.erase(steps.begin() + first + 1, steps.begin() + last);
        }
    }

    std::vector<std::int32_t> y_, z_;  // y increases, z decreases
};

// The longest staircase for which inserting does not dominate the time: 2 x 32 KiB to move, a microsecond.
inline constexpr std::size_t kLongestBorder = 8192;

// Fronts of points given in lexicographic order, distinct; y and z are their second and third objective.
// Nothing if a staircase gets longer than kLongestBorder.
inline std::optional<std::vector<std::int32_t>> sort_by_staircases(const std::vector<std::int32_t>& y,
                                                                   const std::vector<std::int32_t>& z) {
    std::vector<FrontBorder> borders;
    std::vector<std::int32_t> fronts(y.size());
    for (std::size_t i = 0; i < y.size(); ++i) {
        const auto border =
            std::partition_point(borders.begin(), borders.end(),
                                 [&](const FrontBorder& front) { return front.covers(y[i], z[i]); });
        const std::ptrdiff_t front = border - borders.begin();
        if (border == borders.end()) borders.emplace_back();
        borders[static_cast<std::size_t>(front)].insert(y[i], z[i]);
        if (borders[static_cast<std::size_t>(front)].size() > kLongestBorder) return std::nullopt;
        fronts[i] = static_cast<std::int32_t>(front);
    }
    return fronts;
}

// The same for the first front alone.
inline std::optional<std::vector<bool>> first_front_by_staircase(const std::vector<std::int32_t>& y,
                                                                 const std::vector<std::int32_t>& z) {
    FrontBorder border;
    std::vector<bool> first(y.size());
    for (std::size_t i = 0; i < y.size(); ++i) {
        first[i] = !border.covers(y[i], z[i]);
        if (first[i]) border.insert(y[i], z[i]);
        if (border.size() > kLongestBorder) return std::nullopt;
    }
    return first;
}

}  // namespace efficient_nas::detail
