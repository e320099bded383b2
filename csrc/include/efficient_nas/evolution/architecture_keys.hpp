// Tells architectures apart: by hashes for a first look, exactly by canonical bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "efficient_nas/key_set.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/canonical_form.hpp"

namespace efficient_nas {

// Of a batch of candidates beside the genotypes that were accepted before.
class ArchitectureKeys {
  public:
    // Room that a call overwrites; each thread has its own.
    using Scratch = std::array<std::vector<std::uint8_t>, 2>;

    virtual ~ArchitectureKeys() = default;

    // Whether `read` has to come before any `hash` of a batch, when all of its rows are there.
    virtual bool reads_batches() const = 0;
    // Takes the next batch, rows [n, num_choices]. They must stay until the batch after it.
    virtual void read(const std::uint8_t* rows, std::size_t n) = 0;

    // Of candidate i of the batch, whose row is given: equal for equal architectures. May run in several
    // threads at once, as `same` may.
    virtual std::uint64_t hash(std::size_t i, const std::uint8_t* row, Scratch& scratch) const = 0;
    // Whether it is the architecture of the genotype that was accepted as the `entry`-th.
    virtual bool same(std::size_t i, const std::uint8_t* row, const std::uint8_t* genotype, std::size_t entry,
                      Scratch& scratch) const = 0;

    // Candidate i becomes the next entry.
    virtual void accept(std::size_t i) = 0;
};

// Keys that native code finds: nothing is kept, the bytes of an entry are made again where hashes are equal.
class FormKeys : public ArchitectureKeys {
  public:
    explicit FormKeys(std::shared_ptr<const CanonicalForm> form) : form_(std::move(form)) {}

    bool reads_batches() const override { return false; }
    void read(const std::uint8_t*, std::size_t) override {}

    std::uint64_t hash(std::size_t, const std::uint8_t* row, Scratch& scratch) const override {
        return form_->hash(row, scratch[0]);
    }

    bool same(std::size_t, const std::uint8_t* row, const std::uint8_t* genotype, std::size_t,
              Scratch& scratch) const override {
        if (std::equal(genotype, genotype + form_->num_choices(), row)) return true;
        for (auto& bytes : scratch) bytes.clear();
        form_->append(row, scratch[0]);
        form_->append(genotype, scratch[1]);
        return scratch[0] == scratch[1];
    }

    void accept(std::size_t) override {}

  private:
    std::shared_ptr<const CanonicalForm> form_;
};

// Keys that a function finds for whole batches, because making them is slow: those of entries are kept.
class CallbackKeys : public ArchitectureKeys {
  public:
    // The keys of n genotypes: equal exactly for genotypes that count as the same architecture.
    using Function = std::function<KeyList(const std::uint8_t* genotypes, std::size_t n)>;

    explicit CallbackKeys(Function function) : function_(std::move(function)) {}

    bool reads_batches() const override { return true; }
    void read(const std::uint8_t* rows, std::size_t n) override { batch_ = function_(rows, n); }

    std::uint64_t hash(std::size_t i, const std::uint8_t*, Scratch&) const override {
        return hash_bytes(batch_[i].data(), batch_[i].size());
    }

    bool same(std::size_t i, const std::uint8_t*, const std::uint8_t*, std::size_t entry,
              Scratch&) const override {
        return std::ranges::equal(batch_[i], entries_[entry]);
    }

    void accept(std::size_t i) override { entries_.push_back(batch_[i]); }

  private:
    Function function_;
    KeyList batch_, entries_;
};

}  // namespace efficient_nas
