// What evolutionary algorithms have in common: ask and tell, the history, and never the same architecture
// twice where that is wanted.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/evolution/architecture_keys.hpp"
#include "efficient_nas/evolution/breeding.hpp"
#include "efficient_nas/evolution/fitness.hpp"
#include "efficient_nas/evolution/history.hpp"
#include "efficient_nas/evolution/population.hpp"
#include "efficient_nas/hash_index.hpp"
#include "efficient_nas/space/space.hpp"
#include "efficient_nas/space/space_sampling.hpp"
#include "efficient_nas/space/space_variation.hpp"
#include "efficient_nas/workers.hpp"

namespace efficient_nas {

class Evolution {
  public:
    virtual ~Evolution() = default;
    Evolution(const Evolution&) = delete;
    Evolution& operator=(const Evolution&) = delete;

    const SpaceSpec& space() const { return space_; }
    std::size_t num_choices() const { return space_.num_choices(); }
    // The algorithm's members; empty before the first `tell`.
    const Population& population() const { return population_; }
    // Where population(), a ring, begins.
    virtual std::size_t first_member() const { return 0; }
    const History& history() const { return history_; }

    // Genotypes [rows, num_choices] to be evaluated; the same ones until they are told. The first ones are
    // the algorithm's initial population, whatever n is; then there are n, or less when hardly anything new
    // is left.
    const std::vector<std::uint8_t>& ask(std::size_t n, Workers& workers) {
        if (pending_) return asked_;
        if (n < 1 || n > kMostMembers)
            throw std::invalid_argument(name_ + ": a batch must have between 1 and 2^31 - 1 rows, got " +
                                        std::to_string(n));
        propose(n, workers);
        history_.ask(asked_.data(), rows_asked());
        pending_ = !asked_.empty();
        return asked_;
    }

    // values [n, m] of the genotypes asked for, minimised; a row with a NaN has failed.
    void tell(const double* values, std::size_t n, std::size_t m, Workers& workers) {
        if (!pending_ || n != rows_asked())
            throw std::invalid_argument(
                name_ + ": tell: values must have one row for each genotype asked for (" +
                std::to_string(pending_ ? rows_asked() : 0) + "), got " + std::to_string(n));
        if (m == 0) throw std::invalid_argument(name_ + ": tell: values must have at least one column");
        require_objectives(m);
        if (history_.told() == 0)
            population_ = Population(num_choices(), m);
        else if (m != history_.num_objectives())
            throw std::invalid_argument(name_ + ": tell: values must have " +
                                        std::to_string(history_.num_objectives()) +
                                        " columns as before, got " + std::to_string(m));
        require_generations(1);
        history_.tell(values, n, m, generation_);
        accept({n, asked_.data(), values}, workers);
        ++generation_;
        asked_.clear();
        pending_ = false;
    }

    // Asks for batches of up to n, evaluates and tells them until `batches` were told, nothing new is left or
    // the deadline has passed. Values are multiplied by signs [num_objectives], -1 for what is maximised.
    // Returns how many were told.
    virtual std::size_t run(const Fitness& fitness, const std::vector<double>& signs, std::size_t batches,
                            std::size_t n, std::chrono::steady_clock::time_point deadline, Workers& workers) {
        const std::size_t m = fitness.num_objectives();
        require_objectives(m);
        std::size_t told = 0, since_look = 0;
        while (told < batches) {
            if (since_look >= kLook && std::chrono::steady_clock::now() > deadline) break;
            if (since_look >= kLook) since_look = 0;
            const std::size_t rows = ask(n, workers).size() / num_choices();
            if (rows == 0) break;
            values_.resize(rows * m);
            constexpr std::size_t kPiece = 256;
            workers.for_each_piece(rows, kPiece, [&](std::size_t begin, std::size_t end, std::size_t) {
                fitness.evaluate(asked_.data() + begin * num_choices(), end - begin,
                                 values_.data() + begin * m);
                for (std::size_t i = begin; i < end; ++i) finish(values_.data() + i * m, signs);
            });
            tell(values_.data(), rows, m, workers);
            ++told;
            since_look += rows;
        }
        return told;
    }

  protected:
    // keys: what counts as the same architecture; null if the same one may be asked for again. objectives:
    // how many the algorithm is for, 0 for any number.
    Evolution(std::string name, SpaceSpec space, std::uint64_t seed, std::unique_ptr<ArchitectureKeys> keys,
              std::size_t objectives)
        : name_(std::move(name)),
          space_(std::move(space)),
          seed_(seed),
          keys_(std::move(keys)),
          objectives_(objectives) {}

    // Fills asked_; it may hold genotypes of a call that an exception ended.
    virtual void propose(std::size_t n, Workers& workers) = 0;
    // Takes the values of asked_ into population_.
    virtual void accept(const Evaluations& evaluations, Workers& workers) = 0;

    static constexpr std::size_t kLook = 1024;  // evaluations between two looks at the clock

    bool pending() const { return pending_; }
    std::size_t rows_asked() const { return asked_.size() / num_choices(); }

    // Adds new genotypes to asked_ until it holds `count`, if they can be found in some rounds of candidates
    // from a breeder (breeding.hpp). Each round and each brood of the evolution draws from a stream of its
    // own.
    template <typename Breeder>
    void gather_new(std::size_t count, Workers& workers, Breeder& breeder) {
        constexpr std::size_t kRounds = 20;
        for (std::size_t round = 0; round < kRounds && rows_asked() < count; ++round) {
            const std::size_t missing = count - rows_asked();
            const std::size_t n = round == 0 ? missing : 2 * missing + 16;  // expecting some to be known
            const std::size_t broods = (n + Breeder::kBrood - 1) / Breeder::kBrood;
            add_new(broods, count, workers, breeder);
        }
    }

    void require_generations(std::size_t more) const {
        if (more > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() - generation_))
            throw std::length_error(name_ + ": more than 2^31 - 1 generations");
    }

    // The entry of `history` that is this architecture, or HashIndex::kNone. Needs keys.
    std::size_t find(const std::uint8_t* row) {
        hashes_.resize(1);
        keys_->read(row, 1);
        hashes_[0] = keys_->hash(0, row, comparing_);
        return known_.find(hashes_[0], [&](std::size_t entry) {
            return keys_->same(0, row, genotype(entry), entry, comparing_);
        });
    }

    // Adds a genotype to asked_ that `find` has just looked for in vain.
    void ask_found_new(const std::uint8_t* row) {
        known_.append(hashes_[0]);
        keys_->accept(0);
        asked_.insert(asked_.end(), row, row + num_choices());
    }

    const std::string name_;
    const SpaceSpec space_;
    const std::uint64_t seed_;
    std::uint64_t streams_ = 0;  // of draws that were used
    std::int32_t generation_ = 0;
    Population population_{space_.num_choices(), 0};
    History history_{space_.num_choices()};
    std::vector<std::uint8_t> asked_;

  private:
    void require_objectives(std::size_t m) const {
        if (objectives_ != 0 && m != objectives_)
            throw std::invalid_argument(
                name_ + ": values must have " +
                (objectives_ == 1 ? std::string("one column") : std::to_string(objectives_) + " columns") +
                ", got " + std::to_string(m));
    }

    // A row that failed in one objective has failed in all.
    static void finish(double* values, const std::vector<double>& signs) {
        bool failed = false;
        for (std::size_t k = 0; k < signs.size(); ++k) {
            values[k] *= signs[k];
            failed |= !std::isfinite(values[k]);
        }
        if (failed) std::fill_n(values, signs.size(), std::numeric_limits<double>::quiet_NaN());
    }

    // Of an entry of known_.
    const std::uint8_t* genotype(std::size_t entry) const {
        const std::size_t earlier = history_.asked();
        return entry < earlier ? history_.genotypes()[entry]
                               : asked_.data() + (entry - earlier) * num_choices();
    }

    // Makes candidates and their hashes in parallel; meanwhile the new ones are asked for in their order.
    template <typename Breeder>
    void add_new(std::size_t broods, std::size_t count, Workers& workers, Breeder& breeder) {
        constexpr std::size_t kRows = 64;  // ten to a hundred microseconds
        constexpr std::size_t kBroods = kRows / Breeder::kBrood;
        const std::size_t brood_size = Breeder::kBrood * num_choices(), n = broods * Breeder::kBrood;
        BoundedDraws draws(seed_, streams_++);
        const std::uint64_t first_stream = streams_;
        streams_ += broods;
        breeder.prepare(broods, draws);
        candidates_.resize(broods * brood_size);
        hashes_.resize(n);
        asked_.reserve(count * num_choices());
        while (scratch_.size() < workers.threads()) scratch_.push_back({VariationScratch(space_)});
        hashing_.resize(workers.threads());
        const auto breed = [&](std::size_t begin, std::size_t end, std::size_t thread) {
            for (std::size_t brood = begin; brood < end; ++brood) {
                BoundedDraws own(seed_, first_stream + brood);
                breeder.make(brood, own, candidates_.data() + brood * brood_size, scratch_[thread].value);
            }
        };
        const auto hash = [&](std::size_t begin, std::size_t end, std::size_t thread) {
            for (std::size_t i = begin; i < end; ++i)
                hashes_[i] = keys_->hash(i, candidate(i), hashing_[thread].value);
        };
        const auto accept = [&](std::size_t begin, std::size_t end) { return accept_new(begin, end, count); };
        if (keys_->reads_batches()) {
            workers.for_each_piece_in_order(broods, kBroods, breed, [](auto...) { return true; });
            keys_->read(candidates_.data(), n);
            workers.for_each_piece_in_order(n, kRows, hash, accept);
        } else {
            workers.for_each_piece_in_order(
                broods, kBroods,
                [&](std::size_t begin, std::size_t end, std::size_t thread) {
                    breed(begin, end, thread);
                    hash(begin * Breeder::kBrood, end * Breeder::kBrood, thread);
                },
                [&](std::size_t begin, std::size_t end) {
                    return accept(begin * Breeder::kBrood, end * Breeder::kBrood);
                });
        }
    }

    // Asks for those candidates from `begin` to `end` that are new; returns whether more are wanted.
    bool accept_new(std::size_t begin, std::size_t end, std::size_t count) {
        for (std::size_t i = begin; i < end; ++i) known_.prefetch(hashes_[i]);
        for (std::size_t i = begin; i < end && rows_asked() < count; ++i) {
            const auto same = [&](std::size_t entry) {
                return keys_->same(i, candidate(i), genotype(entry), entry, comparing_);
            };
            if (known_.find(hashes_[i], same) != HashIndex::kNone) continue;
            known_.append(hashes_[i]);
            keys_->accept(i);
            asked_.insert(asked_.end(), candidate(i), candidate(i) + num_choices());
        }
        return rows_asked() < count;
    }

    const std::uint8_t* candidate(std::size_t i) const { return candidates_.data() + i * num_choices(); }

    std::unique_ptr<ArchitectureKeys> keys_;
    const std::size_t objectives_;  // that values must have, or 0
    bool pending_ = false;          // asked_ is complete and was not told
    HashIndex known_;               // of everything asked for so far, with keys
    std::vector<std::uint8_t> candidates_;
    std::vector<std::uint64_t> hashes_;
    std::vector<double> values_;                                 // of `run`
    std::vector<PerThread<VariationScratch>> scratch_;           // by thread
    std::vector<PerThread<ArchitectureKeys::Scratch>> hashing_;  // by thread
    ArchitectureKeys::Scratch comparing_;
};

}  // namespace efficient_nas
