// Hypervolume: the volume that a set of points dominates, bounded by a reference point; all objectives
// minimised.
//
// Points are handled as boxes [0, extent] with extent = reference - value > 0, so the volume is that of the
// union. Two objectives: a sweep. Three: a sweep over the third that keeps the staircase of the other two
// (HV3D, Fonseca, Paquete and Lopez-Ibanez 2006), O(n log n). More: the exclusive volumes of WFG (While,
// Bradstreet and Barone 2012) taken in the order of the last objective, so that each limit set has one
// objective less.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <span>
#include <vector>

namespace efficient_nas {

namespace detail {

using Box = std::span<const double>;

// `m` extents a box, row after row.
class Boxes {
  public:
    explicit Boxes(std::size_t m) : m_(m) {}

    std::size_t size() const { return extents_.size() / m_; }
    std::size_t objectives() const { return m_; }
    Box operator[](std::size_t i) const { return {extents_.data() + i * m_, m_}; }
    void push_back(Box box) { extents_.insert(extents_.end(), box.begin(), box.end()); }

    // The boxes ordered by one extent, largest first.
    Boxes sorted_by(std::size_t objective) const {
        std::vector<std::size_t> order(size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return (*this)[a][objective] > (*this)[b][objective];
        });
        Boxes sorted(m_);
        sorted.extents_.reserve(extents_.size());
        for (const std::size_t i : order) sorted.push_back((*this)[i]);
        return sorted;
    }

  private:
    std::size_t m_;
    std::vector<double> extents_;
};

// Area of the union of boxes in two dimensions, kept up to date while boxes are added.
class Staircase {
  public:
    double area() const { return area_; }

    void add(double x, double y) {
        auto right = steps_.lower_bound(x);  // the step at x or the next wider one
        if (right != steps_.end() && right->second >= y) return;
        double covered = right == steps_.end() ? 0.0 : right->second;  // height already reached at x
        double edge = x;
        if (right != steps_.end() && right->first == x) right = steps_.erase(right);
        while (right != steps_.begin()) {
            const auto left = std::prev(right);
            area_ += (edge - left->first) * (y - covered);
            edge = left->first;
            covered = left->second;
            if (covered >= y) {
                steps_.emplace_hint(right, x, y);
                return;
            }
            right = steps_.erase(left);
        }
        area_ += edge * (y - covered);
        steps_.emplace_hint(right, x, y);
    }

  private:
    std::map<double, double> steps_;  // width to height; heights strictly decrease
    double area_ = 0.0;
};

inline double volume_2d(const Boxes& boxes) {
    Staircase staircase;
    for (std::size_t i = 0; i < boxes.size(); ++i) staircase.add(boxes[i][0], boxes[i][1]);
    return staircase.area();
}

// `boxes` by their third extent, largest first.
inline double volume_3d(const Boxes& boxes) {
    Staircase staircase;
    double volume = 0.0;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        staircase.add(boxes[i][0], boxes[i][1]);
        const double next = i + 1 < boxes.size() ? boxes[i + 1][2] : 0.0;
        volume += staircase.area() * (boxes[i][2] - next);
    }
    return volume;
}

inline bool covers(Box outer, Box inner) {
    return std::equal(outer.begin(), outer.end(), inner.begin(), std::greater_equal<>());
}

// Without the boxes that another one covers.
inline Boxes without_covered(const Boxes& boxes) {
    Boxes kept(boxes.objectives());
    const Boxes sorted = boxes.sorted_by(0);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        bool covered = false;
        for (std::size_t j = 0; j < kept.size() && !covered; ++j) covered = covers(kept[j], sorted[i]);
        for (std::size_t j = i + 1; j < sorted.size() && sorted[j][0] == sorted[i][0] && !covered; ++j)
            covered = covers(sorted[j], sorted[i]) && !covers(sorted[i], sorted[j]);
        if (!covered) kept.push_back(sorted[i]);
    }
    return kept;
}

inline double union_volume(const Boxes& boxes) {
    const std::size_t m = boxes.objectives();
    if (m == 1) {
        double longest = 0.0;
        for (std::size_t i = 0; i < boxes.size(); ++i) longest = std::max(longest, boxes[i][0]);
        return longest;
    }
    if (m == 2) return volume_2d(boxes);
    if (m == 3) return volume_3d(boxes.sorted_by(2));

    // A box adds what the longer ones leave free; cut to the box, they all share its last extent.
    const Boxes sorted = without_covered(boxes).sorted_by(m - 1);
    double volume = 0.0;
    std::vector<double> limited(m - 1);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        const Box base = sorted[i].first(m - 1);
        Boxes limits(m - 1);
        for (std::size_t j = 0; j < i; ++j) {
            for (std::size_t k = 0; k + 1 < m; ++k) limited[k] = std::min(base[k], sorted[j][k]);
            limits.push_back(limited);
        }
        const double whole = std::accumulate(base.begin(), base.end(), 1.0, std::multiplies<>());
        volume += sorted[i][m - 1] * (whole - union_volume(limits));
    }
    return volume;
}

}  // namespace detail

// Hypervolume of values [n, m] with respect to reference [m], which must be finite.
//
// Points that are not better than the reference in every objective add nothing, nor do rows with a NaN. The
// result is infinite if an extent is (a value of -inf, or a difference beyond the range of double).
inline double hypervolume(const double* values, std::size_t n, std::size_t m, const double* reference) {
    detail::Boxes boxes(m);
    std::vector<double> extents(m), longest(m, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < m; ++k) extents[k] = reference[k] - values[i * m + k];
        if (!std::all_of(extents.begin(), extents.end(), [](double extent) { return extent > 0; })) continue;
        boxes.push_back(extents);
        for (std::size_t k = 0; k < m; ++k) longest[k] = std::max(longest[k], extents[k]);
    }
    if (boxes.size() == 0) return 0.0;
    // Scaling by powers of two is exact and keeps products of very large or small extents in range.
    int exponent = 0;
    std::vector<int> scale(m);
    for (std::size_t k = 0; k < m; ++k) {
        if (std::isinf(longest[k])) return longest[k];
        std::frexp(longest[k], &scale[k]);
        exponent += scale[k];
    }
    detail::Boxes scaled(m);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        for (std::size_t k = 0; k < m; ++k) extents[k] = std::ldexp(boxes[i][k], -scale[k]);
        scaled.push_back(extents);
    }
    return std::ldexp(detail::union_volume(scaled), exponent);
}

}  // namespace efficient_nas
