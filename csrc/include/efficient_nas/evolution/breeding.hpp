// Where candidates come from: random genotypes, mutants, pairs of children of a ranked population.
//
// A breeder makes broods of kBrood rows. prepare(broods, draws) comes first; then make(brood, draws, rows,
// scratch) for each of them, in any order and in several threads at once, each with draws of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "efficient_nas/evolution/population.hpp"
#include "efficient_nas/space/space.hpp"
#include "efficient_nas/space/space_sampling.hpp"
#include "efficient_nas/space/space_variation.hpp"

namespace efficient_nas {

class RandomBreeder {
  public:
    static constexpr std::size_t kBrood = 1;

    explicit RandomBreeder(const SpaceSpec& space) : space_(space) {}

    void prepare(std::size_t, BoundedDraws&) {}
    void make(std::size_t, BoundedDraws& draws, std::uint8_t* row, VariationScratch& scratch) const {
        sample_row(space_, draws, row, scratch.activity.data());
    }

  private:
    const SpaceSpec& space_;
};

// Changes one choice of a valid row.
inline void mutate_in_place(const SpaceSpec& space, BoundedDraws& draws, std::uint8_t* row,
                            VariationScratch& scratch) {
    if (space.has_conditions()) space.find_active(row, scratch.activity.data());
    mutate_once(space, draws, row, scratch.activity.data());
}

// The two children of two winners of binary tournaments (Deb et al. 2002): uniform crossover with probability
// 0.9 gives both complementary children, and in each of them one choice mutates with probability 1/2.
//
// Contestants come from random permutations of the population, so that everyone competes equally often (Deb's
// program; the paper does not say). Mutating each of c choices with probability 1/c, as the paper does, and
// mutating every child both reached less hypervolume here: docs/design/evolution.md.
class PairBreeder {
  public:
    static constexpr std::size_t kBrood = 2;

    // `population` must be ranked and stay.
    PairBreeder(const SpaceSpec& space, const Population& population)
        : space_(space), population_(population) {}

    void prepare(std::size_t broods, BoundedDraws& draws) {
        contestants_.clear();
        std::vector<std::uint32_t> permutation(population_.size());
        std::iota(permutation.begin(), permutation.end(), 0u);
        while (contestants_.size() < kContestants * broods) {
            for (std::size_t left = permutation.size(); left > 1; --left)
                std::swap(permutation[draws.below(left)], permutation[left - 1]);
            contestants_.insert(contestants_.end(), permutation.begin(), permutation.end());
        }
    }

    void make(std::size_t brood, BoundedDraws& draws, std::uint8_t* rows, VariationScratch& scratch) const {
        constexpr std::uint32_t kCrossoverTenths = 9;
        const std::size_t columns = space_.num_choices();
        const std::uint8_t* a = winner(kContestants * brood);
        const std::uint8_t* b = winner(kContestants * brood + 2);
        if (draws.below(10) < kCrossoverTenths) {
            if (space_.has_conditions()) {
                space_.find_active(a, scratch.activity.data());
                space_.find_active(b, scratch.other_activity.data());
            }
            BoundedDraws same = draws;  // with the parents swapped they give the complementary child
            crossover_row(space_, a, b, draws, rows, scratch);
            scratch.activity.swap(scratch.other_activity);
            crossover_row(space_, b, a, same, rows + columns, scratch);
        } else {
            std::copy_n(a, columns, rows);
            std::copy_n(b, columns, rows + columns);
        }
        for (std::size_t child = 0; child < kBrood; ++child)
            if (draws.below(2) == 0) mutate_in_place(space_, draws, rows + child * columns, scratch);
    }

  private:
    static constexpr std::size_t kContestants = 4;  // of two tournaments

    const std::uint8_t* winner(std::size_t first) const {
        const std::uint32_t a = contestants_[first], b = contestants_[first + 1];
        return population_.genotype(population_.better(b, a) ? b : a);
    }

    const SpaceSpec& space_;
    const Population& population_;
    std::vector<std::uint32_t> contestants_;
};

}  // namespace efficient_nas
