// Array types of the bindings and the checks that their functions share.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nb = nanobind;

// Arguments: C-contiguous arrays on the CPU. Conversions (dtype, layout) are refused with a TypeError.
template <typename T, int Rank>
using InputArray = nb::ndarray<const T, nb::ndim<Rank>, nb::c_contig, nb::device::cpu>;

// Results: a numpy array that owns its memory.
template <typename T>
using OutputArray = nb::ndarray<nb::numpy, T, nb::c_contig>;

template <typename T>
OutputArray<T> make_array(std::vector<T>&& values, std::initializer_list<std::size_t> shape) {
    auto owner = std::make_unique<std::vector<T>>(std::move(values));
    T* data = owner->data();
    nb::capsule capsule(owner.release(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return OutputArray<T>(data, shape, capsule);
}

// A result to be written by the caller; not initialised.
template <typename T>
OutputArray<T> empty_array(std::initializer_list<std::size_t> shape) {
    std::size_t size = 1;
    for (const std::size_t extent : shape) {
        if (extent > 0 && size > PTRDIFF_MAX / sizeof(T) / extent) throw std::bad_alloc();
        size *= extent;
    }
    auto owner = std::make_unique_for_overwrite<T[]>(size);
    T* data = owner.get();
    nb::capsule capsule(owner.release(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return OutputArray<T>(data, shape, capsule);
}

inline void check_columns(const char* where, std::size_t seen, std::size_t expected) {
    if (seen != expected)
        throw std::invalid_argument(std::string(where) + ": genotypes must have shape [n, " +
                                    std::to_string(expected) + "], got [n, " + std::to_string(seen) + "]");
}

// The UTF-8 of a str, valid as long as `value` is; `expected` is "function: argument must be ...".
inline std::string_view text_argument(const char* expected, nb::handle value) {
    if (!PyUnicode_Check(value.ptr())) {
        const std::string type = nb::cast<std::string>(nb::str(value.type().attr("__name__")));
        throw nb::type_error((std::string(expected) + ", got " + type).c_str());
    }
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
    if (text == nullptr) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) throw nb::python_error();
        PyErr_Clear();
        throw std::invalid_argument(std::string(expected) + " without lone surrogates");
    }
    return {text, static_cast<std::size_t>(size)};
}
