// Random genotypes. Row i of a batch uses the stream (seed, i), so the results do not depend on threads, and
// a batch of n rows is the prefix of a batch of m > n.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
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

    // 64 random bits.
    std::uint64_t bits() { return random_.next_u64(); }

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

inline void draw_unit(const SpaceSpec& space, const Unit& unit, BoundedDraws& draws, std::uint8_t* row) {
    space.set_unit(unit, draws.below(unit.count), row);
}

// Every active choice uniform over its allowed options, ordered pairs uniform over their valid pairs.
// activity [num_choices] is filled.
inline void sample_row(const SpaceSpec& space, BoundedDraws& draws, std::uint8_t* row,
                       std::uint8_t* activity) {
    for (const Unit& unit : space.units()) {
        const bool active = space.active(unit.first, row, activity);
        activity[unit.first] = activity[unit.second] = active;
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
    std::vector<std::uint8_t> activity(columns);
    for (std::size_t i = 0; i < n; ++i) {
        BoundedDraws draws(seed, i);
        if (space.blocks().empty()) {
            sample_row(space, draws, out, activity.data());
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

}  // namespace efficient_nas
