// Hypervolume: the volume that a set of points dominates, bounded by a reference point; all objectives
// minimised.
//
// Points are handled as boxes [0, extent] with extent = reference - value > 0, so the volume is that of the
// union. Two objectives: a sweep. Three: HV3D (Fonseca, Paquete and Lopez-Ibanez 2006), O(n log n). Four to
// eight: CellVolume. More: the exclusive volumes of WFG (While, Bradstreet and Barone 2012) in the order of
// the last objective, so that each limit set has one objective less.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <vector>

#include "efficient_nas/pareto/box_volume.hpp"
#include "efficient_nas/pareto/cell_volume.hpp"

namespace efficient_nas {

namespace detail {

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
    if (m == 1) return volume_1d(boxes);
    if (m == 2) return volume_2d(boxes.sorted_by(0));
    if (m == 3) return volume_3d(boxes.sorted_by(2));
    if (m == 4) return CellVolume<4>().volume(boxes);
    if (m == 5) return CellVolume<5>().volume(boxes);
    if (m == 6) return CellVolume<6>().volume(boxes);
    if (m == 7) return CellVolume<7>().volume(boxes);
    if (m == 8) return CellVolume<8>().volume(boxes);

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
    // Scaling by powers of two is exact and keeps products of very large or small extents in range. Each is
    // the product of two factors, because one alone could overflow.
    int exponent = 0;
    std::vector<double> first(m), second(m);
    for (std::size_t k = 0; k < m; ++k) {
        if (std::isinf(longest[k])) return longest[k];
        int own = 0;
        std::frexp(longest[k], &own);
        exponent += own;
        first[k] = std::ldexp(1.0, -(own / 2));
        second[k] = std::ldexp(1.0, -(own - own / 2));
    }
    detail::Boxes scaled(m);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        for (std::size_t k = 0; k < m; ++k) extents[k] = boxes[i][k] * first[k] * second[k];
        scaled.push_back(extents);
    }
    return std::ldexp(detail::union_volume(scaled), exponent);
}

}  // namespace efficient_nas
