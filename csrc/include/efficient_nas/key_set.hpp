// Sets of byte strings. Equality is decided on the bytes; their hash only indexes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "efficient_nas/hash_index.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

// Byte strings one after the other.
class KeyList {
  public:
    std::size_t size() const { return ends_.size(); }

    std::span<const std::uint8_t> operator[](std::size_t i) const {
        const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
        return {bytes_.data() + begin, ends_[i] - begin};
    }

    void push_back(std::span<const std::uint8_t> key) {
        bytes_.insert(bytes_.end(), key.begin(), key.end());
        ends_.push_back(bytes_.size());
    }

    void clear() {
        bytes_.clear();
        ends_.clear();
    }

  private:
    std::vector<std::uint8_t> bytes_;
    std::vector<std::size_t> ends_;
};

class KeySet {
  public:
    std::size_t size() const { return keys_.size(); }

    // Adds the key; false if it was there.
    bool insert(std::span<const std::uint8_t> key) {
        const std::uint64_t hash = hash_bytes(key.data(), key.size());
        const auto same = [&](std::size_t entry) { return std::ranges::equal(keys_[entry], key); };
        if (index_.find(hash, same) != HashIndex::kNone) return false;
        index_.append(hash);
        keys_.push_back(key);
        return true;
    }

  private:
    KeyList keys_;
    HashIndex index_;
};

}  // namespace efficient_nas
