// Children of members of a population.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "efficient_nas/space.hpp"
#include "efficient_nas/space_sampling.hpp"
#include "efficient_nas/space_variation.hpp"

namespace efficient_nas {

// A mutant of a valid row: one choice changes.
inline void breed_mutant(const SpaceSpec& space, const std::uint8_t* parent, BoundedDraws& draws,
                         std::uint8_t* row, VariationScratch& scratch) {
    std::copy_n(parent, space.num_choices(), row);
    if (space.has_conditions()) space.find_active(row, scratch.activity.data());
    mutate_once(space, draws, row, scratch.activity.data());
}

// Draws parents with parent(draws), crosses two with probability 0.9 (Deb et al. 2002, section IV; uniformly)
// and mutates one choice (1/c for each of c choices is the paper's expectation).
template <typename Parent>
void breed_child(const SpaceSpec& space, const Parent& parent, BoundedDraws& draws, std::uint8_t* row,
                 VariationScratch& scratch) {
    constexpr std::uint32_t kCrossoverTenths = 9;
    const std::uint8_t* a = parent(draws);
    if (draws.below(10) >= kCrossoverTenths) return breed_mutant(space, a, draws, row, scratch);
    const std::uint8_t* b = parent(draws);
    if (space.has_conditions()) {
        space.find_active(a, scratch.activity.data());
        space.find_active(b, scratch.other_activity.data());
    }
    crossover_row(space, a, b, draws, row, scratch);
    if (space.has_conditions()) space.find_active(row, scratch.activity.data());
    mutate_once(space, draws, row, scratch.activity.data());
}

}  // namespace efficient_nas
