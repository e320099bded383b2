// The survivors of NSGA-III (Deb and Jain 2014, "An evolutionary many-objective optimization algorithm using
// reference-point-based nondominated sorting approach, part I", algorithms 1 to 4); all objectives minimised.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/pareto/nondominated_sort.hpp"
#include "efficient_nas/pareto/reference_scale.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// Throws std::invalid_argument unless directions [number, m], at least one, are finite, without negative
// coordinates and with a positive one in each row. Their length does not matter.
inline void check_directions(const std::string& where, std::span<const double> directions, std::size_t m) {
    if (m == 0 || directions.empty())
        throw std::invalid_argument(
            where + ": directions must have shape [number, m] with number >= 1 and m >= 1, got [" +
            std::to_string(m == 0 ? 0 : directions.size() / m) + ", " + std::to_string(m) + "]");
    for (std::size_t i = 0; i < directions.size(); i += m) {
        double largest = 0.0;
        for (const double x : directions.subspan(i, m)) {
            if (!(x >= 0) || std::isinf(x))
                throw std::invalid_argument(where + ": directions must be finite and at least 0, got " +
                                            std::to_string(x) + " in row " + std::to_string(i / m));
            largest = std::max(largest, x);
        }
        if (largest == 0)
            throw std::invalid_argument(where +
                                        ": directions must have a positive coordinate, got none in row " +
                                        std::to_string(i / m));
    }
}

namespace detail {

// Reference directions [count, m], scaled to length 1 and stored by objective.
class UnitDirections {
  public:
    UnitDirections(const double* directions, std::size_t count, std::size_t m)
        : count_(count), m_(m), columns_(count * m), products_(count) {
        for (std::size_t i = 0; i < count; ++i) {
            double length = 0.0;
            for (std::size_t k = 0; k < m; ++k) length = std::hypot(length, directions[i * m + k]);
            for (std::size_t k = 0; k < m; ++k) columns_[k * count + i] = directions[i * m + k] / length;
        }
    }

    std::size_t size() const { return count_; }

    // The direction at the smallest angle to a point [m] without negative coordinates, and so the one whose
    // line is nearest; of equals the first.
    std::uint32_t nearest(const double* point) {
        std::fill(products_.begin(), products_.end(), 0.0);
        for (std::size_t k = 0; k < m_; ++k) {
            const double* column = columns_.data() + k * count_;
            const double coordinate = point[k];
            for (std::size_t i = 0; i < count_; ++i) products_[i] += coordinate * column[i];
        }
        return static_cast<std::uint32_t>(std::max_element(products_.begin(), products_.end()) -
                                          products_.begin());
    }

    // Distance of the point from the line of one direction.
    double distance(const double* point, std::uint32_t direction) const {
        double along = 0.0, squares = 0.0;
        for (std::size_t k = 0; k < m_; ++k) along += point[k] * columns_[k * count_ + direction];
        for (std::size_t k = 0; k < m_; ++k) {
            const double off = point[k] - along * columns_[k * count_ + direction];
            squares += off * off;
        }
        return std::sqrt(squares);
    }

  private:
    std::size_t count_, m_;
    std::vector<double> columns_, products_;
};

// Niches by how many survivors they hold, each with the candidates that may join it.
class Niches {
  public:
    explicit Niches(std::size_t directions) : held_(directions, 0), candidates_(directions) {}

    struct Candidate {
        double distance;
        std::uint32_t row;
    };

    void hold(std::uint32_t direction) { ++held_[direction]; }
    void add(std::uint32_t direction, Candidate candidate) { candidates_[direction].push_back(candidate); }

    // Appends `count` candidates to `chosen`, one after the other: a niche is drawn among those that hold
    // least and have candidates; an empty one takes its nearest candidate, others any (algorithm 4).
    void choose(std::size_t count, RandomStream& draws, std::vector<std::uint32_t>& chosen) {
        std::vector<std::vector<std::uint32_t>> by_held;  // niches that have candidates
        const auto enter = [&](std::uint32_t niche) {
            if (candidates_[niche].empty()) return;
            if (by_held.size() <= held_[niche]) by_held.resize(held_[niche] + 1);
            by_held[held_[niche]].push_back(niche);
        };
        for (std::uint32_t niche = 0; niche < held_.size(); ++niche) enter(niche);
        for (std::size_t least = 0; count > 0 && least < by_held.size(); ++least)
            while (count > 0 && !by_held[least].empty()) {
                const std::uint32_t niche = take(by_held[least], draws.below(by_held[least].size()));
                std::vector<Candidate>& candidates = candidates_[niche];
                std::size_t next = 0;
                if (held_[niche] == 0) {
                    const auto nearer = [](const Candidate& a, const Candidate& b) {
                        return a.distance < b.distance;
                    };
                    next = static_cast<std::size_t>(
                        std::min_element(candidates.begin(), candidates.end(), nearer) - candidates.begin());
                } else {
                    next = draws.below(candidates.size());
                }
                chosen.push_back(take(candidates, next).row);
                --count;
                ++held_[niche];
                enter(niche);
            }
    }

  private:
    template <typename T>
    static T take(std::vector<T>& list, std::size_t i) {
        std::swap(list[i], list.back());
        const T taken = list.back();
        list.pop_back();
        return taken;
    }

    std::vector<std::size_t> held_;
    std::vector<std::vector<Candidate>> candidates_;
};

}  // namespace detail

// The rows of values [n, m] that survive: `count` of them, or all n if there are fewer. Whole fronts come
// first, best front first and by index; the front that does not fit whole is thinned by niches, its survivors
// in the order of their choice. Rows with a NaN or an infinity have failed: they come after all others, by
// index, and leave the scale alone.
//
// directions [number, m]: see check_directions. `scale` carries the ideal point and
// the extreme points from one generation to the next. `draws` breaks ties between niches and chooses within
// them. Time O(n * number * m) beside that of the sort.
inline std::vector<std::uint32_t> select_by_reference(const double* values, std::size_t n, std::size_t m,
                                                      const double* directions, std::size_t number,
                                                      std::size_t count, ReferenceScale& scale,
                                                      RandomStream& draws) {
    std::vector<std::uint32_t> rows, failed;
    std::vector<double> finite;
    for (std::size_t i = 0; i < n; ++i) {
        const double* row = values + i * m;
        if (std::all_of(row, row + m, [](double value) { return std::isfinite(value); })) {
            rows.push_back(static_cast<std::uint32_t>(i));
            finite.insert(finite.end(), row, row + m);
        } else {
            failed.push_back(static_cast<std::uint32_t>(i));
        }
    }
    count = std::min(count, n);
    std::vector<std::uint32_t> survivors;
    survivors.reserve(count);
    if (!rows.empty()) {
        const std::vector<std::int32_t> fronts = nondominated_sort(finite.data(), rows.size(), m);
        std::vector<std::uint32_t> order(rows.size());
        std::iota(order.begin(), order.end(), 0u);
        stable_sort_by_key(fronts, order);
        const auto front_end = [&](std::size_t begin) {
            std::size_t end = begin;
            while (end < order.size() && fronts[order[end]] == fronts[order[begin]]) ++end;
            return end;
        };
        scale.update(finite.data(), rows.size(), std::span(order).first(front_end(0)));

        std::size_t whole = 0, end = front_end(0);  // members of the fronts that fit, and of one front more
        while (end <= count && end < order.size()) {
            whole = end;
            end = front_end(whole);
        }
        if (end <= count) whole = end;
        for (std::size_t i = 0; i < whole; ++i) survivors.push_back(order[i]);
        if (survivors.size() < std::min(count, order.size())) {
            detail::UnitDirections units(directions, number, m);
            detail::Niches niches(number);
            std::vector<double> point(m);
            for (std::size_t i = 0; i < end; ++i) {
                scale.normalise(finite.data() + order[i] * m, point.data());
                const std::uint32_t nearest = units.nearest(point.data());
                if (i < whole)
                    niches.hold(nearest);
                else
                    niches.add(nearest, {units.distance(point.data(), nearest), order[i]});
            }
            niches.choose(count - whole, draws, survivors);
        }
        for (std::uint32_t& survivor : survivors) survivor = rows[survivor];
    }
    failed.resize(std::min(failed.size(), count - survivors.size()));
    survivors.insert(survivors.end(), failed.begin(), failed.end());
    return survivors;
}

}  // namespace efficient_nas
