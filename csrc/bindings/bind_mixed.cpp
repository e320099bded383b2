#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "bindings.h"
#include "mixed_cell.h"

namespace ops = efficient_nas::ops;

namespace {

using Shape = std::tuple<std::int64_t, std::int64_t, std::int64_t>;
using Candidate = std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t, std::string, bool>;
using Edge = std::tuple<std::size_t, std::size_t, std::int64_t, std::vector<Candidate>, std::int64_t>;
using Addresses = std::vector<std::uintptr_t>;

template <typename Value, std::size_t count>
Value named(const char* what, const std::string& name, const std::pair<const char*, Value> (&values)[count]) {
    for (const auto& [known, value] : values)
        if (name == known) return value;
    throw std::invalid_argument(std::string("MixedCell: unknown ") + what + " '" + name + "'");
}

ops::Candidate candidate_of(const Candidate& given) {
    using Kind = ops::CandidateKind;
    using Norm = ops::NormKind;
    const auto& [operation, kernel, dilation, expansion, norm, bias] = given;
    return {named<Kind>("operation", operation,
                        {{"none", Kind::kNone},
                         {"skip_connect", Kind::kSkip},
                         {"max_pool", Kind::kMaxPool},
                         {"avg_pool", Kind::kAveragePool},
                         {"nor_conv", Kind::kNorConv},
                         {"sep_conv", Kind::kSepConv},
                         {"dil_conv", Kind::kDilConv},
                         {"mbconv", Kind::kMbConv}}),
            kernel,
            dilation,
            expansion,
            named<Norm>("norm", norm,
                        {{"none", Norm::kNone}, {"plain", Norm::kPlain}, {"affine", Norm::kAffine}}),
            bias};
}

ops::MixedCell cell_of(std::size_t inputs, const std::vector<Edge>& edges) {
    std::vector<ops::CellEdge> converted;
    for (const auto& [source, target, stride, candidates, divisor] : edges) {
        ops::CellEdge edge{source, target, stride, {}, divisor};
        for (const Candidate& candidate : candidates) edge.candidates.push_back(candidate_of(candidate));
        converted.push_back(std::move(edge));
    }
    return {inputs, std::move(converted)};
}

std::vector<ops::StateShape> shapes_of(const std::vector<Shape>& shapes) {
    std::vector<ops::StateShape> converted;
    for (const auto& [channels, height, width] : shapes) converted.push_back({channels, height, width});
    return converted;
}

ops::Storage storage_of(const std::string& dtype) {
    return named<ops::Storage>("dtype", dtype,
                               {{"float32", ops::Storage::kFloat32},
                                {"float64", ops::Storage::kFloat64},
                                {"bfloat16", ops::Storage::kBfloat16}});
}

std::vector<const void*> readable(const Addresses& addresses) {
    std::vector<const void*> pointers;
    for (const std::uintptr_t address : addresses) pointers.push_back(reinterpret_cast<const void*>(address));
    return pointers;
}

std::vector<void*> writable(const Addresses& addresses) {
    std::vector<void*> pointers;
    for (const std::uintptr_t address : addresses) pointers.push_back(reinterpret_cast<void*>(address));
    return pointers;
}

// Absent operands of calls that have something to compute.
void check_present(const char* what, const Addresses& addresses, std::int64_t batch) {
    for (const std::uintptr_t address : addresses)
        if (address == 0 && batch > 0)
            throw std::invalid_argument(std::string("MixedCell: ") + what +
                                        " has no memory (a fake or meta tensor)");
}

std::size_t num_alphas(const ops::MixedCell& cell) {
    std::size_t count = 0;
    for (const ops::CellEdge& edge : cell.edges()) count += edge.num_alphas();
    return count;
}

// What all three calls take; alphas are float64 numbers in memory.
ops::CellCall call_of(const ops::MixedCell& cell, const std::string& dtype, std::int64_t batch,
                      const std::vector<Shape>& shapes, const std::vector<std::int64_t>& channels,
                      std::uintptr_t alphas, bool training, double eps, bool skip_zero) {
    if (batch < 0) throw std::invalid_argument("MixedCell: batch must not be negative");
    check_present("alphas", {alphas}, batch);
    const auto* values = reinterpret_cast<const double*>(alphas);
    return {storage_of(dtype),
            batch,
            shapes_of(shapes),
            channels,
            {values, values + (alphas == 0 ? 0 : num_alphas(cell))},
            training,
            skip_zero,
            eps};
}

// What forward and backward take.
template <typename Operands>
Operands operands_of(std::int64_t batch, const Addresses& inputs, const std::vector<std::int64_t>& pitches,
                     const Addresses& parameters, const Addresses& saved, std::uintptr_t statistics) {
    check_present("an input", inputs, batch);
    check_present("a parameter", parameters, batch);
    check_present("a saved tensor", saved, batch);
    Operands operands;
    operands.inputs = readable(inputs);
    operands.pitches = pitches;
    operands.parameters = readable(parameters);
    operands.saved = writable(saved);
    operands.statistics = reinterpret_cast<double*>(statistics);
    return operands;
}

void check_threads(std::size_t threads) {
    if (threads < 1) throw std::invalid_argument("MixedCell: threads must be at least 1, got 0");
}

void forward(const ops::MixedCell& cell, const std::string& dtype, std::int64_t batch,
             const std::vector<Shape>& shapes, const std::vector<std::int64_t>& channels,
             const Addresses& inputs, const std::vector<std::int64_t>& pitches, std::uintptr_t alphas,
             const Addresses& parameters, const Addresses& running, const Addresses& outputs,
             const Addresses& saved, std::uintptr_t statistics, bool training, double eps, bool skip_zero,
             std::size_t threads) {
    check_threads(threads);
    const ops::CellCall call =
        call_of(cell, dtype, batch, shapes, channels, alphas, training, eps, skip_zero);
    auto operands = operands_of<ops::ForwardOperands>(batch, inputs, pitches, parameters, saved, statistics);
    check_present("a running statistic", running, batch);
    check_present("an output", outputs, batch);
    operands.running = readable(running);
    operands.outputs = writable(outputs);
    nb::gil_scoped_release release;
    ops::forward(cell, call, operands, threads);
}

void backward(const ops::MixedCell& cell, const std::string& dtype, std::int64_t batch,
              const std::vector<Shape>& shapes, const std::vector<std::int64_t>& channels,
              const Addresses& inputs, const std::vector<std::int64_t>& pitches, std::uintptr_t alphas,
              const Addresses& parameters, const Addresses& outputs, const Addresses& output_gradients,
              const Addresses& saved, std::uintptr_t statistics, bool training, double eps, bool skip_zero,
              const Addresses& input_gradients, std::uintptr_t alpha_gradients,
              const Addresses& parameter_gradients, std::size_t threads) {
    check_threads(threads);
    const ops::CellCall call =
        call_of(cell, dtype, batch, shapes, channels, alphas, training, eps, skip_zero);
    auto operands = operands_of<ops::BackwardOperands>(batch, inputs, pitches, parameters, saved, statistics);
    check_present("alphas' gradients", {alpha_gradients}, batch);
    for (const ops::CellEdge& edge : cell.edges())
        if (edge.source >= cell.inputs())
            check_present("an output that an edge reads", {outputs.at(edge.source - cell.inputs())}, batch);
    operands.outputs = readable(outputs);
    operands.output_gradients = readable(output_gradients);
    operands.input_gradients = writable(input_gradients);
    operands.parameter_gradients = writable(parameter_gradients);
    operands.alpha_gradients = reinterpret_cast<double*>(alpha_gradients);
    nb::gil_scoped_release release;
    ops::backward(cell, call, operands, threads);
}

void update_running(const ops::MixedCell& cell, const std::string& dtype, std::int64_t batch,
                    const std::vector<Shape>& shapes, const std::vector<std::int64_t>& channels,
                    std::uintptr_t alphas, std::uintptr_t statistics, const Addresses& running,
                    double momentum, bool skip_zero) {
    check_present("alphas", {alphas}, 1);
    check_present("a running statistic", running, 1);
    const ops::CellCall call = call_of(cell, dtype, batch, shapes, channels, alphas, true, 0, skip_zero);
    ops::update_running(cell, call, reinterpret_cast<const double*>(statistics), writable(running), momentum);
}

}  // namespace

void export_mixed(nb::module_& module) {
    using namespace nb::literals;
    nb::class_<ops::MixedCell>(
        module, "MixedCell",
        "A cell of mixed operations on dense NHWC images, by addresses that the caller "
        "checked.")
        .def(
            "__init__",
            [](ops::MixedCell* self, std::size_t inputs, const std::vector<Edge>& edges) {
                new (self) ops::MixedCell(cell_of(inputs, edges));
            },
            "inputs"_a, "edges"_a)
        .def(
            "saved_elements",
            [](const ops::MixedCell& cell, const std::vector<Shape>& shapes,
               const std::vector<std::int64_t>& channels) {
                return ops::saved_elements(cell, shapes_of(shapes), channels);
            },
            "shapes"_a, "channels"_a,
            "Elements per image of each of the tensors that forward keeps for backward.")
        .def(
            "statistics_size",
            [](const ops::MixedCell& cell, const std::vector<Shape>& shapes,
               const std::vector<std::int64_t>& channels) {
                return ops::statistics_size(cell, shapes_of(shapes), channels);
            },
            "shapes"_a, "channels"_a, "How many float64 numbers the statistics of a call take.")
        .def("forward", &forward, "dtype"_a, "batch"_a, "shapes"_a, "channels"_a, "inputs"_a, "pitches"_a,
             "alphas"_a, "parameters"_a, "running"_a, "outputs"_a, "saved"_a, "statistics"_a, "training"_a,
             "eps"_a, "skip_zero"_a, "threads"_a)
        .def("backward", &backward, "dtype"_a, "batch"_a, "shapes"_a, "channels"_a, "inputs"_a, "pitches"_a,
             "alphas"_a, "parameters"_a, "outputs"_a, "output_gradients"_a, "saved"_a, "statistics"_a,
             "training"_a, "eps"_a, "skip_zero"_a, "input_gradients"_a, "alpha_gradients"_a,
             "parameter_gradients"_a, "threads"_a)
        .def("update_running", &update_running, "dtype"_a, "batch"_a, "shapes"_a, "channels"_a, "alphas"_a,
             "statistics"_a, "running"_a, "momentum"_a, "skip_zero"_a);
}
