// NSGA-III over the genotypes of a space (Deb and Jain 2014), for four and more objectives.
//
// Children are bred as in NSGA-II (PairBreeder), but from parents drawn without preference, as in the paper;
// only members whose evaluation failed lose tournaments. Survivors: reference_niching.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "efficient_nas/evolution/breeding.hpp"
#include "efficient_nas/evolution/nsga2.hpp"
#include "efficient_nas/pareto/reference_niching.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

class Nsga3 : public Generational {
  public:
    // directions [number, objectives]: see check_directions.
    Nsga3(SpaceSpec space, std::size_t population_size, std::uint64_t seed, std::vector<double> directions,
          std::size_t objectives, std::unique_ptr<ArchitectureKeys> keys)
        : Generational("NSGA3", std::move(space), population_size, seed, std::move(keys), objectives),
          directions_(std::move(directions)),
          scale_(objectives) {
        check_directions(name_, directions_, objectives);
    }

  protected:
    void breed(std::size_t n, Workers& workers) override {
        PairBreeder pairs(space_, population_);
        gather_new(n, workers, pairs);
    }

    void survive() override {
        const std::size_t m = population_.num_objectives();
        RandomStream draws(seed_, streams_++);
        population_.keep_as_equals(select_by_reference(population_.values().data(), population_.size(), m,
                                                       directions_.data(), directions_.size() / m,
                                                       population_size_, scale_, draws));
    }

  private:
    std::vector<double> directions_;
    ReferenceScale scale_;
};

}  // namespace efficient_nas
