// Regularized (aging) evolution over the genotypes of a space, as ask and tell: Real, Aggarwal, Huang and Le
// 2019, algorithm 1 (arXiv:1802.01548). One objective, minimised.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/population.hpp"
#include "efficient_nas/space.hpp"
#include "efficient_nas/space_sampling.hpp"
#include "efficient_nas/space_variation.hpp"

namespace efficient_nas {

class RegularizedEvolution {
  public:
    RegularizedEvolution(SpaceSpec space, std::size_t population_size, std::size_t sample_size,
                         std::uint64_t seed)
        : space_(std::move(space)),
          population_size_(population_size),
          sample_size_(sample_size),
          seed_(seed),
          activity_(space_.num_choices()) {
        if (population_size < 1 || population_size > kMostMembers)
            throw std::invalid_argument(
                "RegularizedEvolution: population_size must be between 1 and 2^31 - 1, got " +
                std::to_string(population_size));
        if (sample_size < 1 || sample_size > population_size)
            throw std::invalid_argument(
                "RegularizedEvolution: sample_size must be between 1 and population_size (" +
                std::to_string(population_size) + "), got " + std::to_string(sample_size));
    }

    std::size_t num_choices() const { return space_.num_choices(); }
    // Members as a ring, the oldest at `oldest`; and everything evaluated so far in its order.
    const Population& population() const { return population_; }
    std::size_t oldest() const { return oldest_; }
    const Population& history() const { return history_; }

    // Genotypes [n, num_choices] to be evaluated: the whole random population first, whatever n is, then n
    // mutants of tournament winners; the same ones until they are told.
    const std::vector<std::uint8_t>& ask(std::size_t n) {
        if (!asked_.empty()) return asked_;
        if (n < 1 || n > kMostMembers)
            throw std::invalid_argument(
                "RegularizedEvolution: a batch must have between 1 and 2^31 - 1 rows, got " +
                std::to_string(n));
        const bool initial = population_.size() == 0;
        if (initial) n = population_size_;
        asked_.resize(n * num_choices());
        for (std::size_t i = 0; i < n; ++i) {
            std::uint8_t* row = asked_.data() + i * num_choices();
            BoundedDraws draws(seed_, genotypes_made_++);
            if (initial) {
                sample_row(space_, draws, row, activity_.data());
            } else {
                std::copy_n(population_.genotype(tournament(draws)), num_choices(), row);
                if (space_.has_conditions()) space_.find_active(row, activity_.data());
                mutate_once(space_, draws, row, activity_.data());
            }
        }
        return asked_;
    }

    // values [n] of the genotypes asked for; NaN has failed. Each takes the place of the then oldest member.
    void tell(const double* values, std::size_t n) {
        if (n == 0 || n * num_choices() != asked_.size())
            throw std::invalid_argument(
                "RegularizedEvolution: tell: values must have one row for each genotype asked for (" +
                std::to_string(asked_.size() / num_choices()) + "), got " + std::to_string(n));
        const Evaluations evaluations{n, asked_.data(), values};
        history_.append(evaluations, generation_);
        if (population_.size() == 0) {
            population_.append(evaluations, generation_);
        } else {
            for (std::size_t i = 0; i < n; ++i) {
                population_.replace(oldest_, evaluations, i, generation_);
                oldest_ = oldest_ + 1 == population_size_ ? 0 : oldest_ + 1;
            }
        }
        ++generation_;
        asked_.clear();
    }

  private:
    // The fittest of sample_size members drawn with replacement, of equals the first drawn; failed ones lose.
    std::size_t tournament(BoundedDraws& draws) const {
        std::size_t winner = draws.below(population_.size());
        for (std::size_t i = 1; i < sample_size_; ++i) {
            const std::size_t other = draws.below(population_.size());
            if (!population_.failed(other) &&
                (population_.failed(winner) || *population_.values(other) < *population_.values(winner)))
                winner = other;
        }
        return winner;
    }

    SpaceSpec space_;
    std::size_t population_size_, sample_size_;
    std::uint64_t seed_;
    std::uint64_t genotypes_made_ = 0;  // each draws from a stream of its own
    std::int64_t generation_ = 0;
    Population population_{space_.num_choices(), 1}, history_{space_.num_choices(), 1};
    std::size_t oldest_ = 0;
    std::vector<std::uint8_t> asked_;
    std::vector<std::uint8_t> activity_;  // scratch, [num_choices]
};

}  // namespace efficient_nas
