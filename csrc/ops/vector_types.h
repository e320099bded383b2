// Compiler vectors of one instruction set, for translation units that are compiled once for each of them
// (with EFFNAS_VECTOR_BYTES). Internal linkage throughout, see depthwise_simd.cpp.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__clang__)
#define EFFNAS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define EFFNAS_UNROLL _Pragma("GCC unroll 16")
#endif

namespace efficient_nas::ops {
namespace {

constexpr int kVectorBytes = EFFNAS_VECTOR_BYTES;

template <int Value>
struct Constant {
    static constexpr int value = Value;
};

template <typename T, int Lanes>
struct VectorOf {
    typedef T type __attribute__((vector_size(sizeof(T) * Lanes)));
};
template <typename T, int Lanes>
using Vector = typename VectorOf<T, Lanes>::type;

// The upper half of a float32.
struct Bfloat16 {
    std::uint16_t bits;
};

template <typename Element>
struct SumType {
    using type = Element;
};
template <>
struct SumType<Bfloat16> {
    using type = float;
};
template <typename Element>
using SumOf = typename SumType<Element>::type;

template <typename Element>
constexpr bool kIsBfloat16 = false;
template <>
constexpr bool kIsBfloat16<Bfloat16> = true;

template <int Lanes, typename Element>
inline Vector<SumOf<Element>, Lanes> load(const Element* source) {
    if constexpr (kIsBfloat16<Element>) {
        Vector<std::uint16_t, Lanes> upper;
        std::memcpy(&upper, source, sizeof(upper));
        return (Vector<float, Lanes>)(__builtin_convertvector(upper, Vector<std::uint32_t, Lanes>) << 16);
    } else {
        Vector<Element, Lanes> values;
        std::memcpy(&values, source, sizeof(values));
        return values;
    }
}

// bfloat16: to nearest, ties to even; a NaN stays one.
template <int Lanes, typename Element>
inline void store(const Vector<SumOf<Element>, Lanes>& sums, Element* target) {
    if constexpr (kIsBfloat16<Element>) {
        using Bits = Vector<std::uint32_t, Lanes>;
        const Bits bits = (Bits)sums;
        const Bits rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
        const Bits is_nan = (Bits)(sums != sums);
        const Bits upper = ((is_nan & (bits | 0x400000u)) | (~is_nan & rounded)) >> 16;
        const auto narrow = __builtin_convertvector(upper, Vector<std::uint16_t, Lanes>);
        std::memcpy(target, &narrow, sizeof(narrow));
    } else {
        std::memcpy(target, &sums, sizeof(sums));
    }
}

// The first `count` lanes from memory, zero in the others.
template <int Lanes, typename Element>
inline Vector<SumOf<Element>, Lanes> load_first(const Element* source, std::int64_t count) {
    Element values[Lanes] = {};
    for (std::int64_t i = 0; i < count; ++i) values[i] = source[i];
    return load<Lanes>(values);
}

template <int Lanes, typename Element>
inline void store_first(const Vector<SumOf<Element>, Lanes>& sums, Element* target, std::int64_t count) {
    Element values[Lanes];
    store<Lanes>(sums, values);
    for (std::int64_t i = 0; i < count; ++i) target[i] = values[i];
}

}  // namespace
}  // namespace efficient_nas::ops
