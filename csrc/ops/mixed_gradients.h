// All gradients of a backward pass, finished and not.
#pragma once

#include <cstring>
#include <stdexcept>
#include <vector>

#include "kept_memory.h"
#include "mixed_cell.h"
#include "mixed_run.h"

namespace efficient_nas::ops {

// Sums of so many pixels are kept in float32, longer ones in float64.
inline constexpr std::int64_t kPixelsOfFloat = 4096;

// The gradient of a value before its norm: gradient * scale + (value - mean) * slope + shift, where
// `gradient` is that of a node or of the value behind norm and activation.
template <typename Sum>
struct NormGradient {
    AlignedVector<Sum> scale, slope, shift, mean;
};

// Float sums of a part, and the totals that they are added to where there are too many pixels for floats.
template <typename Sum>
struct Sums {
    std::int64_t size = 0;
    Sum* current = nullptr;
    std::vector<double> total{};

    void flush() {
        total.resize(static_cast<std::size_t>(size));
        for (std::int64_t i = 0; i < size; ++i) {
            total[static_cast<std::size_t>(i)] += double(current[i]);
            current[i] = 0;
        }
    }

    // What a part has added up.
    struct Finished {
        std::vector<Sum> sums;  // where there is no total
        std::vector<double> total;
        void add_to(std::vector<double>& target) const {
            for (std::size_t i = 0; i < sums.size(); ++i) target[i] += double(sums[i]);
            for (std::size_t i = 0; i < total.size(); ++i) target[i] += total[i];
        }
    };
    Finished finished() {
        if (total.empty()) return {{current, current + size}, {}};
        flush();
        return {{}, std::move(total)};
    }
};

template <typename Sum>
struct CellGradients {
    CellGradients(const CellRun<Sum>& cell_run, const BackwardOperands& backward_operands)
        : run(cell_run), operands(backward_operands) {
        const MixedProgram& program = run.program;
        const std::size_t nodes = run.states.size() - program.num_inputs;
        if (operands.output_gradients.size() != nodes ||
            operands.input_gradients.size() != program.num_inputs ||
            operands.parameter_gradients.size() != program.num_parameters)
            throw std::invalid_argument(
                "MixedCell: gradients must be one for each output, input and parameter");
        norms.resize(program.units.size());
        terms.resize(program.terms.size());
        values.resize(program.units.size());
        for (const State& state : program.states)
            for (const ChannelLayout* layout : {&state.layout, &state.sum, &state.whole})
                zero.resize(std::max(zero.size(), static_cast<std::size_t>(layout->pitch)));
        for (const Unit& unit : program.units)
            zero.resize(std::max(zero.size(), static_cast<std::size_t>(unit.out.pitch)));
        prepare_state_gradients();
    }

    // What the passes of a state add to: the gradient that is given from outside.
    const void* given_gradient(std::size_t state) const {
        return state < run.program.num_inputs ? nullptr
                                              : operands.output_gradients[state - run.program.num_inputs];
    }

    // gradient: sums over the batch of the gradient behind the norm and of its products with (value - mean),
    // both times `alpha`. Writes the gradients of the norm's parameters and of the convolution's bias.
    NormGradient<Sum> norm_gradient(const NormTensors& norm, const ChannelLayout& layout, std::int64_t count,
                                    double alpha, const double* totals, const double* products) {
        const auto pitch = static_cast<std::size_t>(layout.pitch);
        const AlignedVector<Sum> zeros(pitch);
        NormGradient<Sum> result{zeros, zeros, zeros, zeros};
        // Of all images that lie side by side.
        const auto set = [&](AlignedVector<Sum>& row, std::int64_t c, double value) {
            for (std::int64_t s = c; s < layout.sums(); s += layout.channels)
                row[static_cast<std::size_t>(s)] = static_cast<Sum>(value);
        };
        const auto sum_of = [&](const double* row, std::int64_t c) {
            double sum = 0;
            for (std::int64_t s = c; s < layout.sums(); s += layout.channels) sum += row[s];
            return sum;
        };
        for (std::int64_t c = 0; c < layout.channels; ++c) {
            if (norm.kind == NormKind::kNone) {
                set(result.scale, c, alpha);
                continue;
            }
            const double gamma = norm.gamma == kAbsent ? 1 : double(run.parameter(norm.gamma)[c]);
            const double inverse = run.inverse_deviation(norm, layout, c);
            const double total = alpha * sum_of(totals, c), product = alpha * sum_of(products, c);
            const double scale = gamma * inverse;
            set(result.scale, c, alpha * scale);
            set(result.mean, c, run.mean_of(norm, c));
            if (run.call.training) {
                const auto n = static_cast<double>(count);
                set(result.slope, c, -scale * inverse * inverse * product / n);
                set(result.shift, c, -scale * total / n);
            }
            set_gradient(norm.gamma, c, inverse * product);
            set_gradient(norm.beta, c, total);
            // In training the norm takes a bias out again.
            for (const ChannelPart& part : norm.bias)
                if (part.first <= c && c < part.first + part.count)
                    set_gradient(part.parameter, c - part.first, run.call.training ? 0 : scale * total);
        }
        return result;
    }

    void set_gradient(std::size_t parameter, std::int64_t index, double value) {
        if (parameter == kAbsent || operands.parameter_gradients[parameter] == nullptr) return;
        static_cast<Sum*>(operands.parameter_gradients[parameter])[index] = static_cast<Sum>(value);
    }

    bool is_wanted(std::size_t parameter) const {
        return parameter != kAbsent && operands.parameter_gradients[parameter] != nullptr;
    }

    void allocate_value(std::size_t index) {
        const Unit& unit = run.program.units[index];
        values[index] = KeptMemory(run.dense_bytes(unit.size, unit.out));
    }

    // The gradients of a unit's weights; zeros where there are no sums.
    void write_weights(std::size_t index, const std::vector<double>& depthwise,
                       const std::vector<double>& mix) {
        const Unit& unit = run.program.units[index];
        if (is_wanted(unit.depthwise)) {
            const std::vector<std::int64_t>& taps = run.weights[index].taps.weight_taps;
            const std::int64_t kernel = unit.kernel * unit.kernel;
            for (std::int64_t c = 0; c < unit.in.channels; ++c)
                for (std::int64_t t = 0; t < kernel; ++t) {
                    double sum = 0;
                    for (std::int64_t s = c; !depthwise.empty() && s < unit.in.sums(); s += unit.in.channels)
                        sum += depthwise[static_cast<std::size_t>(t * unit.in.pitch + s)];
                    const std::int64_t tap = depthwise.empty() ? t : taps[static_cast<std::size_t>(t)];
                    set_gradient(unit.depthwise, c * kernel + tap, sum);
                }
        }
        for (std::size_t t = 0; t < unit.mix.size(); ++t) {
            const MixTap& tap = unit.mix[t];
            if (!is_wanted(tap.part.parameter)) continue;
            auto* target = static_cast<Sum*>(operands.parameter_gradients[tap.part.parameter]) + tap.tap;
            const std::int64_t rows = static_cast<std::int64_t>(t) * unit.in.sums();
            for (std::int64_t i = 0; i < unit.in.channels; ++i)
                for (std::int64_t o = 0; o < tap.part.count; ++o) {
                    double sum = 0;
                    for (std::int64_t g = 0; !mix.empty() && g < unit.in.groups; ++g) {
                        const std::int64_t row = rows + g * unit.in.channels + i;
                        const std::int64_t column = g * unit.out.channels + tap.part.first + o;
                        sum += mix[static_cast<std::size_t>(row * unit.out.pitch + column)];
                    }
                    target[(o * unit.in.channels + i) * tap.taps] = static_cast<Sum>(sum);
                }
        }
    }

    // Zeros for the parameters of candidates that were skipped.
    void clear_skipped() {
        const auto clear_norm = [&](const NormTensors& norm, std::int64_t channels, const Geometry&,
                                    bool active) {
            if (active) return;
            for (std::int64_t c = 0; c < channels; ++c) {
                set_gradient(norm.gamma, c, 0);
                set_gradient(norm.beta, c, 0);
            }
            for (const ChannelPart& part : norm.bias)
                for (std::int64_t c = 0; c < part.count; ++c) set_gradient(part.parameter, c, 0);
        };
        run.program.for_each_norm(clear_norm);
        for (std::size_t u = 0; u < run.program.units.size(); ++u)
            if (!run.program.units[u].active) write_weights(u, {}, {});
    }

    const CellRun<Sum>& run;
    const BackwardOperands& operands;
    AlignedVector<Sum> zero;         // a row of coefficients
    std::vector<Image> wholes;       // of states
    std::vector<Image> states;       // of the channels that edges read
    std::vector<Image> sums;         // of what the candidates of a node make
    std::vector<Image> passed;       // of what passes by into a node, in the order of the sources' channels
    std::vector<KeptMemory> values;  // of units, behind norm and activation's derivative
    std::vector<NormGradient<Sum>> norms;  // of units
    std::vector<NormGradient<Sum>> terms;  // of pools and states that are terms

  private:
    void prepare_state_gradients() {
        const MixedProgram& program = run.program;
        for (std::size_t s = 0; s < run.states.size(); ++s) {
            Image image = run.wholes[s];
            image.pixel_pitch = image.layout.channels;
            const std::int64_t elements =
                run.call.batch * image.size.height * image.size.width * image.layout.channels;
            const std::size_t bytes = static_cast<std::size_t>(elements) * run.element_size();
            const bool unread = program.states[s].leaving.empty();
            if (s < program.num_inputs) {
                image.data = static_cast<std::byte*>(operands.input_gradients[s]);
                if (unread && image.data != nullptr) std::memset(image.data, 0, bytes);
            } else {
                const void* given = operands.output_gradients[s - program.num_inputs];
                image.data = static_cast<std::byte*>(const_cast<void*>(given));
                if (!unread || given == nullptr) {
                    memory_.emplace_back(bytes);
                    image.data = static_cast<std::byte*>(memory_.back().data());
                    if (unread) std::memset(image.data, 0, bytes);
                }
            }
            wholes.push_back(image);
            const State& state = program.states[s];
            states.push_back(state.divisor > 1 && image.data != nullptr ? part_image(state, state.layout)
                                                                        : image);
            sums.push_back(state.sum_divisor > 1 ? part_image(state, state.sum) : image);
            passed.push_back(image);
            if (state.sum_divisor == 1) continue;
            memory_.emplace_back(bytes);
            passed.back().data = static_cast<std::byte*>(memory_.back().data());
        }
    }

    Image part_image(const State& state, const ChannelLayout& layout) {
        memory_.emplace_back(run.dense_bytes(state.size, layout));
        return run.dense_image(memory_.back().data(), state.size, layout);
    }

    std::vector<KeptMemory> memory_;  // of states' gradients
};

}  // namespace efficient_nas::ops
