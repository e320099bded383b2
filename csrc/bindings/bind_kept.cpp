#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings.h"
#include "kept_memory.h"

namespace ops = efficient_nas::ops;

namespace {

using Tensor = nb::ndarray<nb::pytorch, nb::device::cpu>;
using Layout = std::tuple<std::vector<std::size_t>, std::vector<std::int64_t>>;  // sizes, strides

constexpr std::size_t kAlignment = 64;

nb::dlpack::dtype dtype_of(const std::string& name) {
    if (name == "float32") return nb::dtype<float>();
    if (name == "float64") return nb::dtype<double>();
    if (name == "bfloat16") return {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bfloat), 16, 1};
    throw std::invalid_argument("kept_tensors: unknown dtype '" + name + "'");
}

std::size_t bytes_of(const std::vector<std::size_t>& sizes, std::size_t element) {
    std::size_t bytes = element;
    for (const std::size_t size : sizes) {
        if (size > 0 && bytes > std::numeric_limits<std::ptrdiff_t>::max() / size) throw std::bad_alloc();
        bytes *= size;
    }
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::vector<Tensor> kept_tensors(const std::string& dtype, const std::vector<Layout>& layouts) {
    const nb::dlpack::dtype type = dtype_of(dtype);
    std::size_t bytes = 0;
    for (const Layout& layout : layouts) {
        if (std::get<0>(layout).size() != std::get<1>(layout).size())
            throw std::invalid_argument("kept_tensors: as many strides as sizes");
        bytes += bytes_of(std::get<0>(layout), type.bits / 8);
    }
    auto memory = std::make_unique<ops::KeptMemory>(bytes);
    auto* address = static_cast<std::byte*>(memory->data());
    const nb::capsule owner(memory.release(),
                            [](void* block) noexcept { delete static_cast<ops::KeptMemory*>(block); });
    std::vector<Tensor> tensors;
    for (const auto& [sizes, strides] : layouts) {
        tensors.emplace_back(address, sizes.size(), sizes.data(), owner, strides.data(), type);
        address += bytes_of(sizes, type.bits / 8);
    }
    return tensors;
}

}  // namespace

void export_kept(nb::module_& module) {
    using namespace nb::literals;
    module.def("kept_tensors", &kept_tensors, "dtype"_a, "layouts"_a,
               "Torch tensors of the given (sizes, strides), not initialised, in one block of memory that is "
               "kept for the next call when all of them are gone.");
}
