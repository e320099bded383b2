// Volume of the union of boxes [0, extent] in four to eight dimensions, by cutting space into cells.
//
// In a cell, a box that spans all dimensions but one fills a slab at the cell's lower side: the slab counts
// and the cell shrinks by it (the simplification of Chan 2013, "Klee's measure problem made easy", which
// needs no bookkeeping for boxes that share a corner). Six boxes or less are counted by inclusion and
// exclusion. Else the cell is cut in two at a side of its largest box (the pivots of quick hypervolume:
// Russo and Francisco 2014, Jaszkiewicz 2018). Every cell adds a positive volume, so nothing cancels.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <vector>

#include "efficient_nas/pareto/box_volume.hpp"
#include "efficient_nas/pareto/corner.hpp"

namespace efficient_nas::detail {

// M is the number of dimensions.
template <std::size_t M>
class CellVolume {
  public:
    double volume(const Boxes& boxes) {
        rows_.assign(boxes.size(), Corner<M>::filled(1.0));
        for (std::size_t i = 0; i < boxes.size(); ++i)
            for (std::size_t k = 0; k < M; ++k) rows_[i].set(k, boxes[i][k]);
        Cell all{Corner<M>::filled(0.0), Corner<M>::filled(1.0), 0, rows_.size()};
        for (std::size_t k = 0; k < M; ++k) {
            double longest = 0.0;
            for (const Corner<M>& row : rows_) longest = std::max(longest, row[k]);
            all.high.set(k, longest);
        }
        volume_ = 0.0;
        visit(all);
        while (!pending_.empty()) {
            const Cell cell = pending_.back();
            pending_.pop_back();
            cut(cell);
        }
        return volume_;
    }

  private:
    // The cell from corner `low` to corner `high` and the boxes in it, rows_[begin, end): cut at `high`, and
    // reaching into the cell in all dimensions.
    struct Cell {
        Corner<M> low, high;
        std::size_t begin, end;
    };

    // Counts what slabs fill, and the rest if that is easy; else leaves the cell to be cut.
    void visit(Cell& cell) {
        if (without_slabs(cell)) count_few(cell);
    }

    // More boxes than that cost more this way than the cells they leave after a cut.
    void count_few(const Cell& cell) {
        switch (cell.end - cell.begin) {
            case 0:
                return;
            case 1:
                return count<1>(cell);
            case 2:
                return count<2>(cell);
            case 3:
                return count<3>(cell);
            case 4:
                return count<4>(cell);
            case 5:
                return count<5>(cell);
            case 6:
                return count<6>(cell);
            default:
                pending_.push_back(cell);
        }
    }

    template <std::size_t N>
    using Few = std::array<Corner<M>, N>;

    template <std::size_t N>
    void count(const Cell& cell) {
        Few<N> boxes;
        std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(cell.begin), N, boxes.begin());
        volume_ += union_from(cell.low, boxes);
    }

    // Volume of the union of boxes from `low` on, by inclusion and exclusion: 2^N - 1 terms.
    template <std::size_t N>
    static double union_from(const Corner<M>& low, const Few<N>& high) {
        const double last = volume_between(low, high[N - 1]);
        if constexpr (N > 1) {
            Few<N - 1> others, shared;
            for (std::size_t i = 0; i + 1 < N; ++i) {
                others[i] = high[i];
                shared[i] = smaller(high[i], high[N - 1]);
            }
            return last + (union_from(low, others) - union_from(low, shared));
        } else {
            return last;
        }
    }

    // Counts slabs and takes them away from the cell; false if nothing is left of it.
    bool without_slabs(Cell& cell) {
        const Corner<M> low = cell.low;
        std::size_t kept = cell.begin;
        for (std::size_t i = cell.begin; i < cell.end; ++i) {
            const Corner<M> row = rows_[i];
            const unsigned sides = less_mask(row, cell.high);
            rows_[kept] = row;
            if ((sides & (sides - 1)) != 0) {
                ++kept;
                continue;
            }
            if (sides == 0) {
                volume_ += volume_between(cell.low, cell.high);
                return false;
            }
            const auto k = static_cast<std::size_t>(std::countr_zero(sides));
            if (row[k] <= cell.low[k]) continue;
            Corner<M> top = cell.high;
            top.set(k, row[k]);
            volume_ += volume_between(cell.low, top);
            cell.low.set(k, row[k]);
        }
        cell.end = kept;
        if (less_mask(low, cell.low) == 0) return true;
        kept = cell.begin;
        for (std::size_t i = cell.begin; i < cell.end; ++i) {
            const Corner<M> row = rows_[i];
            rows_[kept] = row;
            kept += less_mask(cell.low, row) == Corner<M>::kAll;
        }
        cell.end = kept;
        return true;
    }

    // In two, at the side of its largest box that leaves most of the cell above.
    void cut(const Cell& cell) {
        std::size_t largest = cell.begin;
        double most = -1.0;
        for (std::size_t i = cell.begin; i < cell.end; ++i) {
            const double volume = volume_between(cell.low, rows_[i]);
            largest = volume > most ? i : largest;
            most = std::max(volume, most);
        }
        const Corner<M> pivot = rows_[largest];
        std::size_t side = 0;
        double widest = -1.0;
        for (unsigned sides = less_mask(pivot, cell.high); sides != 0; sides &= sides - 1) {
            const auto k = static_cast<std::size_t>(std::countr_zero(sides));
            const double above = (cell.high[k] - pivot[k]) / (cell.high[k] - cell.low[k]);
            if (above > widest) {
                widest = above;
                side = k;
            }
        }

        Cell below = cell, above = cell;
        const std::size_t most_rows = cell.end + (cell.end - cell.begin);
        if (rows_.size() < most_rows) rows_.resize(2 * most_rows);
        above.low.set(side, pivot[side]);
        above.begin = above.end = cell.end;
        below.high.set(side, pivot[side]);
        for (std::size_t i = cell.begin; i < cell.end; ++i) {
            const Corner<M> row = rows_[i];
            rows_[above.end] = row;
            above.end += rows_[i][side] > pivot[side];
            rows_[i] = smaller(row, below.high);
        }
        visit(below);
        count_few(above);
    }

    std::vector<Corner<M>> rows_;  // of the pending cells, one after the other
    std::vector<Cell> pending_;
    double volume_ = 0.0;
};

}  // namespace efficient_nas::detail
