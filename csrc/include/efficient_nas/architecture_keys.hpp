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

#include "efficient_nas/canonical_form.hpp"
#include "efficient_nas/key_set.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/workers.hpp"

namespace efficient_nas {

// Of a batch of candidates beside the genotypes that were accepted before.
class ArchitectureKeys {
  public:
    virtual ~ArchitectureKeys() = default;

    // Takes the next batch, rows [n, num_choices]; hashes [n]. The rows must stay until the batch after it.
    virtual void read(const std::uint8_t* rows, std::size_t n, Workers& workers, std::uint64_t* hashes) = 0;

    // Whether candidate i of the batch is the architecture of the genotype that was accepted as the
    // `entry`-th. May run in several threads at once; scratch is overwritten.
    using Scratch = std::array<std::vector<std::uint8_t>, 2>;
    virtual bool same(std::size_t i, const std::uint8_t* genotype, std::size_t entry,
                      Scratch& scratch) const = 0;

    // Candidate i becomes the next entry.
    virtual void accept(std::size_t i) = 0;
};

// Keys that native code finds: nothing is kept, the bytes of an entry are made again where hashes are equal.
class FormKeys : public ArchitectureKeys {
  public:
    explicit FormKeys(std::shared_ptr<const CanonicalForm> form) : form_(std::move(form)) {}

    void read(const std::uint8_t* rows, std::size_t n, Workers& workers, std::uint64_t* hashes) override {
        constexpr std::size_t kPiece = 256;  // some tens of microseconds
        rows_ = rows;
        scratch_.resize(workers.threads());
        workers.for_each_piece(n, kPiece, [&](std::size_t begin, std::size_t end, std::size_t thread) {
            for (std::size_t i = begin; i < end; ++i) hashes[i] = form_->hash(row(i), scratch_[thread]);
        });
    }

    bool same(std::size_t i, const std::uint8_t* genotype, std::size_t, Scratch& scratch) const override {
        if (std::equal(genotype, genotype + form_->num_choices(), row(i))) return true;
        for (auto& bytes : scratch) bytes.clear();
        form_->append(row(i), scratch[0]);
        form_->append(genotype, scratch[1]);
        return scratch[0] == scratch[1];
    }

    void accept(std::size_t) override {}

  private:
    const std::uint8_t* row(std::size_t i) const { return rows_ + i * form_->num_choices(); }

    std::shared_ptr<const CanonicalForm> form_;
    const std::uint8_t* rows_ = nullptr;
    std::vector<std::vector<std::uint8_t>> scratch_;  // by thread
};

// Keys that a function finds for whole batches, because making them is slow: those of entries are kept.
class CallbackKeys : public ArchitectureKeys {
  public:
    // The keys of n genotypes: equal exactly for genotypes that count as the same architecture.
    using Function = std::function<KeyList(const std::uint8_t* genotypes, std::size_t n)>;

    explicit CallbackKeys(Function function) : function_(std::move(function)) {}

    void read(const std::uint8_t* rows, std::size_t n, Workers&, std::uint64_t* hashes) override {
        batch_ = function_(rows, n);
        for (std::size_t i = 0; i < n; ++i) hashes[i] = hash_bytes(batch_[i].data(), batch_[i].size());
    }

    bool same(std::size_t i, const std::uint8_t*, std::size_t entry, Scratch&) const override {
        return std::ranges::equal(batch_[i], entries_[entry]);
    }

    void accept(std::size_t i) override { entries_.push_back(batch_[i]); }

  private:
    Function function_;
    KeyList batch_, entries_;
};

}  // namespace efficient_nas
