// Volumes of unions of boxes [0, extent] in up to three dimensions, by sweeping over one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <numeric>
#include <span>
#include <vector>

namespace efficient_nas::detail {

using Box = std::span<const double>;

// `m` extents a box, row after row.
class Boxes {
  public:
    explicit Boxes(std::size_t m) : m_(m) {}

    std::size_t size() const { return extents_.size() / m_; }
    std::size_t objectives() const { return m_; }
    const double* data() const { return extents_.data(); }  // [size][objectives]
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

inline double volume_1d(const Boxes& boxes) {
    double longest = 0.0;
    for (std::size_t i = 0; i < boxes.size(); ++i) longest = std::max(longest, boxes[i][0]);
    return longest;
}

// `boxes` by their first extent, largest first.
inline double volume_2d(const Boxes& boxes) {
    double area = 0.0, height = 0.0;
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        if (boxes[i][1] <= height) continue;
        area += boxes[i][0] * (boxes[i][1] - height);
        height = boxes[i][1];
    }
    return area;
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

}  // namespace efficient_nas::detail
