// Regularized (aging) evolution over the genotypes of a space: Real, Aggarwal, Huang and Le 2019, algorithm 1
// (arXiv:1802.01548). One objective, minimised. As in the paper, an architecture may be evaluated again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "efficient_nas/breeding.hpp"
#include "efficient_nas/evolution.hpp"

namespace efficient_nas {

class RegularizedEvolution : public Evolution {
  public:
    RegularizedEvolution(SpaceSpec space, std::size_t population_size, std::size_t sample_size,
                         std::uint64_t seed)
        : Evolution("RegularizedEvolution", std::move(space), seed, nullptr, 1),
          population_size_(population_size),
          sample_size_(sample_size),
          scratch_(space_) {
        if (population_size < 1 || population_size > kMostMembers)
            throw std::invalid_argument(
                "RegularizedEvolution: population_size must be between 1 and 2^31 - 1, got " +
                std::to_string(population_size));
        if (sample_size < 1 || sample_size > population_size)
            throw std::invalid_argument(
                "RegularizedEvolution: sample_size must be between 1 and population_size (" +
                std::to_string(population_size) + "), got " + std::to_string(sample_size));
    }

    std::size_t first_member() const override { return oldest_; }

  protected:
    // A batch comes from one population: mutants of tournament winners.
    void propose(std::size_t n, Workers&) override {
        const bool initial = population_.size() == 0;
        if (initial) n = population_size_;
        asked_.resize(n * num_choices());
        for (std::size_t i = 0; i < n; ++i) {
            std::uint8_t* row = asked_.data() + i * num_choices();
            BoundedDraws draws(seed_, streams_++);
            if (initial) {
                sample_row(space_, draws, row, scratch_.activity.data());
            } else {
                std::copy_n(population_.genotype(tournament(draws)), num_choices(), row);
                mutate_in_place(space_, draws, row, scratch_);
            }
        }
    }

    // Each takes the place of the then oldest member.
    void accept(const Evaluations& evaluations, Workers&) override {
        if (population_.size() == 0) return population_.append(evaluations, generation_);
        for (std::size_t i = 0; i < evaluations.n; ++i) {
            population_.replace(oldest_, evaluations, i, generation_);
            oldest_ = oldest_ + 1 == population_size_ ? 0 : oldest_ + 1;
        }
    }

  private:
    // The fittest of sample_size members drawn with replacement, of equals the first drawn; failed ones lose.
    std::size_t tournament(BoundedDraws& draws) const {
        std::size_t winner = draws.below(population_.size());
        for (std::size_t i = 1; i < sample_size_; ++i) {
            const std::size_t other = draws.below(population_.size());
            if (beats(*population_.values(other), *population_.values(winner))) winner = other;
        }
        return winner;
    }

    const std::size_t population_size_, sample_size_;
    std::size_t oldest_ = 0;
    VariationScratch scratch_;
};

}  // namespace efficient_nas
