// Finds entries by their hash: entry i is the i-th that was appended. What the entries are, and when two are
// equal, the caller knows. 8 bytes an entry and 8 bytes a slot, at most three quarters of which are used:
// between 19 and 30 bytes an entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "efficient_nas/chunked_rows.hpp"

namespace efficient_nas {

class HashIndex {
  public:
    static constexpr std::size_t kNone = SIZE_MAX;

    std::size_t size() const { return hashes_.size(); }

    // The entry with this hash for which same(entry) holds, or kNone.
    template <typename Same>
    std::size_t find(std::uint64_t hash, const Same& same) const {
        if (slots_.empty()) return kNone;
        for (std::size_t s = first_slot(hash); slots_[s].entry != 0; s = (s + 1) & mask())
            if (slots_[s].tag == tag_of(hash) && same(slots_[s].entry - 1)) return slots_[s].entry - 1;
        return kNone;
    }

    void append(std::uint64_t hash) {
        if (size() >= kMost) throw std::length_error("more than 2^32 - 2 architectures");
        if (4 * (size() + 1) > 3 * slots_.size()) grow();
        hashes_.append(&hash, 1);
        place(hash, static_cast<std::uint32_t>(size()));
    }

    // Brings the place of a hash closer, some time before it is looked for.
    void prefetch(std::uint64_t hash) const {
#if defined(__GNUC__) || defined(__clang__)
        if (!slots_.empty()) __builtin_prefetch(&slots_[first_slot(hash)]);
#else
        static_cast<void>(hash);
#endif
    }

  private:
    static constexpr std::size_t kMost = 0xFFFFFFFE;

    struct Slot {
        std::uint32_t tag = 0;
        std::uint32_t entry = 0;  // plus one; 0 is an empty slot
    };

    // The slot comes from the low bits, the tag from the high ones.
    static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
    std::size_t mask() const { return slots_.size() - 1; }
    std::size_t first_slot(std::uint64_t hash) const { return hash & mask(); }

    void place(std::uint64_t hash, std::uint32_t entry) {
        std::size_t s = first_slot(hash);
        while (slots_[s].entry != 0) s = (s + 1) & mask();
        slots_[s] = {tag_of(hash), entry};
    }

    void grow() {
        constexpr std::size_t kSmallest = 64;
        const std::size_t slots = slots_.empty() ? kSmallest : 2 * slots_.size();
        std::vector<Slot>().swap(slots_);  // frees the old ones first: the hashes are kept apart
        slots_.resize(slots);
        for (std::size_t i = 0; i < size(); ++i) place(*hashes_[i], static_cast<std::uint32_t>(i + 1));
    }

    ChunkedRows<std::uint64_t> hashes_{1};
    std::vector<Slot> slots_;  // open addressing
};

}  // namespace efficient_nas
