// Cells of mixed operations: gradients against differences of values, threads, and memory under sanitizers,
// in the instruction set that the environment names. (That values are right is shown in Python, against
// torch.)
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "efficient_nas/rng.hpp"
#include "mixed_cell.h"
#include "simd_path.h"

using namespace efficient_nas::ops;

namespace {

// Whether this CPU has the path that the environment names.
bool available() {
    const char* wanted = std::getenv("EFFICIENT_NAS_SIMD");
    const auto paths = simd_paths();
    return wanted == nullptr || std::find(paths.begin(), paths.end(), wanted) != paths.end();
}

// All kinds of candidates that keep the channels; twelve parameters, 28 with affine norms and biases.
std::vector<Candidate> candidates(NormKind norm, bool bias) {
    using Kind = CandidateKind;
    return {{Kind::kNone, 1, 1, 1, NormKind::kNone, false},
            {Kind::kSkip, 1, 1, 1, norm, bias},
            {Kind::kMaxPool, 3, 1, 1, NormKind::kPlain, false},
            {Kind::kAveragePool, 3, 1, 1, norm, false},
            {Kind::kNorConv, 3, 1, 1, norm, bias},
            {Kind::kSepConv, 5, 1, 1, norm, bias},
            {Kind::kDilConv, 3, 2, 1, norm, bias},
            {Kind::kMbConv, 3, 1, 2, norm, bias}};
}

// Lengths of a candidate's parameters, as OpSpec orders them.
void add_lengths(const Candidate& candidate, std::size_t c, std::int64_t stride,
                 std::vector<std::size_t>& lengths) {
    const auto k = static_cast<std::size_t>(candidate.kernel * candidate.kernel);
    const auto convolution = [&](std::size_t length, std::size_t out, bool biased) {
        lengths.push_back(length);
        if (biased) lengths.push_back(out);
    };
    const auto norm = [&](std::size_t channels) {
        if (candidate.norm != NormKind::kAffine) return;
        lengths.push_back(channels);
        lengths.push_back(channels);
    };
    switch (candidate.kind) {
        case CandidateKind::kNone:
            return;
        case CandidateKind::kSkip:
            if (stride == 1) return;
            convolution(c * (c / 2), c / 2, candidate.bias);
            convolution(c * (c - c / 2), c - c / 2, candidate.bias);
            return norm(c);
        case CandidateKind::kMaxPool:
        case CandidateKind::kAveragePool:
            return norm(c);
        case CandidateKind::kNorConv:
            convolution(c * c * k, c, candidate.bias);
            return norm(c);
        case CandidateKind::kSepConv:
        case CandidateKind::kDilConv:
            for (int half = 0; half < (candidate.kind == CandidateKind::kSepConv ? 2 : 1); ++half) {
                convolution(c * k, c, false);
                convolution(c * c, c, candidate.bias);
                norm(c);
            }
            return;
        case CandidateKind::kMbConv: {
            const std::size_t hidden = c * static_cast<std::size_t>(candidate.expansion);
            convolution(c * hidden, hidden, candidate.bias);
            norm(hidden);
            convolution(hidden * k, hidden, false);
            norm(hidden);
            convolution(hidden * c, c, candidate.bias);
            norm(c);
        }
    }
}

// Two inputs, two nodes: edges of stride 2 into the first node, of both strides into the second.
MixedCell example_cell(NormKind norm, bool bias, std::int64_t divisor) {
    const auto edge = [&](std::size_t source, std::size_t target, std::int64_t stride) {
        return CellEdge{source, target, stride, candidates(norm, bias), divisor};
    };
    return {2, {edge(0, 2, 2), edge(1, 2, 2), edge(2, 3, 1), edge(0, 3, 2)}};
}

template <typename Element>
struct Run {
    using Sum = std::conditional_t<std::is_same_v<Element, double>, double, float>;
    MixedCell cell;
    CellCall call;
    std::vector<std::vector<Element>> inputs, outputs, gradients, saved, input_gradients;
    std::vector<std::vector<Sum>> parameters, parameter_gradients;
    std::vector<double> statistics, alpha_gradients;

    Run(NormKind norm, bool bias, Storage storage, std::int64_t batch, StateShape shape, bool training,
        std::uint64_t seed, std::int64_t divisor = 1)
        : cell(example_cell(norm, bias, divisor)) {
        const std::int64_t c = shape.channels;
        call = {storage, batch, {shape, shape}, {c, c}, {}, training, false, 1e-5};
        efficient_nas::RandomStream random(seed, 0);
        const auto values = [&](std::size_t count, auto zero) {
            std::vector<decltype(zero)> drawn(count);
            for (auto& value : drawn) value = convert<decltype(zero)>(2 * random.uniform() - 1);
            return drawn;
        };
        const auto size = static_cast<std::size_t>(batch * c * shape.height * shape.width);
        const auto reduced =
            static_cast<std::size_t>(batch * c * ((shape.height + 1) / 2) * ((shape.width + 1) / 2));
        for (int i = 0; i < 2; ++i) {
            inputs.push_back(values(size, Element{}));
            gradients.push_back(values(reduced, Element{}));
            outputs.emplace_back(reduced);
            input_gradients.emplace_back(size);
        }
        std::vector<std::size_t> lengths;
        for (const CellEdge& edge : cell.edges()) {
            for (const Candidate& candidate : edge.candidates)
                add_lengths(candidate, static_cast<std::size_t>(c / divisor), edge.stride, lengths);
            for (std::size_t k = 0; k < edge.num_alphas(); ++k)
                call.alphas.push_back(2 * random.uniform() - 1);
        }
        for (const std::size_t length : lengths) {
            parameters.push_back(values(length, Sum{}));
            parameter_gradients.emplace_back(length);
        }
        for (const std::int64_t elements : saved_elements(cell, call.inputs, call.channels))
            saved.emplace_back(static_cast<std::size_t>(batch * elements));
        statistics.resize(static_cast<std::size_t>(statistics_size(cell, call.inputs, call.channels)));
        alpha_gradients.resize(call.alphas.size());
    }

    template <typename Value>
    static Value convert(double value) {
        if constexpr (std::is_same_v<Value, std::uint16_t>) {
            const auto single = static_cast<float>(value);
            std::uint32_t bits;
            std::memcpy(&bits, &single, sizeof(bits));
            return static_cast<std::uint16_t>(bits >> 16);
        } else {
            return static_cast<Value>(value);
        }
    }

    template <typename Pointer, typename Vectors>
    static std::vector<Pointer> pointers(Vectors& vectors) {
        std::vector<Pointer> all;
        for (auto& vector : vectors) all.push_back(vector.data());
        return all;
    }

    void set_common(CellOperands& operands) {
        operands.inputs = pointers<const void*>(inputs);
        operands.pitches.assign(2, call.inputs[0].channels);
        operands.parameters = pointers<const void*>(parameters);
        operands.saved = pointers<void*>(saved);
        operands.statistics = statistics.data();
    }

    void run_forward(std::size_t threads) {
        ForwardOperands operands;
        set_common(operands);
        operands.outputs = pointers<void*>(outputs);
        // In evaluation: means of zero, variances of one.
        std::vector<std::vector<Sum>> running;
        if (!call.training) {
            std::size_t norms = 0;
            while (running.size() < 200) {
                running.emplace_back(64, Sum(norms++ % 2));
                operands.running = pointers<const void*>(running);
                try {
                    return forward(cell, call, operands, threads);
                } catch (const std::invalid_argument&) {  // not as many yet
                }
            }
        }
        forward(cell, call, operands, threads);
    }

    void run_backward(std::size_t threads) {
        BackwardOperands operands;
        set_common(operands);
        operands.outputs = pointers<const void*>(outputs);
        operands.outputs.back() = nullptr;  // no edge leaves this node
        operands.output_gradients = pointers<const void*>(gradients);
        operands.input_gradients = pointers<void*>(input_gradients);
        operands.parameter_gradients = pointers<void*>(parameter_gradients);
        operands.alpha_gradients = alpha_gradients.data();
        backward(cell, call, operands, threads);
    }

    // The function whose gradient the backward pass gives.
    double loss() {
        run_forward(1);
        double sum = 0;
        for (std::size_t node = 0; node < outputs.size(); ++node)
            for (std::size_t i = 0; i < outputs[node].size(); ++i)
                sum += double(outputs[node][i]) * double(gradients[node][i]);
        return sum;
    }
};

// Images on part of the channels lie side by side where their number allows it.
std::int64_t batch_for(std::int64_t divisor) { return divisor > 1 ? 4 : 3; }

// The loss changes along a random direction as the gradients say.
void check_gradients(NormKind norm, bool bias, bool training, StateShape shape, std::uint64_t seed,
                     std::int64_t divisor = 1) {
    Run<double> run(norm, bias, Storage::kFloat64, batch_for(divisor), shape, training, seed, divisor);
    run.run_forward(2);
    run.run_backward(2);
    efficient_nas::RandomStream random(seed, 1);
    double expected = 0;
    std::vector<std::pair<double*, double>> direction;
    const auto add = [&](std::vector<double>& values, const std::vector<double>& of_values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            direction.emplace_back(&values[i], 2 * random.uniform() - 1);
            expected += direction.back().second * of_values[i];
        }
    };
    for (std::size_t i = 0; i < 2; ++i) add(run.inputs[i], run.input_gradients[i]);
    for (std::size_t i = 0; i < run.parameters.size(); ++i)
        add(run.parameters[i], run.parameter_gradients[i]);
    add(run.call.alphas, run.alpha_gradients);
    constexpr double kStep = 1e-7;
    const auto move = [&](double step) {
        for (const auto& [value, along] : direction) *value += step * along;
    };
    move(kStep);
    const double after = run.loss();
    move(-2 * kStep);
    const double before = run.loss();
    const double found = (after - before) / (2 * kStep);
    if (!(std::abs(found - expected) <= 1e-4 * (1 + std::abs(expected))))
        check::fail(__FILE__, __LINE__, std::to_string(found) + " instead of " + std::to_string(expected));
}

template <typename Element>
void check_threads(Storage storage, StateShape shape, std::int64_t divisor = 1) {
    Run<Element> one(NormKind::kAffine, true, storage, batch_for(divisor), shape, true, 5, divisor);
    Run<Element> three = one;
    one.run_forward(1);
    one.run_backward(1);
    three.run_forward(3);
    three.run_backward(3);
    CHECK(one.outputs == three.outputs);
    CHECK(one.input_gradients == three.input_gradients);
    CHECK(one.parameter_gradients == three.parameter_gradients);
    CHECK(one.alpha_gradients == three.alpha_gradients);
}

}  // namespace

TEST(gradients_in_training) {
    if (!available()) return;
    check_gradients(NormKind::kPlain, false, true, {5, 5, 4}, 1);
    check_gradients(NormKind::kAffine, true, true, {2, 3, 6}, 2);
}

TEST(gradients_in_evaluation) {
    if (!available()) return;
    check_gradients(NormKind::kAffine, true, false, {3, 4, 5}, 3);
}

TEST(any_number_of_threads_gives_the_same_bits) {
    if (!available()) return;
    check_threads<float>(Storage::kFloat32, {17, 9, 6});
    check_threads<std::uint16_t>(Storage::kBfloat16, {4, 6, 5});
}

TEST(edges_on_part_of_the_channels) {
    if (!available()) return;
    check_gradients(NormKind::kAffine, true, true, {6, 5, 4}, 8, 3);
    check_gradients(NormKind::kAffine, true, true, {3, 5, 4}, 11, 3);
    check_gradients(NormKind::kPlain, false, true, {4, 37, 3}, 9, 2);
    check_gradients(NormKind::kAffine, true, false, {8, 3, 6}, 10, 4);
    check_threads<float>(Storage::kFloat32, {16, 40, 9}, 4);
    check_threads<std::uint16_t>(Storage::kBfloat16, {10, 7, 5}, 5);
}

TEST(bands_of_a_large_image) {
    if (!available()) return;
    check_threads<float>(Storage::kFloat32, {4, 40, 9});
    check_gradients(NormKind::kPlain, false, true, {2, 37, 3}, 4);
}

TEST(skipped_candidates_get_zeros) {
    if (!available()) return;
    Run<float> run(NormKind::kAffine, true, Storage::kFloat32, 2, {3, 5, 5}, true, 6);
    run.call.skip_zero = true;
    std::fill(run.call.alphas.begin(), run.call.alphas.end(), 0.0);
    for (auto& values : run.parameters) std::fill(values.begin(), values.end(), std::nanf(""));
    run.run_forward(1);
    run.run_backward(1);
    const auto is_zero = [](const auto& values) {
        return std::all_of(values.begin(), values.end(), [](auto value) { return value == 0; });
    };
    for (const auto* all : {&run.outputs, &run.input_gradients, &run.parameter_gradients})
        CHECK(std::all_of(all->begin(), all->end(), is_zero));
    CHECK(is_zero(run.alpha_gradients));
}

TEST(what_does_not_fit_is_refused) {
    using Error = std::invalid_argument;
    const std::vector<Candidate> some = candidates(NormKind::kPlain, false);
    CHECK_THROWS(MixedCell(0, {}), Error, "inputs");
    CHECK_THROWS(MixedCell(1, {{0, 2, 1, some}}), Error, "every node");
    CHECK_THROWS(MixedCell(2, {{0, 1, 1, some}}), Error, "later node");
    CHECK_THROWS(MixedCell(1, {{0, 1, 3, some}}), Error, "stride");
    CHECK_THROWS(MixedCell(1, {{0, 1, 1, {}}}), Error, "candidates");
    CHECK_THROWS(MixedCell(1, {{0, 1, 1, some, 0}}), Error, "divisor");
    CHECK_THROWS(MixedCell(2, {{0, 2, 1, some, 2}, {1, 2, 1, some}}), Error, "agree in the divisor");
    CHECK_THROWS(MixedCell(1, {{0, 1, 1, {{CandidateKind::kMaxPool, 2, 1, 1, NormKind::kNone, false}}}}),
                 Error, "kernel_size");
    if (!available()) return;
    const MixedCell cell = example_cell(NormKind::kPlain, false, 1);
    CHECK_THROWS(saved_elements(cell, {{4, 8, 8}}, {4, 4}), Error, "inputs");
    CHECK_THROWS(saved_elements(cell, {{4, 8, 8}, {4, 9, 8}}, {4, 4}), Error, "agree");
    CHECK_THROWS(saved_elements(cell, {{4, 8, 8}, {4, 8, 8}}, {4, 5}), Error, "channels");
    const MixedCell partial = example_cell(NormKind::kPlain, false, 3);
    CHECK_THROWS(saved_elements(partial, {{4, 8, 8}, {4, 8, 8}}, {4, 4}), Error, "multiple of the divisor");
    Run<float> run(NormKind::kPlain, false, Storage::kFloat32, 1, {4, 6, 6}, true, 7);
    run.parameters.pop_back();
    CHECK_THROWS(run.run_forward(1), Error, "parameters");
}
