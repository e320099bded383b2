// Everything that an evolution asked to be evaluated, in its order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "efficient_nas/chunked_rows.hpp"

namespace efficient_nas {

// Genotypes are appended when they are asked for, their values when they are told.
class History {
  public:
    explicit History(std::size_t num_choices) : genotypes_(num_choices), values_(0), generations_(1) {}

    std::size_t asked() const { return genotypes_.size(); }
    std::size_t told() const { return generations_.size(); }
    // 0 before the first values.
    std::size_t num_objectives() const { return values_.width(); }

    const ChunkedRows<std::uint8_t>& genotypes() const { return genotypes_; }      // [asked, num_choices]
    const ChunkedRows<double>& values() const { return values_; }                  // [told, num_objectives]
    const ChunkedRows<std::int32_t>& generations() const { return generations_; }  // [told]

    void ask(const std::uint8_t* genotypes, std::size_t n) { genotypes_.append(genotypes, n); }

    // values [n, num_objectives] of the next genotypes that were asked for.
    void tell(const double* values, std::size_t n, std::size_t num_objectives, std::int32_t generation) {
        if (told() == 0) values_ = ChunkedRows<double>(num_objectives);
        values_.append(values, n);
        for (std::size_t i = 0; i < n; ++i) generations_.append(&generation, 1);
    }

    // A new genotype [num_choices] and its single value, both to be written by the caller.
    std::uint8_t* append_genotype() { return genotypes_.append(); }
    void append_value(double value, std::int32_t generation) {
        *values_.append() = value;
        *generations_.append() = generation;
    }

  private:
    ChunkedRows<std::uint8_t> genotypes_;
    ChunkedRows<double> values_;
    ChunkedRows<std::int32_t> generations_;
};

}  // namespace efficient_nas
