// NSGA-II over architectures themselves instead of genotypes (Deb, Pratap, Agarwal and Meyarivan 2002), as
// ask and tell.
//
// Parents win binary tournaments. Half of the children are spliced from two parents where these have tensors
// to be spliced at (graph_crossover.hpp), half of those and all others are mutated (graph_mutation.hpp).
// Departure from the paper: an architecture, by its canonical bytes, is evaluated once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/evolution/population.hpp"
#include "efficient_nas/graph/canonical_architecture.hpp"
#include "efficient_nas/graph/graph_crossover.hpp"
#include "efficient_nas/graph/graph_mutation.hpp"
#include "efficient_nas/key_set.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/workers.hpp"

namespace efficient_nas {

class GraphNsga2 {
  public:
    GraphNsga2(const std::vector<Graph>& initial, std::size_t population_size, std::uint64_t seed,
               std::vector<MutationKind> kinds, const GraphLimits& limits)
        : population_size_(population_size), seed_(seed), kinds_(std::move(kinds)), limits_(limits) {
        if (population_size < 2 || population_size > kMostMembers)
            fail("population_size must be between 2 and 2^31 - 1, got " + std::to_string(population_size));
        if (initial.empty()) fail("initial must hold at least one architecture");
        if (kinds_.empty()) fail("kinds must not be empty");
        for (const Graph& graph : initial) {
            check_compatible("ArchitectureNSGA2: initial", initial.front(), graph);
            initial_.push_back(normal_form(graph).graph());
        }
    }

    GraphNsga2(const GraphNsga2&) = delete;  // its breeders refer to it
    GraphNsga2& operator=(const GraphNsga2&) = delete;

    // Asks for architectures to be evaluated and returns how many there are; the same ones until they are
    // told. First the distinct initial ones, and mutants of them until there are population_size; then n
    // children, or fewer when hardly anything new is found.
    std::size_t ask(std::size_t n, Workers& workers) {
        if (pending_) return asked_.size();
        while (breeders_.size() < workers.threads()) breeders_.push_back({Breeder(*this)});
        if (population_.size() == 0) {
            for (const Graph& graph : initial_) {
                Candidate candidate{graph, {}};
                breeders_.front().value.write(candidate);
                keep_if_new(candidate);
            }
            n = population_size_;
        }
        constexpr std::size_t kTries = 20;    // for each child wanted, before nothing new is left
        constexpr std::size_t kPiece = 4;     // some ten microseconds
        constexpr std::size_t kRound = 1024;  // what fits the second-level cache
        for (std::size_t tries = 0; tries < kTries * n && asked_.size() < n; tries += candidates_.size()) {
            candidates_.resize(std::min({n - asked_.size(), kTries * n - tries, kRound}));
            workers.for_each_piece_in_order(
                candidates_.size(), kPiece,
                [&](std::size_t begin, std::size_t end, std::size_t thread) {
                    for (std::size_t i = begin; i < end; ++i)
                        breeders_[thread].value.breed(streams_ + i, candidates_[i]);
                },
                [&](std::size_t begin, std::size_t end) {
                    for (std::size_t i = begin; i < end; ++i)
                        if (candidates_[i].graph) keep_if_new(candidates_[i]);
                    return true;
                });
            streams_ += candidates_.size();
        }
        pending_ = !asked_.empty();
        return asked_.size();
    }

    // What was asked for, in normal form.
    const std::vector<Graph>& asked() const { return asked_; }

    // values [n, m] of what was asked for, minimised; a row with a NaN has failed.
    void tell(const double* values, std::size_t n, std::size_t m) {
        if (!pending_ || n != asked_.size())
            fail("tell: values must have one row for each architecture asked for (" +
                 std::to_string(pending_ ? asked_.size() : 0) + "), got " + std::to_string(n));
        if (m == 0) fail("tell: values must have at least one column");
        if (population_.size() == 0) population_ = Population(kIndexBytes, m);
        if (m != population_.num_objectives())
            fail("tell: values must have " + std::to_string(population_.num_objectives()) +
                 " columns as before, got " + std::to_string(m));
        std::vector<std::uint8_t> rows(n * kIndexBytes);
        for (std::size_t i = 0; i < n; ++i) {
            const auto index = static_cast<std::uint32_t>(graphs_.size());
            std::memcpy(rows.data() + i * kIndexBytes, &index, kIndexBytes);
            graphs_.push_back(std::make_unique<const Graph>(std::move(asked_[i])));
        }
        asked_.clear();
        pending_ = false;
        population_.append({n, rows.data(), values}, 0);
        population_.select(population_size_);
        forget_the_dead();
    }

    std::size_t size() const { return population_.size(); }
    std::size_t num_objectives() const { return population_.num_objectives(); }
    // Of the members from best to worst: how many were evaluated before it, and its values.
    std::uint32_t member(std::size_t i) const {
        std::uint32_t index = 0;
        std::memcpy(&index, population_.genotype(i), kIndexBytes);
        return index;
    }
    const std::vector<double>& values() const { return population_.values(); }

  private:
    static constexpr std::size_t kIndexBytes = sizeof(std::uint32_t);

    [[noreturn]] static void fail(const std::string& message) {
        throw std::invalid_argument("ArchitectureNSGA2: " + message);
    }

    struct Candidate {
        std::optional<Graph> graph;  // in normal form; none if the parents allowed none
        std::vector<std::uint8_t> bytes;
    };

    // Makes candidates; each thread has one.
    class Breeder {
      public:
        explicit Breeder(const GraphNsga2& search) : search_(&search), mutator_(search.limits_) {}

        // A child whose output is not always zero, from the draws of its stream.
        void breed(std::uint64_t stream, Candidate& child) {
            RandomStream random(search_->seed_, stream);
            child.graph.reset();
            const Graph& parent = search_->select_parent(random);
            std::optional<Graph> spliced;
            if (random.below(2) == 0) {
                const Graph& other = search_->select_parent(random);
                const bool alive = !parent.is_zero(parent.output()) && !other.is_zero(other.output());
                if (alive && crossover_.cross(parent, other, random, parts_, search_->limits_.max_nodes))
                    spliced = parts_.graph();
                if (spliced && random.below(2) == 0) {
                    child.graph = std::move(spliced);
                    return write(child);
                }
            }
            mutator_.mutate(spliced ? *spliced : parent, search_->kinds_, random, parts_,
                            [&](const GraphParts& parts) {
                                child.graph = parts.graph();
                                if (child.graph->is_zero(child.graph->output())) child.graph.reset();
                                return child.graph.has_value();
                            });
            if (!child.graph) return;
            if (!in_normal_form(*child.graph)) child.graph = normal_form(*child.graph).graph();
            write(child);
        }

        void write(Candidate& candidate) {
            writer_.write(*candidate.graph, CanonicalKind::kGraph, candidate.bytes);
        }

      private:
        const GraphNsga2* search_;
        GraphMutator mutator_;
        GraphCrossover crossover_;
        GraphParts parts_;
        CanonicalWriter writer_;
    };

    void keep_if_new(Candidate& candidate) {
        if (graphs_.size() + asked_.size() >= UINT32_MAX) fail("more than 2^32 - 2 architectures");
        if (known_.insert(candidate.bytes)) asked_.push_back(std::move(*candidate.graph));
    }

    // The better of two members drawn with replacement; before the first `tell`, any initial architecture.
    const Graph& select_parent(RandomStream& random) const {
        if (population_.size() == 0) return initial_[random.below(initial_.size())];
        const std::size_t a = random.below(size()), b = random.below(size());
        return *graphs_[member(population_.better(b, a) ? b : a)];
    }

    // Frees the graphs of those that did not survive: nothing is bred from them any more.
    void forget_the_dead() {
        std::vector<std::uint32_t> survivors(size());
        for (std::size_t i = 0; i < size(); ++i) survivors[i] = member(i);
        std::sort(survivors.begin(), survivors.end());
        for (const std::uint32_t index : living_)
            if (!std::binary_search(survivors.begin(), survivors.end(), index)) graphs_[index].reset();
        for (std::size_t index = first_unseen_; index < graphs_.size(); ++index)
            if (!std::binary_search(survivors.begin(), survivors.end(), static_cast<std::uint32_t>(index)))
                graphs_[index].reset();
        first_unseen_ = graphs_.size();
        living_ = std::move(survivors);
    }

    const std::size_t population_size_;
    const std::uint64_t seed_;
    const std::vector<MutationKind> kinds_;
    const GraphLimits limits_;
    std::vector<Graph> initial_;
    std::uint64_t streams_ = 0;  // of draws that were used, one for each child
    std::vector<PerThread<Breeder>> breeders_;
    std::vector<Candidate> candidates_;                 // of a round; kept for their memory
    KeySet known_;                                      // canonical bytes of everything asked for
    std::vector<Graph> asked_;                          // some of them after a call that an exception ended
    bool pending_ = false;                              // asked_ is complete and was not told
    Population population_{kIndexBytes, 0};             // a genotype is an index into graphs_
    std::vector<std::unique_ptr<const Graph>> graphs_;  // by evaluation; null once it does not survive
    std::vector<std::uint32_t> living_;                 // ascending, as of the last `tell`
    std::size_t first_unseen_ = 0;
};

}  // namespace efficient_nas
