// Regularized (aging) evolution over the genotypes of a space: Real, Aggarwal, Huang and Le 2019, algorithm 1
// (arXiv:1802.01548). One objective, minimised. As in the paper, an architecture may be evaluated again.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/evolution/breeding.hpp"
#include "efficient_nas/evolution/evolution.hpp"

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

    // Cycle by cycle, the same as the general way in a quarter of its time: candidates are written where they
    // stay, and random blocks made some cycles ahead.
    std::size_t run(const Fitness& fitness, const std::vector<double>& signs, std::size_t batches,
                    std::size_t n, std::chrono::steady_clock::time_point deadline,
                    Workers& workers) override {
        if (n != 1) return Evolution::run(fitness, signs, batches, n, deadline, workers);
        std::size_t told = 0;
        if (pending() || population_.size() == 0)
            told = Evolution::run(fitness, signs, std::min<std::size_t>(batches, 1), n, deadline, workers);
        std::array<RandomStream::Block, kAhead> blocks;
        while (told < batches) {
            const std::size_t cycles = std::min(kAhead, batches - told);
            require_generations(cycles);
            for (std::size_t i = 0; i < cycles; ++i)
                blocks[i] = RandomStream::first_block(seed_, streams_ + i);
            for (std::size_t i = 0; i < cycles; ++i) {
                BoundedDraws draws(seed_, streams_++, blocks[i]);
                std::uint8_t* row = history_.append_genotype();
                breed(draws, row);
                double value = 0.0;
                fitness.evaluate(row, 1, &value);
                value = std::isfinite(value) ? signs[0] * value : std::numeric_limits<double>::quiet_NaN();
                history_.append_value(value, generation_);
                die_and_take_place(row, value);
                ++generation_;
            }
            told += cycles;
            if (told % kLook <= kAhead && std::chrono::steady_clock::now() > deadline) break;
        }
        return told;
    }

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
                breed(draws, row);
            }
        }
    }

    // Each takes the place of the then oldest member.
    void accept(const Evaluations& evaluations, Workers&) override {
        if (population_.size() == 0) {
            population_.append(evaluations, generation_);
            for (std::size_t i = 0; i < evaluations.n; ++i) scores_.push_back(score(evaluations.values[i]));
            return;
        }
        for (std::size_t i = 0; i < evaluations.n; ++i)
            die_and_take_place(evaluations.genotypes + i * num_choices(), evaluations.values[i]);
    }

  private:
    static constexpr std::size_t kAhead = 32;

    // Failed members lose against all others: values are finite.
    static double score(double value) {
        return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
    }

    void die_and_take_place(const std::uint8_t* genotype, double value) {
        population_.replace(oldest_, genotype, value, generation_);
        scores_[oldest_] = score(value);
        oldest_ = oldest_ + 1 == population_size_ ? 0 : oldest_ + 1;
    }

    // A mutant of the fittest of sample_size members drawn with replacement, of equals the first drawn.
    void breed(BoundedDraws& draws, std::uint8_t* row) {
        std::size_t winner = draws.below(population_size_);
        double lowest = scores_[winner];
        for (std::size_t i = 1; i < sample_size_; ++i) {
            const std::size_t other = draws.below(population_size_);
            const double value = scores_[other];
            winner = value < lowest ? other : winner;
            lowest = value < lowest ? value : lowest;
        }
        std::copy_n(population_.genotype(winner), num_choices(), row);
        mutate_in_place(space_, draws, row, scratch_);
    }

    const std::size_t population_size_, sample_size_;
    std::size_t oldest_ = 0;
    std::vector<double> scores_;  // of the members
    VariationScratch scratch_;
};

}  // namespace efficient_nas
