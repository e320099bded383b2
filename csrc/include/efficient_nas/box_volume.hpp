// Volumes of unions of boxes [0, extent] in up to four dimensions, by sweeping over one of them.
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

// Area of the union of rectangles, like Staircase but in one array: for the few steps inside one rectangle.
class ShortStaircase {
  public:
    double area() const { return area_; }

    void clear() {
        steps_.clear();
        area_ = 0.0;
    }

    // Whether one of the rectangles covers x by y.
    bool covers(double x, double y) const {
        const auto right = first_from(x);
        return right != steps_.end() && right->y >= y;
    }

    void add(double x, double y) {
        const auto right = first_from(x);
        double covered = right == steps_.end() ? 0.0 : right->y;
        if (covered >= y) return;
        double edge = x;
        auto left = right;
        for (; left != steps_.begin(); --left) {
            const Step& before = *std::prev(left);
            area_ += (edge - before.x) * (y - covered);
            edge = before.x;
            covered = before.y;
            if (covered >= y) break;
        }
        if (left == steps_.begin()) area_ += edge * (y - covered);
        const auto last = right != steps_.end() && right->x == x ? right + 1 : right;
        const auto position = steps_.begin() + (left - steps_.cbegin());
        if (left == last) {
            steps_.insert(position, {x, y});
        } else {
            *position = {x, y};
            steps_.erase(left + 1, last);
        }
    }

  private:
    struct Step {
        double x, y;
    };

    std::vector<Step>::const_iterator first_from(double x) const {
        return std::partition_point(steps_.begin(), steps_.end(),
                                    [&](const Step& step) { return step.x < x; });
    }

    std::vector<Step> steps_;  // x increases, y decreases
    double area_ = 0.0;
};

// `boxes` by their fourth extent, largest first. Every box adds the part of its first three dimensions that
// the boxes before it leave free, at its own fourth extent: O(n) rectangles into a staircase each.
class Sweep4d {
  public:
    double volume(const Boxes& boxes) {
        double total = 0.0;
        for (std::size_t i = 0; i < boxes.size(); ++i) {
            const Solid box{boxes[i][0], boxes[i][1], boxes[i][2]};
            const double part = free_part(box);
            if (part <= 0) continue;  // covered
            total += boxes[i][3] * part;
            insert(box);
        }
        return total;
    }

  private:
    struct Solid {
        double x, y, z;
    };

    double free_part(const Solid& box) {
        staircase_.clear();
        const double whole = box.x * box.y;
        double volume = 0.0, level = box.z;
        for (const Solid& other : seen_) {
            if (other.z < level) {
                if (staircase_.covers(box.x, box.y)) return volume;
                volume += (whole - staircase_.area()) * (level - other.z);
                level = other.z;
            }
            staircase_.add(std::min(other.x, box.x), std::min(other.y, box.y));
        }
        return staircase_.covers(box.x, box.y) ? volume : volume + (whole - staircase_.area()) * level;
    }

    // In the place of those that it covers.
    void insert(const Solid& box) {
        std::erase_if(seen_, [&](const Solid& s) { return s.x <= box.x && s.y <= box.y && s.z <= box.z; });
        const auto place =
            std::partition_point(seen_.begin(), seen_.end(), [&](const Solid& s) { return s.z >= box.z; });
        seen_.insert(place, box);
    }

    std::vector<Solid> seen_;  // z decreases
    ShortStaircase staircase_;
};

}  // namespace efficient_nas::detail
