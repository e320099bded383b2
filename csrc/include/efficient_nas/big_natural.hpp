// Natural numbers without an upper limit: multiplicities double with every sum of a value with itself.
#pragma once

#include <algorithm>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/rng.hpp"

namespace efficient_nas {

class BigNatural {
  public:
    BigNatural() = default;
    explicit BigNatural(std::uint32_t value) : limbs_{value} {}

    bool operator==(const BigNatural&) const = default;
    std::strong_ordering operator<=>(const BigNatural& other) const {
        if (limbs_.size() != other.limbs_.size()) return limbs_.size() <=> other.limbs_.size();
        return std::lexicographical_compare_three_way(limbs_.rbegin(), limbs_.rend(), other.limbs_.rbegin(),
                                                      other.limbs_.rend());
    }

    BigNatural& operator+=(const BigNatural& other) {
        limbs_.resize(std::max(limbs_.size(), other.limbs_.size()));
        std::uint64_t carry = 0;
        for (std::size_t i = 0; i < limbs_.size(); ++i) {
            carry += limbs_[i] + (i < other.limbs_.size() ? std::uint64_t{other.limbs_[i]} : 0);
            limbs_[i] = static_cast<std::uint32_t>(carry);
            carry >>= 32;
        }
        if (carry != 0) limbs_.push_back(static_cast<std::uint32_t>(carry));
        return *this;
    }

    // From the least significant one; the last one is not 0.
    const std::vector<std::uint32_t>& limbs() const { return limbs_; }

  private:
    std::vector<std::uint32_t> limbs_;
};

inline void increase(BigNatural& multiplicity, const BigNatural& by) { multiplicity += by; }

inline std::uint64_t edge_code(const BigNatural& multiplicity) {
    std::uint64_t code = 0;
    for (const std::uint32_t limb : multiplicity.limbs()) code = mix64(code ^ limb);
    return code;
}

// LEB128, as for other numbers.
template <class Bytes>
void write_number(const BigNatural& value, Bytes& bytes) {
    const auto& limbs = value.limbs();
    const std::size_t bits = 32 * limbs.size() - static_cast<std::size_t>(std::countl_zero(limbs.back()));
    for (std::size_t bit = 0; bit < bits; bit += 7) {
        const std::size_t limb = bit / 32;
        const std::uint64_t next = limb + 1 < limbs.size() ? limbs[limb + 1] : 0;
        const std::uint64_t chunk = ((next << 32 | limbs[limb]) >> (bit % 32)) & 127;
        bytes.push_back(static_cast<std::uint8_t>(chunk | (bit + 7 < bits ? 128 : 0)));
    }
}

}  // namespace efficient_nas
