// Stable sorting of indices by integer keys, mostly in linear time (radix sort, least significant digit
// first).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace efficient_nas {

// Bits that order like the doubles do; -0.0 and 0.0 are equal. Not for NaN.
inline std::uint64_t ordered_bits(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);
    return (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
}

// Reorders `order` so that keys[order[i]] ascends; equal keys keep their order. Keys are not negative.
template <typename Key>
void stable_sort_by_key(const std::vector<Key>& keys, std::vector<std::uint32_t>& order) {
    const auto less = [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; };
    constexpr std::size_t kFew = 256;  // below, counting digits costs more than comparing
    if (order.size() < kFew) {
        std::stable_sort(order.begin(), order.end(), less);
        return;
    }
    using Unsigned = std::make_unsigned_t<Key>;
    Unsigned low = static_cast<Unsigned>(-1), high = 0;
    for (const std::uint32_t i : order) {
        low &= static_cast<Unsigned>(keys[i]);
        high |= static_cast<Unsigned>(keys[i]);
    }
    const Unsigned varying = low ^ high;

    // Three digits tell most keys apart; what they leave equal is sorted by comparing.
    constexpr int kBits = 11, kDigits = 3;  // 8 KiB of counters: fits the first-level cache next to the data
    constexpr std::size_t kBuckets = std::size_t{1} << kBits;
    const int first = std::max(0, static_cast<int>(std::bit_width(varying)) - kDigits * kBits);
    std::vector<std::uint32_t> sorted(order.size());
    for (int shift = first; shift < static_cast<int>(8 * sizeof(Key)); shift += kBits) {
        if ((varying >> shift) == 0) break;
        const auto digit = [&](std::uint32_t i) {
            return (static_cast<Unsigned>(keys[i]) >> shift) & (kBuckets - 1);
        };
        std::array<std::uint32_t, kBuckets> begin{};
        for (const std::uint32_t i : order) ++begin[digit(i)];
        std::uint32_t total = 0;
        for (std::uint32_t& count : begin) {
            const std::uint32_t here = count;
            count = total;
            total += here;
        }
        for (const std::uint32_t i : order) sorted[begin[digit(i)]++] = i;
        order.swap(sorted);
    }
    if (first == 0) return;
    const auto top = [&](std::uint32_t i) { return static_cast<Unsigned>(keys[i]) >> first; };
    for (auto run = order.begin(); run != order.end();) {
        auto end = run + 1;
        bool differs = false;
        for (; end != order.end() && top(*end) == top(*run); ++end) differs |= keys[*end] != keys[*run];
        if (differs) std::stable_sort(run, end, less);
        run = end;
    }
}

}  // namespace efficient_nas
