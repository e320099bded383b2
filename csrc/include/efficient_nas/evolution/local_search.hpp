// Local search over the genotypes of a space, one objective, minimised (White, Nolen and Savani 2021,
// "Exploring the loss landscape in neural architecture search", arXiv:2005.02960): from the best of a few
// random genotypes to better neighbours until there is none, then again from a random genotype.
//
// Neighbours come in random order, and the search moves as soon as a batch holds a better one (batches of 1:
// the paper's query_until_lower; of all neighbours: its steepest variant). Departures: no architecture is
// evaluated twice, a known neighbour costs nothing; and the search restarts instead of ending.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/evolution/evolution.hpp"
#include "efficient_nas/space/space_enumeration.hpp"

namespace efficient_nas {

// population(): the point where each climb has ended, the present one last.
class LocalSearch : public Evolution {
  public:
    LocalSearch(SpaceSpec space, std::size_t initial_size, std::uint64_t seed,
                std::unique_ptr<ArchitectureKeys> keys)
        : Evolution("LocalSearch", std::move(space), seed, std::move(keys), 1), initial_size_(initial_size) {
        if (initial_size < 1 || initial_size > kMostMembers)
            throw std::invalid_argument("LocalSearch: initial_size must be between 1 and 2^31 - 1, got " +
                                        std::to_string(initial_size));
    }

  protected:
    void propose(std::size_t n, Workers& workers) override {
        RandomBreeder random(space_);
        if (!climbing_) return gather_new(initial_size_, workers, random);
        while (rows_asked() < n) {
            if (next_ == neighbours_.size()) {
                if (rows_asked() > 0) return;  // one of them may be better
                climbing_ = false;             // a local optimum
                return gather_new(1, workers, random);
            }
            const std::uint8_t* row = neighbours_.data() + next_;
            const std::size_t entry = find(row);
            next_ += num_choices();  // not if finding the key failed: the next call looks again
            if (entry == HashIndex::kNone)
                ask_found_new(row);
            else if (entry < history_.told() && beats(*history_.values()[entry], current_value()))
                move_to(history_.genotypes()[entry], history_.values()[entry]);
        }
    }

    void accept(const Evaluations& evaluations, Workers&) override {
        std::size_t best = 0;
        for (std::size_t i = 1; i < evaluations.n; ++i)
            if (beats(evaluations.values[i], evaluations.values[best])) best = i;
        const std::uint8_t* genotype = evaluations.genotypes + best * num_choices();
        if (!climbing_) {
            population_.append({1, genotype, evaluations.values + best}, generation_);
            climbing_ = true;
            list_neighbours();
        } else if (beats(evaluations.values[best], current_value())) {
            move_to(genotype, evaluations.values + best);
        }
    }

  private:
    double current_value() const { return *population_.values(population_.size() - 1); }

    void move_to(const std::uint8_t* genotype, const double* value) {
        population_.replace(population_.size() - 1, {1, genotype, value}, 0, generation_);
        list_neighbours();
    }

    // Of the present point, shuffled (Fisher and Yates).
    void list_neighbours() {
        const std::size_t columns = num_choices();
        neighbours_ = neighbours(space_, population_.genotype(population_.size() - 1));
        next_ = 0;
        BoundedDraws draws(seed_, streams_++);
        for (std::size_t left = neighbours_.size() / columns; left > 1; --left) {
            const auto chosen =
                neighbours_.begin() + static_cast<std::ptrdiff_t>(draws.below(left) * columns);
            const auto last = neighbours_.begin() + static_cast<std::ptrdiff_t>((left - 1) * columns);
            if (chosen != last) std::swap_ranges(chosen, chosen + static_cast<std::ptrdiff_t>(columns), last);
        }
    }

    const std::size_t initial_size_;
    bool climbing_ = false;
    std::vector<std::uint8_t> neighbours_;  // of the present point
    std::size_t next_ = 0;                  // byte of neighbours_
};

}  // namespace efficient_nas
