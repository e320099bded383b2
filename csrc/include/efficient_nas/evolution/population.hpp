// Evaluated genotypes side by side: the one type that evolutionary algorithms keep their members in.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "efficient_nas/pareto/pareto.hpp"

namespace efficient_nas {

// Members are numbered with 32 bits while they are ranked, parents and children together.
inline constexpr std::size_t kMostMembers = 0x7FFFFFFF;

// Genotypes that were evaluated together: genotypes [n, num_choices], values [n, num_objectives].
struct Evaluations {
    std::size_t n;
    const std::uint8_t* genotypes;
    const double* values;
};

// Whether a single value beats another: lower, or not a NaN (failed) where the other one is.
inline bool beats(double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); }

// Values are minimised; a member whose evaluation failed has a NaN among them.
class Population {
  public:
    Population(std::size_t num_choices, std::size_t num_objectives)
        : num_choices_(num_choices), num_objectives_(num_objectives) {}

    std::size_t size() const { return births_.size(); }
    std::size_t num_choices() const { return num_choices_; }
    std::size_t num_objectives() const { return num_objectives_; }

    const std::uint8_t* genotype(std::size_t i) const { return genotypes_.data() + i * num_choices_; }
    const double* values(std::size_t i) const { return values_.data() + i * num_objectives_; }
    bool failed(std::size_t i) const { return has_nan(values(i), num_objectives_); }

    // The generation in which each member was evaluated.
    const std::vector<std::int64_t>& births() const { return births_; }
    const std::vector<std::uint8_t>& genotypes() const { return genotypes_; }
    const std::vector<double>& values() const { return values_; }
    // Fronts and crowding distances as of the last `rank` or `select`.
    const std::vector<std::int32_t>& fronts() const { return fronts_; }
    const std::vector<double>& crowding() const { return crowding_; }

    void append(const Evaluations& evaluations, std::int64_t birth) {
        const std::uint8_t* genotypes = evaluations.genotypes;
        genotypes_.insert(genotypes_.end(), genotypes, genotypes + evaluations.n * num_choices_);
        values_.insert(values_.end(), evaluations.values,
                       evaluations.values + evaluations.n * num_objectives_);
        births_.insert(births_.end(), evaluations.n, birth);
    }

    // Adds the members of another population of the same space and objectives.
    void append(const Population& other, std::size_t member) {
        append({1, other.genotype(member), other.values(member)}, other.births_[member]);
    }

    // Puts row `row` of the evaluations in the place of member `i`.
    void replace(std::size_t i, const Evaluations& evaluations, std::size_t row, std::int64_t birth) {
        std::copy_n(evaluations.genotypes + row * num_choices_, num_choices_,
                    genotypes_.begin() + static_cast<std::ptrdiff_t>(i * num_choices_));
        std::copy_n(evaluations.values + row * num_objectives_, num_objectives_,
                    values_.begin() + static_cast<std::ptrdiff_t>(i * num_objectives_));
        births_[i] = birth;
    }

    // The same with a single value.
    void replace(std::size_t i, const std::uint8_t* genotype, double value, std::int64_t birth) {
        std::copy_n(genotype, num_choices_, genotypes_.data() + i * num_choices_);
        values_[i] = value;
        births_[i] = birth;
    }

    // Keeps the `count` best members (all if there are fewer), from best to worst. Fronts and crowding
    // distances are those among all members, as in Deb et al. 2002.
    void select(std::size_t count) {
        Ranking ranking = rank_population(values_.data(), size(), num_objectives_);
        fronts_ = std::move(ranking.fronts);
        crowding_ = std::move(ranking.crowding);
        ranking.order.resize(std::min(count, size()));
        keep(ranking.order);
    }

    // Keeps these members in this order, as equals: none wins against another, except against one that
    // failed.
    void keep_as_equals(std::span<const std::uint32_t> members) {
        fronts_.resize(size());
        for (std::size_t i = 0; i < size(); ++i) fronts_[i] = failed(i) ? 1 : 0;
        crowding_.assign(size(), 0.0);
        keep(members);
    }

    // Keeps the first `count` members, the best ones after `select`.
    void truncate(std::size_t count) {
        genotypes_.resize(count * num_choices_);
        values_.resize(count * num_objectives_);
        births_.resize(count);
        fronts_.resize(count);
        crowding_.resize(count);
    }

    // Whether member a wins against member b: a lower front, then a larger crowding distance.
    bool better(std::size_t a, std::size_t b) const {
        if (fronts_[a] != fronts_[b]) return fronts_[a] < fronts_[b];
        return crowding_[a] > crowding_[b];
    }

  private:
    void keep(std::span<const std::uint32_t> members) {
        genotypes_ = gathered(genotypes_, members, num_choices_);
        values_ = gathered(values_, members, num_objectives_);
        births_ = gathered(births_, members, 1);
        fronts_ = gathered(fronts_, members, 1);
        crowding_ = gathered(crowding_, members, 1);
    }

    template <typename T>
    static std::vector<T> gathered(const std::vector<T>& rows, std::span<const std::uint32_t> members,
                                   std::size_t width) {
        std::vector<T> kept;
        kept.reserve(members.size() * width);
        for (const std::uint32_t i : members) {
            const auto row = rows.begin() + static_cast<std::ptrdiff_t>(i * width);
            kept.insert(kept.end(), row, row + static_cast<std::ptrdiff_t>(width));
        }
        return kept;
    }

    std::size_t num_choices_, num_objectives_;
    std::vector<std::uint8_t> genotypes_;
    std::vector<double> values_;
    std::vector<std::int64_t> births_;
    std::vector<std::int32_t> fronts_;
    std::vector<double> crowding_;
};

}  // namespace efficient_nas
