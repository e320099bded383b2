// NSGA-II over the genotypes of a space (Deb, Pratap, Agarwal and Meyarivan 2002), as ask and tell.
//
// Parents win binary tournaments by front, then crowding distance; children are made by uniform crossover
// with the paper's probability 0.9 and a mutation of one choice (1/c for each of c choices is the paper's
// expectation). Departure: an architecture is evaluated once. A child whose key (canonical bytes) was asked
// before is bred again, so the search ends when a space holds nothing new.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/key_set.hpp"
#include "efficient_nas/population.hpp"
#include "efficient_nas/space.hpp"
#include "efficient_nas/space_sampling.hpp"
#include "efficient_nas/space_variation.hpp"

namespace efficient_nas {

// The keys of n genotypes: equal exactly for genotypes that count as the same architecture.
using KeyFunction = std::function<KeyList(const std::uint8_t* genotypes, std::size_t n)>;

class Nsga2 {
  public:
    Nsga2(SpaceSpec space, std::size_t population_size, std::uint64_t seed)
        : space_(std::move(space)), population_size_(population_size), seed_(seed), scratch_(space_) {
        if (population_size < 2 || population_size > kMostMembers)
            throw std::invalid_argument("NSGA2: population_size must be between 2 and 2^31 - 1, got " +
                                        std::to_string(population_size));
    }

    std::size_t num_choices() const { return space_.num_choices(); }
    // Members from best to worst, and everything evaluated so far in its order; empty before the first
    // `tell`.
    const Population& population() const { return population_; }
    const Population& history() const { return history_; }

    // Genotypes [n, num_choices] to be evaluated: the initial sample, then one generation of children after
    // the other; the same ones until they are told. n is population_size, or less when hardly anything new is
    // left.
    const std::vector<std::uint8_t>& ask(const KeyFunction& keys_of) {
        if (pending_) return asked_;
        if (population_.size() > 0) gather_new(keys_of, [this](std::uint8_t* row) { breed(row); });
        gather_new(keys_of, [this](std::uint8_t* row) { sample_one(row); });
        pending_ = !asked_.empty();
        return asked_;
    }

    // values [n, m] of the genotypes asked for; a row with a NaN has failed.
    void tell(const double* values, std::size_t n, std::size_t m) {
        if (!pending_ || n * num_choices() != asked_.size())
            throw std::invalid_argument(
                "NSGA2: tell: values must have one row for each genotype asked for (" +
                std::to_string(pending_ ? asked_.size() / num_choices() : 0) + "), got " + std::to_string(n));
        if (m == 0) throw std::invalid_argument("NSGA2: tell: values must have at least one column");
        if (population_.size() == 0) population_ = history_ = Population(num_choices(), m);
        if (m != population_.num_objectives())
            throw std::invalid_argument("NSGA2: tell: values must have " +
                                        std::to_string(population_.num_objectives()) +
                                        " columns as before, got " + std::to_string(m));
        const Evaluations evaluations{n, asked_.data(), values};
        history_.append(evaluations, generation_);
        population_.append(evaluations, generation_);
        population_.select(population_size_);
        ++generation_;
        asked_.clear();
        pending_ = false;
    }

  private:
    static constexpr std::uint32_t kCrossoverTenths = 9;
    static constexpr std::size_t kRounds = 20;  // of candidates, before a space counts as exhausted

    // Adds new genotypes to `asked_` until there are population_size.
    template <typename Make>
    void gather_new(const KeyFunction& keys_of, const Make& make) {
        const std::size_t columns = num_choices();
        for (std::size_t round = 0; round < kRounds && asked_.size() < population_size_ * columns; ++round) {
            const std::size_t missing = population_size_ - asked_.size() / columns;
            const std::size_t n = round == 0 ? missing : 2 * missing + 16;  // expecting some to be known
            candidates_.resize(n * columns);
            for (std::size_t i = 0; i < n; ++i) make(candidates_.data() + i * columns);
            const KeyList keys = keys_of(candidates_.data(), n);
            for (std::size_t i = 0; i < n && asked_.size() < population_size_ * columns; ++i)
                if (known_.insert(keys[i]))
                    asked_.insert(asked_.end(),
                                  candidates_.begin() + static_cast<std::ptrdiff_t>(i * columns),
                                  candidates_.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns));
        }
    }

    void sample_one(std::uint8_t* row) {
        BoundedDraws draws(seed_, candidates_made_++);
        sample_row(space_, draws, row, scratch_.activity.data());
    }

    void breed(std::uint8_t* row) {
        BoundedDraws draws(seed_, candidates_made_++);
        const std::uint8_t* a = population_.genotype(tournament(draws));
        if (draws.below(10) < kCrossoverTenths) {
            const std::uint8_t* b = population_.genotype(tournament(draws));
            find_active(a, scratch_.activity);
            find_active(b, scratch_.other_activity);
            crossover_row(space_, a, b, draws, row, scratch_);
        } else {
            std::copy_n(a, num_choices(), row);
        }
        find_active(row, scratch_.activity);
        mutate_once(space_, draws, row, scratch_.activity.data());
    }

    void find_active(const std::uint8_t* row, std::vector<std::uint8_t>& activity) const {
        if (space_.has_conditions()) space_.find_active(row, activity.data());
    }

    // The better of two members; of equals the first drawn.
    std::size_t tournament(BoundedDraws& draws) const {
        const std::size_t a = draws.below(population_.size()), b = draws.below(population_.size());
        return population_.better(b, a) ? b : a;
    }

    SpaceSpec space_;
    std::size_t population_size_;
    std::uint64_t seed_;
    std::uint64_t candidates_made_ = 0;  // each draws from a stream of its own
    std::int64_t generation_ = 0;
    Population population_{space_.num_choices(), 0}, history_{space_.num_choices(), 0};
    KeySet known_;  // of everything asked for so far
    std::vector<std::uint8_t> asked_, candidates_;
    bool pending_ = false;  // asked_ is complete and was not told
    VariationScratch scratch_;
};

}  // namespace efficient_nas
