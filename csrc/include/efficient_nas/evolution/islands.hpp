// NSGA-II on islands: populations that breed on their own and now and then send their best to the next one
// (the ring of Cantu-Paz 1998, "A survey of parallel genetic algorithms"). One history: no architecture is
// evaluated twice, whichever island finds it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/evolution/breeding.hpp"
#include "efficient_nas/evolution/evolution.hpp"

namespace efficient_nas {

class Islands : public Evolution {
  public:
    // population_size: of each island. Every `interval` generations the best `migrants` members of each
    // island are copied to the next one, where they take the place of the worst.
    Islands(SpaceSpec space, std::size_t islands, std::size_t population_size, std::size_t interval,
            std::size_t migrants, std::uint64_t seed, std::unique_ptr<ArchitectureKeys> keys)
        : Evolution("Islands", std::move(space), seed, std::move(keys), 0),
          population_size_(population_size),
          interval_(interval),
          migrants_(migrants),
          islands_(islands, Population(num_choices(), 0)),
          sizes_(islands) {
        require("islands", islands, 2, 65536);
        require("population_size", population_size, 2, kMostMembers / islands);
        require("migration_interval", interval, 1, kMostMembers);
        if (migrants > population_size / 2)
            throw std::invalid_argument("Islands: migrants must be at most half of population_size (" +
                                        std::to_string(population_size / 2) + "), got " +
                                        std::to_string(migrants));
    }

    const std::vector<Population>& islands() const { return islands_; }

  protected:
    // n children are shared out among the islands.
    void propose(std::size_t n, Workers& workers) override {
        RandomBreeder random(space_);
        const bool initial = population_.size() == 0;
        if (initial) n = islands_.size() * population_size_;
        for (std::size_t i = 0; i < islands_.size(); ++i) {
            const std::size_t end = n * (i + 1) / islands_.size();
            if (islands_[i].size() > 0) {  // else the first batch, or a space with too few architectures
                PairBreeder pairs(space_, islands_[i]);
                gather_new(end, workers, pairs);
            }
            gather_new(end, workers, random);
            sizes_[i] = rows_asked();
        }
    }

    void accept(const Evaluations& evaluations, Workers& workers) override {
        const std::size_t m = history_.num_objectives();
        if (generation_ == 0)
            for (Population& island : islands_) island = Population(num_choices(), m);
        workers.for_each_piece(islands_.size(), 1, [&](std::size_t i, std::size_t, std::size_t) {
            const std::size_t begin = i == 0 ? 0 : sizes_[i - 1];
            islands_[i].append({sizes_[i] - begin, evaluations.genotypes + begin * num_choices(),
                                evaluations.values + begin * m},
                               generation_);
            islands_[i].select(population_size_);
        });
        if (generation_ > 0 && static_cast<std::size_t>(generation_) % interval_ == 0) migrate();
        population_ = Population(num_choices(), m);
        for (const Population& island : islands_)
            for (std::size_t member = 0; member < island.size(); ++member) population_.append(island, member);
        population_.select(population_.size());
    }

  private:
    static void require(const char* what, std::size_t value, std::size_t least, std::size_t most) {
        if (value < least || value > most)
            throw std::invalid_argument(std::string("Islands: ") + what + " must be between " +
                                        std::to_string(least) + " and " + std::to_string(most) + ", got " +
                                        std::to_string(value));
    }

    // All islands send before any receives.
    void migrate() {
        const std::vector<Population> before = islands_;
        for (std::size_t i = 0; i < islands_.size(); ++i) {
            const Population& sender = before[i];
            Population& receiver = islands_[(i + 1) % islands_.size()];
            const std::size_t count = std::min(migrants_, sender.size());
            receiver.truncate(std::max(receiver.size(), count) - count);
            for (std::size_t member = 0; member < count; ++member) receiver.append(sender, member);
            receiver.select(receiver.size());
        }
    }

    std::size_t population_size_, interval_, migrants_;
    std::vector<Population> islands_;
    std::vector<std::size_t> sizes_;  // the rows asked for up to the end of each island
};

}  // namespace efficient_nas
