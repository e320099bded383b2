// Counter-based random numbers: draw = f(seed, stream, index), so results do not depend on threads or order.
//
// Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), the generator that
// numpy.random.Philox also implements; tests compare the two bit for bit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace efficient_nas {

__extension__ typedef unsigned __int128 uint128;

// The ten-round Philox bijection: 256 random bits for each counter and key.
inline std::array<std::uint64_t, 4> philox4x64(std::array<std::uint64_t, 4> counter,
                                               std::array<std::uint64_t, 2> key) {
    constexpr std::uint64_t kMultiplier0 = 0xD2E7470EE14C6C93u, kMultiplier1 = 0xCA5A826395121157u;
    constexpr std::uint64_t kWeyl0 = 0x9E3779B97F4A7C15u, kWeyl1 = 0xBB67AE8584CAA73Bu;
    for (int round = 0; round < 10; ++round) {
        const uint128 product0 = static_cast<uint128>(kMultiplier0) * counter[0];
        const uint128 product1 = static_cast<uint128>(kMultiplier1) * counter[2];
        counter = {static_cast<std::uint64_t>(product1 >> 64) ^ counter[1] ^ key[0],
                   static_cast<std::uint64_t>(product1),
                   static_cast<std::uint64_t>(product0 >> 64) ^ counter[3] ^ key[1],
                   static_cast<std::uint64_t>(product0)};
        key[0] += kWeyl0;
        key[1] += kWeyl1;
    }
    return counter;
}

// A sequence of draws that belongs to (seed, stream), e.g. stream = row of a batch.
class RandomStream {
  public:
    RandomStream(std::uint64_t seed, std::uint64_t stream) : key_{seed, stream} {}
    // With its first block made ahead: several are made faster together than one after the other.
    using Block = std::array<std::uint64_t, 4>;
    RandomStream(std::uint64_t seed, std::uint64_t stream, const Block& first)
        : key_{seed, stream}, block_(first), counter_(1), position_(0) {}
    static Block first_block(std::uint64_t seed, std::uint64_t stream) {
        return philox4x64({0, 0, 0, 0}, {seed, stream});
    }

    std::uint64_t next_u64() {
        if (position_ == 4) {
            block_ = philox4x64({counter_++, 0, 0, 0}, key_);
            position_ = 0;
        }
        return block_[position_++];
    }

    // Uniform integer in [0, bound), bound > 0. The multiply-shift bias is below bound * 2^-64.
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<uint128>(next_u64()) * bound) >> 64);
    }

    // Uniform double in [0, 1) with 53 random bits.
    double uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

  private:
    std::array<std::uint64_t, 2> key_;
    std::array<std::uint64_t, 4> block_{};
    std::uint64_t counter_ = 0;
    std::size_t position_ = 4;
};

// The finalizer of SplitMix64 (Steele et al. 2014): a cheap bijection for hashing, not a random stream.
inline std::uint64_t mix64(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

// 64-bit hash of a byte string (for indexing; equality is always decided on the bytes themselves).
inline std::uint64_t hash_bytes(const std::uint8_t* bytes, std::size_t size) {
    std::uint64_t hash = mix64(0x9E3779B97F4A7C15u ^ size);
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        std::uint64_t word = 0;
        for (std::size_t b = 0; b < 8; ++b) word |= static_cast<std::uint64_t>(bytes[i + b]) << (8 * b);
        hash = mix64(hash ^ word);
    }
    std::uint64_t tail = 0;
    for (std::size_t b = 0; i + b < size; ++b) tail |= static_cast<std::uint64_t>(bytes[i + b]) << (8 * b);
    return mix64(hash ^ tail);
}

}  // namespace efficient_nas
