// Random genotypes: samples, mutants and children of two parents. Row i of a batch uses the stream (seed, i),
// so the results do not depend on threads, and a batch of n rows is the prefix of a batch of m > n.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "efficient_nas/rng.hpp"
#include "efficient_nas/space.hpp"

namespace efficient_nas {

// Many small uniform integers from few random words: each draw takes the high part of fraction * bound and
// leaves the low part for the next. A word serves draws whose bounds multiply to at most 2^32, so that the
// bias of each stays below 2^-32.
class BoundedDraws {
  public:
    BoundedDraws(std::uint64_t seed, std::uint64_t stream) : random_(seed, stream) {}

    // Uniform in [0, bound), 0 < bound <= 2^32.
    std::uint32_t below(std::uint64_t bound) {
        range_ *= bound;
        if (range_ > kMaxRange) {
            fraction_ = random_.next_u64();
            range_ = bound;
        }
        const uint128 product = static_cast<uint128>(fraction_) * bound;
        fraction_ = static_cast<std::uint64_t>(product);
        return static_cast<std::uint32_t>(product >> 64);
    }

  private:
    static constexpr std::uint64_t kMaxRange = std::uint64_t{1} << 32;
    RandomStream random_;
    std::uint64_t fraction_ = 0;
    std::uint64_t range_ = kMaxRange;  // a first bound above 1 fetches a word
};

// Scratch rows of a batch call.
struct SamplingScratch {
    explicit SamplingScratch(const SpaceSpec& space)
        : activity(space.num_choices()), other_activity(space.num_choices()), open(space.num_choices()) {}
    std::vector<std::uint8_t> activity, other_activity, open;
};

inline void draw_unit(const SpaceSpec& space, const Unit& unit, BoundedDraws& draws, std::uint8_t* row) {
    space.set_unit(unit, draws.below(unit.count), row);
}

// Every active choice uniform over its allowed options, ordered pairs uniform over their valid pairs.
inline void sample_row(const SpaceSpec& space, BoundedDraws& draws, std::uint8_t* row,
                       SamplingScratch& scratch) {
    for (const Unit& unit : space.units()) {
        const bool active = space.active(unit.first, row, scratch.activity.data());
        scratch.activity[unit.first] = scratch.activity[unit.second] = active;
        if (active)
            draw_unit(space, unit, draws, row);
        else
            row[unit.first] = row[unit.second] = 0;
    }
}

// out: [n, num_choices].
inline void sample(const SpaceSpec& space, std::uint64_t seed, std::size_t n, std::uint8_t* out) {
    const std::size_t columns = space.num_choices();
    std::uint8_t* const end = out + n * columns;
    SamplingScratch scratch(space);
    for (std::size_t i = 0; i < n; ++i) {
        BoundedDraws draws(seed, i);
        if (space.blocks().empty()) {
            sample_row(space, draws, out, scratch);
            out += columns;
            continue;
        }
        for (const Block& block : space.blocks()) {
            const auto& values = space.block_row(block, draws.below(block.count));
            // A whole word is one store; what it writes too far is overwritten by the columns that follow.
            const bool whole = end - out >= static_cast<std::ptrdiff_t>(Block::kWidth);
            std::memcpy(out, values.data(), whole ? Block::kWidth : block.width);
            out += block.width;
        }
    }
}

// Index into `movable` of a uniformly drawn choice that can change; SIZE_MAX when there is none.
// Rejection keeps it uniform; after a few misses the candidates are counted instead.
template <typename CanChange>
std::size_t draw_movable(const std::vector<std::uint32_t>& movable, BoundedDraws& draws,
                         const CanChange& can_change) {
    constexpr int kTries = 8;
    if (movable.empty()) return SIZE_MAX;
    for (int i = 0; i < kTries; ++i) {
        const std::size_t slot = draws.below(movable.size());
        if (can_change(movable[slot])) return slot;
    }
    const auto count = std::count_if(movable.begin(), movable.end(), can_change);
    if (count == 0) return SIZE_MAX;
    std::uint32_t skip = draws.below(static_cast<std::uint64_t>(count));
    for (std::size_t slot = 0;; ++slot)
        if (can_change(movable[slot]) && skip-- == 0) return slot;
}

// Gives the choice another value, uniform over those that keep the row valid.
inline void change_choice(const SpaceSpec& space, std::size_t choice, BoundedDraws& draws,
                          std::uint8_t* row) {
    const SpaceSpec::Values values = space.values(choice, row);
    std::uint32_t index = draws.below(values.count - 1);
    index += index >= values.current;
    row[choice] = values.begin[index];
}

// After a change: choices that become inactive are zeroed, those that become active are drawn.
// Calls deactivated(choice) for the former.
template <typename Deactivated>
void settle_conditions(const SpaceSpec& space, BoundedDraws& draws, std::uint8_t* row, std::uint8_t* activity,
                       const Deactivated& deactivated) {
    for (const Unit& unit : space.conditional_units()) {
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

// Changes min(mutations, mutable) distinct choices of a valid row; a choice is mutable when it is active and
// has another value that keeps the row valid. Fewer change only where the changes made leave no other choice:
// they switched the rest off, or an ordered pair has no room left.
inline void mutate_row(const SpaceSpec& space, std::size_t mutations, BoundedDraws& draws, std::uint8_t* row,
                       SamplingScratch& scratch) {
    const std::vector<std::uint32_t>& movable = space.movable();
    const bool conditions = space.has_conditions();
    if (!conditions && mutations == 1) {
        const auto can_change = [&](std::uint32_t c) { return space.values(c, row).count > 1; };
        const std::size_t slot = draw_movable(movable, draws, can_change);
        if (slot != SIZE_MAX) change_choice(space, movable[slot], draws, row);
        return;
    }
    constexpr std::uint8_t kClosed = 0, kOpen = 1, kChanged = 2;  // only open choices are drawn
    std::uint8_t* activity = scratch.activity.data();
    if (conditions)
        space.find_active(row, activity);
    else
        std::fill(scratch.activity.begin(), scratch.activity.end(), std::uint8_t{1});
    std::copy(scratch.activity.begin(), scratch.activity.end(), scratch.open.begin());
    std::vector<std::uint8_t>& open = scratch.open;
    const auto can_change = [&](std::uint32_t c) {
        return open[c] == kOpen && space.values(c, row).count > 1;
    };
    if (mutations > 1) {
        const auto count = std::count_if(movable.begin(), movable.end(), can_change);
        mutations = std::min(mutations, static_cast<std::size_t>(count));
    }
    for (std::size_t changed = 0; changed < mutations;) {
        const std::size_t slot = draw_movable(movable, draws, can_change);
        if (slot == SIZE_MAX) return;
        change_choice(space, movable[slot], draws, row);
        open[movable[slot]] = kChanged;
        ++changed;
        if (conditions)
            settle_conditions(space, draws, row, activity, [&](std::size_t c) {
                changed -= open[c] == kChanged;
                open[c] = kClosed;
            });
    }
}

inline void require_valid(const SpaceSpec& space, const char* where, const std::uint8_t* row,
                          std::size_t index, std::uint8_t* activity) {
    if (!space.valid(row, activity))
        throw std::invalid_argument(std::string(where) + ": row " + std::to_string(index) +
                                    " is not valid: " + space.why_invalid(row).value_or(""));
}

// rows, out: [n, num_choices]. Throws std::invalid_argument for a row that is not valid.
inline void mutate(const SpaceSpec& space, const std::uint8_t* rows, std::uint64_t seed,
                   std::size_t mutations, std::size_t n, std::uint8_t* out) {
    const std::size_t columns = space.num_choices();
    SamplingScratch scratch(space);
    if (n > 0) std::memcpy(out, rows, n * columns);
    for (std::size_t i = 0; i < n; ++i, out += columns) {
        require_valid(space, "mutate: genotypes", out, i, scratch.activity.data());
        BoundedDraws draws(seed, i);
        mutate_row(space, mutations, draws, out, scratch);
    }
}

// Uniform crossover of the valid rows a and b, from the first choice to the last; an ordered pair is one
// unit. What is active in the child comes from a parent in which it is active, either one if both, and is
// drawn if none.
inline void crossover_row(const SpaceSpec& space, const std::uint8_t* a, const std::uint8_t* b,
                          BoundedDraws& draws, std::uint8_t* row, SamplingScratch& scratch) {
    if (!space.has_conditions()) {
        for (const Unit& unit : space.units()) {
            const std::uint8_t* parent = draws.below(2) ? b : a;
            row[unit.first] = parent[unit.first];
            row[unit.second] = parent[unit.second];
        }
        return;
    }
    std::uint8_t *in_a = scratch.activity.data(), *in_b = scratch.other_activity.data(),
                 *in_row = scratch.open.data();
    space.find_active(a, in_a);
    space.find_active(b, in_b);
    for (const Unit& unit : space.units()) {
        const std::size_t first = unit.first, second = unit.second;
        in_row[first] = in_row[second] = space.active(first, row, in_row);
        if (!in_row[first]) {
            row[first] = row[second] = 0;
        } else if (!in_a[first] && !in_b[first]) {
            draw_unit(space, unit, draws, row);
        } else {
            const bool from_b = in_a[first] && in_b[first] ? draws.below(2) : in_b[first];
            row[first] = (from_b ? b : a)[first];
            row[second] = (from_b ? b : a)[second];
        }
    }
}

// a, b, out: [n, num_choices]. Throws std::invalid_argument for a row that is not valid.
inline void crossover(const SpaceSpec& space, const std::uint8_t* a, const std::uint8_t* b,
                      std::uint64_t seed, std::size_t n, std::uint8_t* out) {
    const std::size_t columns = space.num_choices();
    SamplingScratch scratch(space);
    for (std::size_t i = 0; i < n; ++i, a += columns, b += columns, out += columns) {
        require_valid(space, "crossover: a", a, i, scratch.activity.data());
        require_valid(space, "crossover: b", b, i, scratch.activity.data());
        BoundedDraws draws(seed, i);
        crossover_row(space, a, b, draws, out, scratch);
    }
}

}  // namespace efficient_nas
