// A set of byte strings for deduplication. Equality is decided on the bytes; their hash only indexes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

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
        if (2 * (keys_.size() + 1) > slots_.size()) grow();
        const std::uint64_t hash = hash_bytes(key.data(), key.size());
        const std::size_t mask = slots_.size() - 1;
        std::size_t slot = hash & mask;
        for (; slots_[slot].index != 0; slot = (slot + 1) & mask)
            if (slots_[slot].hash == hash && equal(keys_[slots_[slot].index - 1], key)) return false;
        keys_.push_back(key);
        slots_[slot] = {hash, keys_.size()};
        return true;
    }

  private:
    struct Slot {
        std::uint64_t hash = 0;
        std::size_t index = 0;  // of the key, plus one; 0 is an empty slot
    };

    static bool equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
        return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
    }

    void grow() {
        constexpr std::size_t kSmallest = 64;
        const std::vector<Slot> old = std::move(slots_);
        slots_.assign(old.empty() ? kSmallest : 2 * old.size(), Slot{});
        const std::size_t mask = slots_.size() - 1;
        for (const Slot& entry : old) {
            if (entry.index == 0) continue;
            std::size_t slot = entry.hash & mask;
            while (slots_[slot].index != 0) slot = (slot + 1) & mask;
            slots_[slot] = entry;
        }
    }

    KeyList keys_;
    std::vector<Slot> slots_;  // open addressing, at most half full
};

}  // namespace efficient_nas
