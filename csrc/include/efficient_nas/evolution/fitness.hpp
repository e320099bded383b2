// Fitness functions that are evaluated without leaving native code.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/space/cell_costs.hpp"
#include "efficient_nas/space/space.hpp"

namespace efficient_nas {

// Objectives of genotypes of one space. Calls may run in several threads at once.
class Fitness {
  public:
    virtual ~Fitness() = default;
    virtual std::size_t num_choices() const = 0;
    virtual std::size_t num_objectives() const = 0;
    // Throws std::invalid_argument unless every genotype of the space can be evaluated.
    virtual void check(const SpaceSpec& space) const {
        if (space.num_choices() != num_choices())
            throw std::invalid_argument("the fitness is for genotypes of " + std::to_string(num_choices()) +
                                        " choices, but the space has " + std::to_string(space.num_choices()));
    }
    // rows [n, num_choices], valid; values [n, num_objectives].
    virtual void evaluate(const std::uint8_t* rows, std::size_t n, double* values) const = 0;
};

// Every option of every choice adds an amount to each objective: an operator table, or a linear predictor.
class AdditiveFitness : public Fitness {
  public:
    // amounts [num_choices][most options][num_objectives]: finite where a choice has
    // an option that is allowed.
    AdditiveFitness(std::size_t num_choices, std::size_t options, std::size_t num_objectives,
                    std::vector<double> amounts)
        : num_choices_(num_choices),
          options_(options),
          num_objectives_(num_objectives),
          amounts_(std::move(amounts)) {
        if (num_choices < 1 || num_objectives < 1 || options < 1 || options > kMaxOptions)
            throw std::invalid_argument("AdditiveFitness: needs choices, 1 to 255 options and objectives");
        if (amounts_.size() != num_choices * options * num_objectives)
            throw std::invalid_argument("AdditiveFitness: amounts has the wrong size");
    }

    std::size_t num_choices() const override { return num_choices_; }
    std::size_t num_objectives() const override { return num_objectives_; }

    void check(const SpaceSpec& space) const override {
        Fitness::check(space);
        for (std::size_t c = 0; c < num_choices_; ++c) {
            if (space.cardinality(c) > options_)
                throw std::invalid_argument("AdditiveFitness: choice " + space.choices()[c].name + " has " +
                                            std::to_string(space.cardinality(c)) +
                                            " options, but amounts are given for " +
                                            std::to_string(options_));
            const ChoiceSpec& choice = space.choices()[c];
            for (std::size_t i = 0; i < choice.options.size() * num_objectives_; ++i) {
                const std::size_t option = i / num_objectives_;
                const double amount = amounts_[c * options_ * num_objectives_ + i];
                if (choice.allowed.test(option) && !std::isfinite(amount))
                    throw std::invalid_argument("AdditiveFitness: amounts must be finite, got " +
                                                std::to_string(amount) + " for option " +
                                                std::to_string(option) + " of choice " + choice.name);
            }
        }
    }

    // Four partial sums, over every fourth choice each: they are added up as (0 + 1) + (2 + 3).
    void evaluate(const std::uint8_t* rows, std::size_t n, double* values) const override {
        for (std::size_t i = 0; i < n; ++i, rows += num_choices_)
            for (std::size_t k = 0; k < num_objectives_; ++k) *values++ = sum(rows, k);
    }

  private:
    double sum(const std::uint8_t* row, std::size_t objective) const {
        constexpr std::size_t kSums = 4;
        const std::size_t step = options_ * num_objectives_;
        const double* amounts = amounts_.data() + objective;
        std::array<double, kSums> sums{};
        std::size_t c = 0;
        for (; c + kSums <= num_choices_; c += kSums)
            for (std::size_t s = 0; s < kSums; ++s, amounts += step)
                sums[s] += amounts[row[c + s] * num_objectives_];
        for (; c < num_choices_; ++c, amounts += step) sums[c % kSums] += amounts[row[c] * num_objectives_];
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }

    std::size_t num_choices_, options_, num_objectives_;
    std::vector<double> amounts_;
};

// Values of all combinations of options, looked up: a tabular benchmark.
class TableFitness : public Fitness {
  public:
    // values [product of the cardinalities, num_objectives], in the order of the genotypes (the last choice
    // counts fastest).
    TableFitness(std::vector<std::size_t> cardinalities, std::size_t num_objectives,
                 std::vector<double> values)
        : cardinalities_(std::move(cardinalities)),
          num_objectives_(num_objectives),
          values_(std::move(values)) {
        std::size_t rows = 1;
        for (const std::size_t options : cardinalities_) {
            if (options < 1 || rows > values_.size())
                throw std::invalid_argument("TableFitness: values has too few rows");
            rows *= options;
        }
        if (num_objectives < 1 || values_.size() != rows * num_objectives)
            throw std::invalid_argument("TableFitness: values must have " + std::to_string(rows) + " rows");
    }

    std::size_t num_choices() const override { return cardinalities_.size(); }
    std::size_t num_objectives() const override { return num_objectives_; }

    void check(const SpaceSpec& space) const override {
        Fitness::check(space);
        for (std::size_t c = 0; c < cardinalities_.size(); ++c)
            if (space.cardinality(c) != cardinalities_[c])
                throw std::invalid_argument("TableFitness: choice " + space.choices()[c].name + " has " +
                                            std::to_string(space.cardinality(c)) +
                                            " options, but the table was made for " +
                                            std::to_string(cardinalities_[c]));
    }

    void evaluate(const std::uint8_t* rows, std::size_t n, double* values) const override {
        for (std::size_t i = 0; i < n; ++i, rows += cardinalities_.size()) {
            std::size_t index = 0;
            for (std::size_t c = 0; c < cardinalities_.size(); ++c)
                index = index * cardinalities_[c] + rows[c];
            values = std::copy_n(values_.data() + index * num_objectives_, num_objectives_, values);
        }
    }

  private:
    std::vector<std::size_t> cardinalities_;
    std::size_t num_objectives_;
    std::vector<double> values_;
};

// Costs of networks as objectives.
class CostFitness : public Fitness {
  public:
    enum class Metric : std::uint8_t { kMacs, kParams, kPeakActivationBytes };

    CostFitness(std::shared_ptr<const CostTables> tables, std::vector<Metric> metrics)
        : tables_(std::move(tables)), metrics_(std::move(metrics)) {
        if (metrics_.empty()) throw std::invalid_argument("CostFitness: needs a metric");
    }

    std::size_t num_choices() const override { return tables_->num_choices(); }
    std::size_t num_objectives() const override { return metrics_.size(); }

    void evaluate(const std::uint8_t* rows, std::size_t n, double* values) const override {
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint8_t* row = rows + i * num_choices();
            if (!tables_->accepts(row))
                throw std::invalid_argument("CostFitness: a genotype is not of the space of the costs");
            const NetworkCost cost = tables_->cost(row);
            for (const Metric metric : metrics_)
                *values++ = static_cast<double>(metric == Metric::kMacs     ? cost.macs
                                                : metric == Metric::kParams ? cost.params
                                                                            : cost.peak_bytes);
        }
    }

  private:
    std::shared_ptr<const CostTables> tables_;
    std::vector<Metric> metrics_;
};

// The objectives of several fitness functions, one after the other.
class JoinedFitness : public Fitness {
  public:
    explicit JoinedFitness(std::vector<std::shared_ptr<const Fitness>> parts) : parts_(std::move(parts)) {
        if (parts_.empty()) throw std::invalid_argument("JoinedFitness: needs a part");
        for (const auto& part : parts_) {
            if (part->num_choices() != num_choices())
                throw std::invalid_argument("JoinedFitness: the parts are for genotypes of " +
                                            std::to_string(num_choices()) + " and of " +
                                            std::to_string(part->num_choices()) + " choices");
            num_objectives_ += part->num_objectives();
        }
    }

    std::size_t num_choices() const override { return parts_[0]->num_choices(); }
    std::size_t num_objectives() const override { return num_objectives_; }

    void check(const SpaceSpec& space) const override {
        for (const auto& part : parts_) part->check(space);
    }

    void evaluate(const std::uint8_t* rows, std::size_t n, double* values) const override {
        std::vector<double> some;
        std::size_t column = 0;
        for (const auto& part : parts_) {
            const std::size_t m = part->num_objectives();
            some.resize(n * m);
            part->evaluate(rows, n, some.data());
            for (std::size_t i = 0; i < n; ++i)
                std::copy_n(some.data() + i * m, m, values + i * num_objectives_ + column);
            column += m;
        }
    }

  private:
    std::vector<std::shared_ptr<const Fitness>> parts_;
    std::size_t num_objectives_ = 0;
};

}  // namespace efficient_nas
