// The scale by which NSGA-III compares objectives (Deb and Jain 2014, algorithm 2): from the ideal point to
// where the hyperplane through the extreme points meets the axes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace efficient_nas {

namespace detail {

// x of rows [m, m] * x = 1, or nothing if the rows are not independent (to about 1e-10).
inline std::optional<std::vector<double>> solve_for_ones(std::vector<double> rows, std::size_t m) {
    std::vector<double> x(m, 1.0);
    double largest = 0.0;
    for (const double entry : rows) largest = std::max(largest, std::abs(entry));
    const auto at = [&](std::size_t i, std::size_t k) -> double& { return rows[i * m + k]; };
    for (std::size_t k = 0; k < m; ++k) {
        std::size_t pivot = k;
        for (std::size_t i = k + 1; i < m; ++i)
            if (std::abs(at(i, k)) > std::abs(at(pivot, k))) pivot = i;
        if (!(std::abs(at(pivot, k)) > 1e-10 * largest)) return std::nullopt;
        if (pivot != k) {
            for (std::size_t j = 0; j < m; ++j) std::swap(at(k, j), at(pivot, j));
            std::swap(x[k], x[pivot]);
        }
        for (std::size_t i = k + 1; i < m; ++i) {
            const double factor = at(i, k) / at(k, k);
            for (std::size_t j = k; j < m; ++j) at(i, j) -= factor * at(k, j);
            x[i] -= factor * x[k];
        }
    }
    for (std::size_t k = m; k-- > 0;) {
        for (std::size_t j = k + 1; j < m; ++j) x[k] -= at(k, j) * x[j];
        x[k] /= at(k, k);
    }
    return x;
}

}  // namespace detail

// Departures from the paper: objectives are divided by their range on the first front before extreme points
// are sought, so that units do not matter; differences to the ideal of up to a thousandth of that range count
// as none there, so that a near-tie does not pick the extreme (as pymoo does with an absolute 1e-3); extreme
// points are sought in the first front.
//
// Values are halved on the way in, so that differences of the largest doubles stay finite.
class ReferenceScale {
  public:
    explicit ReferenceScale(std::size_t m) : m_(m), ideal_(m, kInfinity), worst_(m, -kInfinity), range_(m) {}

    // Takes a generation: values [n, m], all finite, n > 0, and the rows of its first front.
    void update(const double* values, std::size_t n, std::span<const std::uint32_t> front) {
        std::vector<double> halves(n * m_), worst(m_, -kInfinity), worst_of_front(m_, -kInfinity);
        for (std::size_t i = 0; i < n * m_; ++i) {
            halves[i] = 0.5 * values[i];
            ideal_[i % m_] = std::min(ideal_[i % m_], halves[i]);
            worst[i % m_] = std::max(worst[i % m_], halves[i]);
        }
        for (const std::uint32_t row : front)
            for (std::size_t k = 0; k < m_; ++k)
                worst_of_front[k] = std::max(worst_of_front[k], halves[row * m_ + k]);

        std::vector<double> unit(m_);  // of each objective while the plane is sought
        for (std::size_t k = 0; k < m_; ++k) {
            worst_[k] = std::max(worst_[k], worst[k]);
            unit[k] = worst_of_front[k] - ideal_[k];
            if (unit[k] == 0) unit[k] = worst[k] - ideal_[k];
            if (unit[k] == 0) unit[k] = 1.0;
        }
        find_extremes(halves, front, unit);
        const auto intercepts = plane_intercepts(unit);
        for (std::size_t k = 0; k < m_; ++k) {
            range_[k] = intercepts ? std::min((*intercepts)[k] * unit[k], worst_[k] - ideal_[k])
                                   : worst_of_front[k] - ideal_[k];
            if (!(range_[k] > kFlat * unit[k])) range_[k] = worst[k] - ideal_[k];
        }
    }

    // A row [m] in units of the scale: 0 at the ideal point, 1 where the plane meets the axes. An objective
    // in which all rows are equal is 0.
    void normalise(const double* row, double* normalised) const {
        for (std::size_t k = 0; k < m_; ++k)
            normalised[k] = range_[k] > 0 ? (0.5 * row[k] - ideal_[k]) / range_[k] : 0.0;
    }

  private:
    static constexpr double kInfinity = std::numeric_limits<double>::infinity();
    static constexpr double kOtherAxes = 1e6;  // one over the weight of the other objectives
    static constexpr double kNear = 1e-3;      // of an objective's unit
    static constexpr double kFlat = 1e-6;

    // For each objective the point with the least achievement scalarizing function of its axis, among the
    // extreme points so far and the front; of equals the earliest.
    void find_extremes(const std::vector<double>& values, std::span<const std::uint32_t> front,
                       const std::vector<double>& unit) {
        const std::size_t old = extremes_.size() / m_;
        const auto candidate = [&](std::size_t i) {
            return i < old ? extremes_.data() + i * m_ : values.data() + front[i - old] * m_;
        };
        std::vector<double> extremes;
        for (std::size_t axis = 0; axis < m_; ++axis) {
            const double* best = nullptr;
            double least = kInfinity;
            for (std::size_t i = 0; i < old + front.size(); ++i) {
                const double* point = candidate(i);
                double highest = 0.0;
                for (std::size_t k = 0; k < m_; ++k) {
                    const double share = (point[k] - ideal_[k]) / unit[k];
                    if (share >= kNear) highest = std::max(highest, k == axis ? share : kOtherAxes * share);
                }
                if (best == nullptr || highest < least) {
                    best = point;
                    least = highest;
                }
            }
            extremes.insert(extremes.end(), best, best + m_);
        }
        extremes_ = std::move(extremes);
    }

    // Distances from the ideal point, in units, at which the plane through the extreme points meets the axes;
    // nothing if there is no such plane or it misses an axis.
    std::optional<std::vector<double>> plane_intercepts(const std::vector<double>& unit) const {
        std::vector<double> rows(m_ * m_);
        for (std::size_t i = 0; i < m_ * m_; ++i) rows[i] = (extremes_[i] - ideal_[i % m_]) / unit[i % m_];
        auto plane = detail::solve_for_ones(std::move(rows), m_);
        if (!plane) return std::nullopt;
        for (double& x : *plane) {
            x = 1.0 / x;
            if (!(x > kFlat) || std::isinf(x)) return std::nullopt;
        }
        return plane;
    }

    std::size_t m_;
    std::vector<double> ideal_, worst_;  // the least and the largest of each objective so far
    std::vector<double> range_;          // of the scale
    std::vector<double> extremes_;       // [m][m], once there is a generation
};

}  // namespace efficient_nas
