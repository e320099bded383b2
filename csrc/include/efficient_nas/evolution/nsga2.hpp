// NSGA-II over the genotypes of a space (Deb, Pratap, Agarwal and Meyarivan 2002), and random search as the
// same algorithm without breeding.
//
// Parents win binary tournaments by front, then crowding distance (PairBreeder); the best of parents and
// children survive. Departure: an architecture is evaluated once. A child that was asked for before is bred
// again, so the search ends when a space holds nothing new.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "efficient_nas/evolution/breeding.hpp"
#include "efficient_nas/evolution/evolution.hpp"

namespace efficient_nas {

// Generations of which the best survive, parents included.
class Generational : public Evolution {
  public:
    std::size_t population_size() const { return population_size_; }

  protected:
    Generational(std::string name, SpaceSpec space, std::size_t population_size, std::uint64_t seed,
                 std::unique_ptr<ArchitectureKeys> keys, std::size_t objectives = 0)
        : Evolution(std::move(name), std::move(space), seed, std::move(keys), objectives),
          population_size_(population_size) {
        if (population_size < 2 || population_size > kMostMembers)
            throw std::invalid_argument(name_ + ": population_size must be between 2 and 2^31 - 1, got " +
                                        std::to_string(population_size));
    }

    void propose(std::size_t n, Workers& workers) override {
        RandomBreeder random(space_);
        if (population_.size() == 0) return gather_new(population_size_, workers, random);
        breed(n, workers);
        gather_new(n, workers, random);
    }

    void accept(const Evaluations& evaluations, Workers&) override {
        population_.append(evaluations, generation_);
        survive();
    }

    // Gathers up to n children of population_.
    virtual void breed(std::size_t n, Workers& workers) = 0;
    // Leaves population_size members in population_.
    virtual void survive() { population_.select(population_size_); }

    const std::size_t population_size_;
};

class Nsga2 : public Generational {
  public:
    Nsga2(SpaceSpec space, std::size_t population_size, std::uint64_t seed,
          std::unique_ptr<ArchitectureKeys> keys)
        : Generational("NSGA2", std::move(space), population_size, seed, std::move(keys)) {}

  private:
    void breed(std::size_t n, Workers& workers) override {
        PairBreeder pairs(space_, population_);
        gather_new(n, workers, pairs);
    }
};

class RandomSearch : public Generational {
  public:
    RandomSearch(SpaceSpec space, std::size_t population_size, std::uint64_t seed,
                 std::unique_ptr<ArchitectureKeys> keys)
        : Generational("RandomSearch", std::move(space), population_size, seed, std::move(keys)) {}

  private:
    void breed(std::size_t, Workers&) override {}
};

}  // namespace efficient_nas
