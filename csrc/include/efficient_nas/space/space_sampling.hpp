// Random genotypes. Row i of a batch depends on the seed and i only, so the results do not depend on threads,
// and a batch of n rows is the prefix of a batch of m > n.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/space.hpp"

namespace efficient_nas {

// Many small uniform integers from few random words: each draw takes the high part of fraction * bound and
// leaves the low part for the next. A word serves draws whose bounds multiply to at most 2^32, so that the
// bias of each stays below 2^-32.
class BoundedDraws {
  public:
    using Words = std::array<std::uint64_t, 2>;

    BoundedDraws(std::uint64_t seed, std::uint64_t stream) : random_(seed, stream) {}
    BoundedDraws(std::uint64_t seed, std::uint64_t stream, const RandomStream::Block& first)
        : random_(seed, stream, first) {}
    // Uses up the words that were made ahead before it draws from the stream.
    BoundedDraws(std::uint64_t seed, std::uint64_t stream, const Words& ahead)
        : ahead_(ahead), left_(ahead.size()), random_(seed, stream) {}

    // 64 random bits.
    std::uint64_t bits() {
        if (left_ == 0) return random_.next_u64();
        const std::uint64_t word = ahead_[0];
        ahead_[0] = ahead_[1];
        --left_;
        return word;
    }

    // Uniform in [0, bound), 0 < bound <= 2^32.
    std::uint32_t below(std::uint64_t bound) {
        range_ *= bound;
        if (range_ > kMaxRange) {
            fraction_ = bits();
            range_ = bound;
        }
        const uint128 product = static_cast<uint128>(fraction_) * bound;
        fraction_ = static_cast<std::uint64_t>(product);
        return static_cast<std::uint32_t>(product >> 64);
    }

  private:
    static constexpr std::uint64_t kMaxRange = std::uint64_t{1} << 32;
    Words ahead_{};
    std::size_t left_ = 0;
    RandomStream random_;
    std::uint64_t fraction_ = 0;
    std::uint64_t range_ = kMaxRange;  // a first bound above 1 fetches a word
};

// Calls work(i, draws) for each row i of a batch. Few rows need more than two words, so a Philox block serves
// two of them before either turns to its own stream (seed, i); the counter {0, 1, 0, 0} occurs in no stream.
// Blocks of several rows are made ahead: such chains of multiplications overlap better than those of whole
// rows. Together it saves a quarter of the time of a mutation.
template <typename Work>
void for_each_row(std::uint64_t seed, std::size_t n, const Work& work) {
    constexpr std::size_t kAhead = 32;  // even
    std::array<BoundedDraws::Words, kAhead> ahead;
    for (std::size_t begin = 0; begin < n; begin += kAhead) {
        const std::size_t end = std::min(begin + kAhead, n);
        for (std::size_t i = begin; i < end; i += 2) {
            const auto block = philox4x64({0, 1, 0, 0}, {seed, i / 2});
            ahead[i - begin] = {block[0], block[1]};
            ahead[i - begin + 1] = {block[2], block[3]};
        }
        for (std::size_t i = begin; i < end; ++i) {
            BoundedDraws draws(seed, i, ahead[i - begin]);
            work(i, draws);
        }
    }
}

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
    for_each_row(seed, n, [&](std::size_t, BoundedDraws& draws) {
        if (space.blocks().empty()) {
            sample_row(space, draws, out, activity.data());
            out += columns;
            return;
        }
        for (const Block& block : space.blocks()) {
            const auto& values = space.block_row(block, draws.below(block.count));
            // A whole word is one store; what it writes too far is overwritten by the columns that follow.
            const bool whole = end - out >= static_cast<std::ptrdiff_t>(Block::kWidth);
            std::memcpy(out, values.data(), whole ? Block::kWidth : block.width);
            out += block.width;
        }
    });
}

}  // namespace efficient_nas
