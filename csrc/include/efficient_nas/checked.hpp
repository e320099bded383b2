// 64-bit arithmetic that reports overflow instead of wrapping: costs of absurd sizes are an error, not a
// number.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace efficient_nas {

inline std::int64_t checked_add(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) throw std::invalid_argument("a cost does not fit into 64 bits");
    return sum;
}

inline std::int64_t checked_mul(std::int64_t a, std::int64_t b) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product))
        throw std::invalid_argument("a cost does not fit into 64 bits");
    return product;
}

}  // namespace efficient_nas
