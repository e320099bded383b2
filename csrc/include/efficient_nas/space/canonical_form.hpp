// What counts as the same architecture: canonical bytes of genotypes, equal exactly for equal architectures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// Of the genotypes of one space. Calls may run in several threads at once.
class CanonicalForm {
  public:
    virtual ~CanonicalForm() = default;

    virtual std::size_t num_choices() const = 0;

    // Whether the other functions can take the row; less than being a genotype of the space.
    virtual bool accepts(const std::uint8_t* row) const = 0;

    virtual void append(const std::uint8_t* row, std::vector<std::uint8_t>& bytes) const = 0;

    // `hash_bytes` of the canonical bytes. scratch: overwritten.
    virtual std::uint64_t hash(const std::uint8_t* row, std::vector<std::uint8_t>& scratch) const {
        scratch.clear();
        append(row, scratch);
        return hash_bytes(scratch.data(), scratch.size());
    }
};

// Every genotype is an architecture of its own.
class GenotypeForm : public CanonicalForm {
  public:
    explicit GenotypeForm(std::size_t num_choices) : num_choices_(num_choices) {}

    std::size_t num_choices() const override { return num_choices_; }
    bool accepts(const std::uint8_t*) const override { return true; }
    void append(const std::uint8_t* row, std::vector<std::uint8_t>& bytes) const override {
        bytes.insert(bytes.end(), row, row + num_choices_);
    }
    std::uint64_t hash(const std::uint8_t* row, std::vector<std::uint8_t>&) const override {
        return hash_bytes(row, num_choices_);
    }

  private:
    std::size_t num_choices_;
};

}  // namespace efficient_nas
