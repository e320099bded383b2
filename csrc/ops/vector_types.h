// Compiler vectors of one instruction set, for translation units that are compiled once for each of them
// (with EFFNAS_VECTOR_BYTES). Internal linkage throughout, see depthwise_simd.cpp.
#pragma once

#include <cstdint>

#if defined(__clang__)
#define EFFNAS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define EFFNAS_UNROLL _Pragma("GCC unroll 32")
#endif

namespace efficient_nas::ops {
namespace {

constexpr int kVectorBytes = EFFNAS_VECTOR_BYTES;

template <int Value>
struct Constant {
    static constexpr int value = Value;
    constexpr operator std::int64_t() const { return Value; }
};

template <typename T, int Lanes>
struct VectorOf {
    typedef T type __attribute__((vector_size(sizeof(T) * Lanes)));
};
template <typename T, int Lanes>
using Vector = typename VectorOf<T, Lanes>::type;

// The same at any address of a T. A memcpy into a Vector means the same, but GCC 12 then also stores it to
// the stack in some loops.
template <typename T, int Lanes>
struct UnalignedVectorOf {
    typedef T type __attribute__((vector_size(sizeof(T) * Lanes), aligned(alignof(T)), may_alias));
};
template <typename T, int Lanes>
using UnalignedVector = typename UnalignedVectorOf<T, Lanes>::type;

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
        const Vector<std::uint16_t, Lanes> upper =
            *reinterpret_cast<const UnalignedVector<std::uint16_t, Lanes>*>(source);
        return (Vector<float, Lanes>)(__builtin_convertvector(upper, Vector<std::uint32_t, Lanes>) << 16);
    } else {
        return *reinterpret_cast<const UnalignedVector<Element, Lanes>*>(source);
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
        *reinterpret_cast<UnalignedVector<std::uint16_t, Lanes>*>(target) =
            __builtin_convertvector(upper, Vector<std::uint16_t, Lanes>);
    } else {
        *reinterpret_cast<UnalignedVector<Element, Lanes>*>(target) = sums;
    }
}

// Copies `count` elements, 0 <= count < 2 * Most, in powers of two, for each of which there are instructions.
template <int Most, typename Element>
inline void copy_first(const Element* source, Element* target, std::int64_t count) {
    if constexpr (Most > 0) {
        const std::int64_t copied = count & Most;
        if (copied != 0) __builtin_memcpy(target, source, Most * sizeof(Element));
        copy_first<Most / 2>(source + copied, target + copied, count);
    }
}

// The first `count` lanes from memory, zero in the others.
template <int Lanes, typename Element>
inline Vector<SumOf<Element>, Lanes> load_first(const Element* source, std::int64_t count) {
    Element values[Lanes] = {};
    copy_first<Lanes>(source, values, count);
    return load<Lanes>(values);
}

template <int Lanes, typename Element>
inline void store_first(const Vector<SumOf<Element>, Lanes>& sums, Element* target, std::int64_t count) {
    Element values[Lanes];
    store<Lanes>(sums, values);
    copy_first<Lanes>(values, target, count);
}

}  // namespace
}  // namespace efficient_nas::ops
