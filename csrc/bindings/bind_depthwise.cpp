#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "bindings.h"
#include "depthwise.h"

namespace ops = efficient_nas::ops;

namespace {

using Pair = std::array<std::int64_t, 2>;
using Kernel = void (*)(const ops::DepthwiseShape&, ops::Storage, const void*, const void*, void*,
                        std::size_t);

ops::Storage storage_of(const std::string& name) {
    if (name == "float32") return ops::Storage::kFloat32;
    if (name == "float64") return ops::Storage::kFloat64;
    if (name == "bfloat16") return ops::Storage::kBfloat16;
    throw std::invalid_argument("depthwise_conv2d: storage must be float32, float64 or bfloat16, got '" +
                                name + "'");
}

struct Operand {
    const char* name;
    std::uintptr_t address;
    bool empty;
};

void check_operands(const std::array<Operand, 3>& operands, std::size_t threads) {
    for (const Operand& operand : operands)
        if (operand.address == 0 && !operand.empty)
            throw std::invalid_argument(std::string("depthwise_conv2d: ") + operand.name +
                                        " has no memory (a fake or meta tensor)");
    if (threads < 1) throw std::invalid_argument("depthwise_conv2d: threads must be at least 1, got 0");
}

// Binds one of the three computations, whose operands are addresses of dense memory that the caller checked.
template <Kernel kernel>
void run(const ops::DepthwiseShape& shape, const std::string& storage, const std::array<Operand, 3>& operands,
         std::size_t threads) {
    const ops::Storage of = storage_of(storage);
    check_operands(operands, threads);
    nb::gil_scoped_release release;
    kernel(shape, of, reinterpret_cast<const void*>(operands[0].address),
           reinterpret_cast<const void*>(operands[1].address), reinterpret_cast<void*>(operands[2].address),
           threads);
}

}  // namespace

void export_depthwise(nb::module_& module) {
    nb::class_<ops::DepthwiseShape>(
        module, "DepthwiseConv2d", "A depthwise convolution of dense NHWC images; pairs are (height, width).")
        .def(
            "__init__",
            [](ops::DepthwiseShape* self, std::int64_t batch, std::int64_t channels, Pair input, Pair kernel,
               Pair stride, Pair padding, Pair dilation) {
                const ops::DepthwiseShape shape{batch, channels, input, kernel, stride, padding, dilation};
                shape.check();
                new (self) ops::DepthwiseShape(shape);
            },
            nb::arg("batch"), nb::arg("channels"), nb::arg("input"), nb::arg("kernel"), nb::arg("stride"),
            nb::arg("padding"), nb::arg("dilation"))
        .def(
            "output",
            [](const ops::DepthwiseShape& self) {
                const Pair extent = self.output();
                return nb::make_tuple(extent[0], extent[1]);
            },
            "Height and width of the output.")
        .def(
            "forward",
            [](const ops::DepthwiseShape& self, const std::string& storage, std::uintptr_t input,
               std::uintptr_t weight, std::uintptr_t output, std::size_t threads) {
                run<ops::depthwise_conv2d>(self, storage,
                                           {{{"input", input, self.batch == 0},
                                             {"weight", weight, false},
                                             {"output", output, self.batch == 0}}},
                                           threads);
            },
            nb::arg("storage"), nb::arg("input"), nb::arg("weight"), nb::arg("output"), nb::arg("threads"),
            "Writes output [N, Ho, Wo, C] of input [N, H, W, C] and weight [C, kh, kw], given by address.")
        .def(
            "input_gradient",
            [](const ops::DepthwiseShape& self, const std::string& storage, std::uintptr_t output_gradient,
               std::uintptr_t weight, std::uintptr_t input_gradient, std::size_t threads) {
                run<ops::depthwise_conv2d_input_gradient>(
                    self, storage,
                    {{{"output_gradient", output_gradient, self.batch == 0},
                      {"weight", weight, false},
                      {"input_gradient", input_gradient, self.batch == 0}}},
                    threads);
            },
            nb::arg("storage"), nb::arg("output_gradient"), nb::arg("weight"), nb::arg("input_gradient"),
            nb::arg("threads"), "Writes the gradient of the input [N, H, W, C].")
        .def(
            "weight_gradient",
            [](const ops::DepthwiseShape& self, const std::string& storage, std::uintptr_t output_gradient,
               std::uintptr_t input, std::uintptr_t weight_gradient, std::size_t threads) {
                run<ops::depthwise_conv2d_weight_gradient>(
                    self, storage,
                    {{{"output_gradient", output_gradient, self.batch == 0},
                      {"input", input, self.batch == 0},
                      {"weight_gradient", weight_gradient, false}}},
                    threads);
            },
            nb::arg("storage"), nb::arg("output_gradient"), nb::arg("input"), nb::arg("weight_gradient"),
            nb::arg("threads"), "Writes the gradient of the weight [C, kh, kw].");
}
