// Stable sorting of indices by integer keys, in linear time (radix sort, least significant digit first).
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
    constexpr std::size_t kFew = 256;  // below, counting digits costs more than comparing
    if (order.size() < kFew) {
        std::stable_sort(order.begin(), order.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
        return;
    }
    constexpr int kBits = 11;  // 8 KiB of counters: fits the L1 cache next to the data
    constexpr std::size_t kBuckets = std::size_t{1} << kBits;
    using Unsigned = std::make_unsigned_t<Key>;
    const auto digit = [&](std::uint32_t i, int shift) {
        return (static_cast<Unsigned>(keys[i]) >> shift) & (kBuckets - 1);
    };
    Unsigned low = static_cast<Unsigned>(-1), high = 0;
    for (const std::uint32_t i : order) {
        low &= static_cast<Unsigned>(keys[i]);
        high |= static_cast<Unsigned>(keys[i]);
    }
    const Unsigned varying = low ^ high;  // digits in which no two keys differ need no pass
    std::vector<std::uint32_t> sorted(order.size());
    for (int shift = 0; shift < static_cast<int>(8 * sizeof(Key)); shift += kBits) {
        if (((varying >> shift) & (kBuckets - 1)) == 0) continue;
        std::array<std::uint32_t, kBuckets> begin{};
        for (const std::uint32_t i : order) ++begin[digit(i, shift)];
        std::uint32_t total = 0;
        for (std::uint32_t& count : begin) {
            const std::uint32_t here = count;
            count = total;
            total += here;
        }
        for (const std::uint32_t i : order) sorted[begin[digit(i, shift)]++] = i;
        order.swap(sorted);
    }
}

}  // namespace efficient_nas
