// Mutation, crossover and repair of genotypes. Row i of a batch depends on the seed and i only
// (space_sampling.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/space.hpp"
#include "efficient_nas/space/space_sampling.hpp"

namespace efficient_nas {

// Rows [num_choices] that a batch call reuses.
struct VariationScratch {
    explicit VariationScratch(const SpaceSpec& space)
        : activity(space.num_choices()), other_activity(space.num_choices()), marks(space.num_choices()) {}
    std::vector<std::uint8_t> activity, other_activity, marks;
};

inline void require_valid(const SpaceSpec& space, const char* where, const std::uint8_t* row,
                          std::size_t index, std::uint8_t* activity) {
    if (!space.valid(row, activity))
        throw std::invalid_argument(std::string(where) + ": row " + std::to_string(index) +
                                    " is not valid: " + space.why_invalid(row).value_or(""));
}

constexpr std::size_t kNoChoice = SIZE_MAX;

// A choice drawn uniformly among those of `movable` that can change, kNoChoice when there is none.
// Rejection keeps it uniform; after a few misses the candidates are counted instead.
template <typename CanChange>
std::size_t draw_movable(const std::vector<std::uint32_t>& movable, BoundedDraws& draws,
                         const CanChange& can_change) {
    constexpr int kTries = 8;
    if (movable.empty()) return kNoChoice;
    for (int i = 0; i < kTries; ++i) {
        const std::uint32_t choice = movable[draws.below(movable.size())];
        if (can_change(choice)) return choice;
    }
    const auto count = std::count_if(movable.begin(), movable.end(), can_change);
    if (count == 0) return kNoChoice;
    std::uint32_t skip = draws.below(static_cast<std::uint64_t>(count));
    for (std::size_t slot = 0;; ++slot)
        if (can_change(movable[slot]) && skip-- == 0) return movable[slot];
}

// Gives the choice another value, uniform over those that keep the row valid.
inline void change_choice(const SpaceSpec& space, std::size_t choice, BoundedDraws& draws,
                          std::uint8_t* row) {
    const SpaceSpec::Values values = space.values(choice, row);
    std::uint32_t index = draws.below(values.count - 1);
    index += index >= values.current;
    row[choice] = values.begin[index];
}

// After a change of `choice`: choices that become inactive are zeroed, those that become active are drawn.
// Calls deactivated(c) for the former.
template <typename Deactivated>
void settle_conditions(const SpaceSpec& space, std::size_t choice, BoundedDraws& draws, std::uint8_t* row,
                       std::uint8_t* activity, const Deactivated& deactivated) {
    const std::vector<Unit>& units = space.conditional_units();
    for (std::size_t u = space.first_dependent(choice); u < units.size(); ++u) {
        const Unit& unit = units[u];
        const bool before = activity[unit.first], now = space.active(unit.first, row, activity);
        if (before == now) continue;
        activity[unit.first] = activity[unit.second] = now;
        if (now) {
            draw_unit(space, unit, draws, row);
            continue;
        }
        row[unit.first] = row[unit.second] = 0;
        deactivated(unit.first);
        if (unit.second != unit.first) deactivated(unit.second);
    }
}

// Changes one mutable choice of a valid row: one that is active and has another value that keeps the row
// valid. activity [num_choices] is that of the row when the space has conditions.
inline void mutate_once(const SpaceSpec& space, BoundedDraws& draws, std::uint8_t* row,
                        std::uint8_t* activity) {
    const bool conditions = space.has_conditions();
    const auto can_change = [&](std::uint32_t c) {
        return (!conditions || activity[c]) && space.values(c, row).count > 1;
    };
    const std::size_t choice = draw_movable(space.movable(), draws, can_change);
    if (choice == kNoChoice) return;
    change_choice(space, choice, draws, row);
    if (conditions) settle_conditions(space, choice, draws, row, activity, [](std::size_t) {});
}

// Changes min(mutations, mutable) distinct choices that are active before and after. Fewer change only where
// the changes already made leave no mutable choice: they switched the rest off, or an ordered pair has no
// room left. scratch.activity is that of the row when the space has conditions.
inline void mutate_many(const SpaceSpec& space, std::size_t mutations, BoundedDraws& draws, std::uint8_t* row,
                        VariationScratch& scratch) {
    constexpr std::uint8_t kClosed = 0, kOpen = 1, kChanged = 2;  // only open choices are drawn
    std::vector<std::uint8_t>& marks = scratch.marks;
    if (space.has_conditions())
        marks = scratch.activity;  // what becomes active later stays closed: it is drawn anyway
    else
        std::fill(marks.begin(), marks.end(), kOpen);
    const auto can_change = [&](std::uint32_t c) {
        return marks[c] == kOpen && space.values(c, row).count > 1;
    };
    const std::vector<std::uint32_t>& movable = space.movable();
    if (mutations > space.always_movable()) {
        const auto count = std::count_if(movable.begin(), movable.end(), can_change);
        mutations = std::min(mutations, static_cast<std::size_t>(count));
    }
    for (std::size_t changed = 0; changed < mutations;) {
        const std::size_t choice = draw_movable(movable, draws, can_change);
        if (choice == kNoChoice) return;
        change_choice(space, choice, draws, row);
        marks[choice] = kChanged;
        ++changed;
        settle_conditions(space, choice, draws, row, scratch.activity.data(), [&](std::size_t c) {
            changed -= marks[c] == kChanged;
            marks[c] = kClosed;
        });
    }
}

// rows, out: [n, num_choices]. Throws std::invalid_argument for a row that is not valid.
inline void mutate(const SpaceSpec& space, const std::uint8_t* rows, std::uint64_t seed,
                   std::size_t mutations, std::size_t n, std::uint8_t* out) {
    const std::size_t columns = space.num_choices();
    VariationScratch scratch(space);
    std::uint8_t* activity = scratch.activity.data();
    if (n > 0) std::memcpy(out, rows, n * columns);
    for_each_row(seed, n, [&](std::size_t i, BoundedDraws& draws) {
        std::uint8_t* row = out + i * columns;
        require_valid(space, "mutate: genotypes", row, i, activity);
        if (mutations == 1)
            mutate_once(space, draws, row, activity);
        else
            mutate_many(space, mutations, draws, row, scratch);
    });
}

// Uniform crossover of the valid rows a and b, from the first choice to the last; an ordered pair is one
// unit. What is active in the child comes from a parent in which it is active, either one if both, and is
// drawn if none. scratch.activity and scratch.other_activity are those of a and b when the space has
// conditions.
inline void crossover_row(const SpaceSpec& space, const std::uint8_t* a, const std::uint8_t* b,
                          BoundedDraws& draws, std::uint8_t* row, VariationScratch& scratch) {
    const std::uint8_t* const parents[] = {a, b};
    const std::vector<Unit>& units = space.units();
    const std::uint8_t *in_a = scratch.activity.data(), *in_b = scratch.other_activity.data();
    std::uint8_t* in_row = scratch.marks.data();
    std::uint64_t coins = 0;
    for (std::size_t u = 0; u < units.size(); ++u, coins >>= 1) {
        if (u % 64 == 0) coins = draws.bits();
        const std::size_t first = units[u].first, second = units[u].second;
        std::size_t parent = coins & 1;
        if (space.has_conditions()) {
            in_row[first] = in_row[second] = space.active(first, row, in_row);
            if (!in_row[first]) {
                row[first] = row[second] = 0;
                continue;
            }
            if (!in_a[first] && !in_b[first]) {
                draw_unit(space, units[u], draws, row);
                continue;
            }
            if (in_a[first] != in_b[first]) parent = in_b[first];
        }
        row[first] = parents[parent][first];
        row[second] = parents[parent][second];
    }
}

// a, b, out: [n, num_choices]. Throws std::invalid_argument for a row that is not valid.
inline void crossover(const SpaceSpec& space, const std::uint8_t* a, const std::uint8_t* b,
                      std::uint64_t seed, std::size_t n, std::uint8_t* out) {
    const std::size_t columns = space.num_choices();
    VariationScratch scratch(space);
    for_each_row(seed, n, [&](std::size_t i, BoundedDraws& draws) {
        const std::uint8_t *first = a + i * columns, *second = b + i * columns;
        require_valid(space, "crossover: a", first, i, scratch.activity.data());
        require_valid(space, "crossover: b", second, i, scratch.other_activity.data());
        crossover_row(space, first, second, draws, out + i * columns, scratch);
    });
}

// Makes any row a valid one that keeps what it can, from the first choice to the last: inactive choices get
// 0, an ordered pair the wrong way round is swapped, and what is not allowed is drawn. activity [num_choices]
// is filled.
inline void repair_row(const SpaceSpec& space, BoundedDraws& draws, std::uint8_t* row,
                       std::uint8_t* activity) {
    for (const Unit& unit : space.units()) {
        std::uint8_t &first = row[unit.first], &second = row[unit.second];
        const bool active = space.active(unit.first, row, activity);
        activity[unit.first] = activity[unit.second] = active;
        if (!active) {
            first = second = 0;
            continue;
        }
        const bool pair = unit.first != unit.second;
        if (pair && first > second) std::swap(first, second);
        const bool allowed = space.choices()[unit.first].allowed[first] &&
                             space.choices()[unit.second].allowed[second] && (!pair || first < second);
        if (!allowed) draw_unit(space, unit, draws, row);
    }
}

// rows, out: [n, num_choices].
inline void repair(const SpaceSpec& space, const std::uint8_t* rows, std::uint64_t seed, std::size_t n,
                   std::uint8_t* out) {
    const std::size_t columns = space.num_choices();
    std::vector<std::uint8_t> activity(columns);
    if (n > 0) std::memcpy(out, rows, n * columns);
    for_each_row(seed, n, [&](std::size_t i, BoundedDraws& draws) {
        repair_row(space, draws, out + i * columns, activity.data());
    });
}

}  // namespace efficient_nas
