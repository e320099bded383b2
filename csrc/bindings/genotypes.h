// Genotype arguments of the bindings: uint8 arrays with a column for each choice, checked with a message that
// names the argument. Strided arrays are copied; other dtypes are refused, because values would be cut
// silently.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "checks.h"

namespace nb = nanobind;

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;

inline std::string describe_argument(nb::handle value) {
    AnyArray array;
    if (!nb::try_cast(value, array, false))
        return nb::cast<std::string>(nb::str(value.type().attr("__name__")));
    const nb::dlpack::dtype type = array.dtype();
    const auto code = static_cast<nb::dlpack::dtype_code>(type.code);
    std::string text = code == nb::dlpack::dtype_code::Float  ? "float"
                       : code == nb::dlpack::dtype_code::Int  ? "int"
                       : code == nb::dlpack::dtype_code::UInt ? "uint"
                       : code == nb::dlpack::dtype_code::Bool ? "bool"
                                                              : "dtype of ";
    if (code != nb::dlpack::dtype_code::Bool) text += std::to_string(type.bits);
    text += " [";
    for (std::size_t d = 0; d < array.ndim(); ++d) text += (d ? ", " : "") + std::to_string(array.shape(d));
    return text + "]";
}

// `value` as a uint8 array whose last axis has `columns` entries; `expected` is its shape in words.
template <int Rank>
InputArray<std::uint8_t, Rank> genotype_argument(const char* where, nb::handle value, std::size_t columns,
                                                 const char* expected) {
    InputArray<std::uint8_t, Rank> genotypes;
    if (nb::try_cast(value, genotypes, false) && genotypes.shape(Rank - 1) == columns) return genotypes;
    nb::ndarray<const std::uint8_t, nb::device::cpu> strided;
    const bool bytes = nb::try_cast(value, strided, false);
    if (bytes && strided.ndim() == Rank && strided.shape(Rank - 1) == columns &&
        nb::try_cast(value, genotypes, true))
        return genotypes;
    std::string message(where);
    message.append(bytes ? " must have shape " : " must be a uint8 array ").append(expected);
    message.append(std::to_string(columns)).append("], got ").append(describe_argument(value));
    if (bytes) throw std::invalid_argument(message);
    throw nb::type_error(message.c_str());
}

// `value` as uint8 [n, columns]; `where` is "function: argument".
inline InputArray<std::uint8_t, 2> genotype_batch(const char* where, nb::handle value, std::size_t columns) {
    return genotype_argument<2>(where, value, columns, "[n, ");
}

// `value` as uint8 [columns]: one genotype.
inline InputArray<std::uint8_t, 1> genotype_row(const char* where, nb::handle value, std::size_t columns) {
    return genotype_argument<1>(where, value, columns, "[");
}

inline std::uint64_t seed_argument(const char* where, nb::handle value) {
    std::uint64_t seed = 0;
    if (nb::isinstance<nb::bool_>(value) || !nb::try_cast(value, seed))
        throw std::invalid_argument(std::string(where) + ": seed must be an integer in [0, 2^64), got " +
                                    nb::cast<std::string>(nb::repr(value)));
    return seed;
}

// A non-negative count such as the rows of a sample, at least `least`.
inline std::size_t count_argument(const char* where, nb::handle value, std::int64_t least) {
    std::int64_t count = 0;
    if (nb::isinstance<nb::bool_>(value) || !nb::try_cast(value, count) || count < least)
        throw std::invalid_argument(std::string(where) + " must be an integer >= " + std::to_string(least) +
                                    ", got " + nb::cast<std::string>(nb::repr(value)));
    return static_cast<std::size_t>(count);
}
