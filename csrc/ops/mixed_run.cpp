#include "mixed_run.h"

#include <cmath>
#include <stdexcept>
#include <string>

namespace efficient_nas::ops {
namespace {

// Sums of a plane's band: small enough for the second-level cache to hold the four planes of the backward
// pass.
constexpr std::int64_t kBandSums = 1 << 17;
constexpr std::int64_t kBandRows = 16;  // at least: neighbouring bands compute some rows twice
constexpr std::int64_t kFewImages = 8;  // of which bands are made smaller for threads to have some
constexpr std::int64_t kFewRows = 8;
// Every part has sums of its own, which must be added up: each is worth so many pixels of work.
constexpr std::int64_t kPixelsPerPart = 512;
constexpr std::int64_t kMostParts = 32;

}  // namespace

Pieces::Pieces(std::int64_t batch, const Geometry& size, std::int64_t pitch) : height_(size.height) {
    std::int64_t rows = std::max(kBandRows, kBandSums / std::max<std::int64_t>(1, size.width * pitch));
    if (batch < kFewImages)
        rows =
            std::min(rows, std::max(kFewRows, size.height * std::max<std::int64_t>(1, batch) / kFewImages));
    bands_ = std::max<std::int64_t>(1, (size.height + rows / 2) / rows);
    band_rows_ = (size.height + bands_ - 1) / bands_;
    bands_ = (size.height + band_rows_ - 1) / band_rows_;
    count_ = batch * bands_;
    const std::int64_t pixels = batch * size.height * size.width;
    parts_ = static_cast<std::size_t>(
        std::clamp<std::int64_t>(std::min(pixels / kPixelsPerPart, count_), 1, kMostParts));
}

template <typename Sum>
CellRun<Sum>::CellRun(const MixedCell& cell, const CellCall& cell_call, const CellOperands& cell_operands,
                      const std::vector<const void*>& outputs, Direction direction, std::size_t num_threads)
    // Products with the zeros between images side by side carry a NaN of one to the others, which batch norm
    // does in training anyway.
    : program(cell, cell_call.storage, cell_call.training ? cell_call.batch : 1, cell_call.inputs,
              cell_call.channels),
      call(cell_call),
      operands(cell_operands),
      threads(num_threads) {
    const auto expect = [](const char* what, std::size_t got, std::size_t wanted) {
        if (got != wanted)
            throw std::invalid_argument(std::string("MixedCell: ") + what + " must be " +
                                        std::to_string(wanted) + ", got " + std::to_string(got));
    };
    expect("inputs", operands.inputs.size(), program.num_inputs);
    expect("pitches", operands.pitches.size(), program.num_inputs);
    expect("alphas", call.alphas.size(), program.num_alphas);
    expect("parameters", operands.parameters.size(), program.num_parameters);
    expect("saved", operands.saved.size(), program.units.size());
    expect("outputs", outputs.size() + program.num_inputs, program.states.size());
    for (std::size_t s = 0; s < program.states.size(); ++s) {
        const bool is_input = s < program.num_inputs;
        const void* data = is_input ? operands.inputs[s] : outputs[s - program.num_inputs];
        const State& state = program.states[s];
        wholes.push_back({static_cast<std::byte*>(const_cast<void*>(data)),
                          is_input ? operands.pitches[s] : state.whole.channels, state.size, state.whole});
        states.push_back(wholes.back());
        if (state.divisor == 1) continue;
        parts_.emplace_back(dense_bytes(state.size, state.layout));
        states.back() = dense_image(parts_.back().data(), state.size, state.layout);
    }
    if (call.skip_zero) program.skip_zeros(call.alphas);
    weights.resize(program.units.size());
    norms.resize(program.units.size());
    for_each_piece(program.units.size(), threads, [this, direction](std::size_t unit) {
        if (program.units[unit].active) pack(unit, direction);
    });
}

template <typename Sum>
void CellRun<Sum>::pack(std::size_t index, Direction direction) {
    const Unit& unit = program.units[index];
    UnitWeights<Sum>& packed = weights[index];
    packed.plane = plane_of(program.passes[unit.pass]);
    if (unit.depthwise != kAbsent) {
        const auto in = static_cast<std::size_t>(unit.in.pitch);
        packed.taps = forward_taps(unit, packed.plane);
        packed.gradient_taps = gradient_taps(unit, packed.plane);
        const std::int64_t height = program.passes[unit.pass].size.height;
        packed.runs = forward_runs(unit, height);
        packed.gradient_runs = gradient_runs(unit, packed.gradient_taps, height);
        const auto arrange = [&](const std::vector<std::int64_t>& taps) {
            AlignedVector<Sum> rows(taps.size() * in);
            const Sum* weight = parameter(unit.depthwise);
            for (std::int64_t s = 0; s < unit.in.sums(); ++s) {
                const Sum* of_channel = weight + s % unit.in.channels * unit.kernel * unit.kernel;
                for (std::size_t t = 0; t < taps.size(); ++t)
                    rows[t * in + static_cast<std::size_t>(s)] = of_channel[taps[t]];
            }
            return rows;
        };
        packed.depthwise = arrange(packed.taps.weight_taps);
        if (direction == Direction::kBackward)
            packed.depthwise_gradient = arrange(packed.gradient_taps.weight_taps);
    }
    if (!unit.mix.empty()) pack_matrices(index, direction);
}

template <typename Sum>
void CellRun<Sum>::pack_matrices(std::size_t index, Direction direction) {
    const Unit& unit = program.units[index];
    const std::int64_t in = unit.in.pitch, out = unit.out.pitch;
    const auto num_taps = static_cast<std::int64_t>(unit.mix.size());
    const bool forward = direction == Direction::kForward;
    AlignedVector<Sum>& matrices = forward ? weights[index].mix : weights[index].mix_transposed;
    matrices.resize(
        static_cast<std::size_t>(num_taps * (forward ? unit.in.sums() * out : unit.out.sums() * in)));
    for (std::int64_t t = 0; t < num_taps; ++t) {
        const MixTap& tap = unit.mix[static_cast<std::size_t>(t)];
        const Sum* weight = parameter(tap.part.parameter) + tap.tap;
        const std::int64_t channels = unit.in.channels;
        // Of several images side by side each gets the matrix; zeros are between them.
        for (std::int64_t g = 0; g < unit.in.groups; ++g) {
            const std::int64_t first_in = g * channels, first_out = g * unit.out.channels + tap.part.first;
            Sum* rows = matrices.data() + (forward ? (t * unit.in.sums() + first_in) * out + first_out
                                                   : (t * unit.out.sums() + first_out) * in + first_in);
            const std::int64_t step_in = forward ? out : 1, step_out = forward ? 1 : in;
            for (std::int64_t o = 0; o < tap.part.count; ++o)
                for (std::int64_t i = 0; i < channels; ++i)
                    rows[i * step_in + o * step_out] = weight[(o * channels + i) * tap.taps];
        }
    }
}

template <typename Sum>
Image CellRun<Sum>::unit_image(std::size_t index, void* data) const {
    return dense_image(data, program.units[index].size, program.units[index].out);
}

template <typename Sum>
void CellRun<Sum>::copy_part(std::size_t state) {
    if (program.states[state].divisor == 1) return;
    if (is_bfloat16())
        copy_part_of<std::uint16_t>(state);
    else
        copy_part_of<Sum>(state);
}

template <typename Sum>
template <typename Element>
void CellRun<Sum>::copy_part_of(std::size_t index) {
    const State& state = program.states[index];
    const ChannelLayout& layout = state.layout;
    const Pieces pieces = pieces_of(state.size, layout);
    for_each_piece(pieces.parts(), threads, [&](std::size_t part) {
        pieces.for_each(part, [&](const Piece& piece) {
            for (std::int64_t r = piece.first; r < piece.last; ++r) {
                auto* row = reinterpret_cast<Element*>(address(states[index], piece.n, r));
                if (layout.sums() < layout.pitch)
                    std::fill_n(row, state.size.width * layout.pitch, Element{0});
                for (std::int64_t g = 0; g < layout.groups; ++g) {
                    const auto* source = reinterpret_cast<const Element*>(
                        address(wholes[index], piece.n * layout.groups + g, r));
                    Element* target = row + g * layout.channels;
                    for (std::int64_t j = 0; j < state.size.width; ++j)
                        for (std::int64_t c = 0; c < layout.channels; ++c)
                            target[j * layout.pitch + c] = source[j * wholes[index].pixel_pitch + c];
                }
            }
        });
    });
}

template <typename Sum>
ImageRows<Sum> CellRun<Sum>::rows(const Image& image, std::int64_t n, std::int64_t first, std::int64_t last,
                                  Sum* memory) const {
    const std::int64_t sums = image.size.width * image.layout.pitch;
    if (is_direct(image)) return {reinterpret_cast<const Sum*>(address(image, n, 0)), sums};
    for (std::int64_t r = first; r < last; ++r) load(image, n, r, 1, memory + (r - first) * sums);
    return {memory - first * sums, sums};
}

template <typename Sum>
void CellRun<Sum>::load(const Image& image, std::int64_t n, std::int64_t row, std::int64_t stride,
                        Sum* target) const {
    const std::int64_t width = image.size.width;
    image.layout.kernels->load_row(address(image, n, row), image.pixel_pitch, image.layout.channels,
                                   {width, 0, stride, ceiling_division(width, stride)},
                                   {Activation::kNone, nullptr, nullptr, nullptr}, target,
                                   image.layout.pitch);
}

template <typename Sum>
void CellRun<Sum>::write(const Image& image, std::int64_t n, std::int64_t row, std::int64_t count,
                         const Sum* sums) const {
    if (is_direct(image)) return;
    image.layout.kernels->store_row(sums, count * image.size.width, image.layout.pitch, image.layout.channels,
                                    address(image, n, row), image.pixel_pitch, nullptr, nullptr, nullptr);
}

template <typename Sum>
double CellRun<Sum>::mean_of(const NormTensors& norm, std::int64_t channel) const {
    double mean = operands.statistics[norm.statistics + channel];
    for (const ChannelPart& part : norm.bias)
        if (part.first <= channel && channel < part.first + part.count)
            mean -= double(parameter(part.parameter)[channel - part.first]);
    return mean;
}

template <typename Sum>
double CellRun<Sum>::inverse_deviation(const NormTensors& norm, const ChannelLayout& layout,
                                       std::int64_t channel) const {
    return 1 / std::sqrt(operands.statistics[norm.statistics + layout.channels + channel] + call.eps);
}

template <typename Sum>
Affine<Sum> CellRun<Sum>::affine_of(const NormTensors& norm, const ChannelLayout& layout) const {
    const auto pitch = static_cast<std::size_t>(layout.pitch);
    Affine<Sum> affine{AlignedVector<Sum>(pitch), AlignedVector<Sum>(pitch), AlignedVector<Sum>(pitch)};
    for (std::int64_t s = 0; s < layout.sums(); ++s) {
        const auto i = static_cast<std::size_t>(s);
        const std::int64_t c = s % layout.channels;
        if (norm.kind == NormKind::kNone) {
            affine.scale[i] = 1;
            continue;
        }
        const double gamma = norm.gamma == kAbsent ? 1 : double(parameter(norm.gamma)[c]);
        affine.mean[i] = static_cast<Sum>(mean_of(norm, c));
        affine.scale[i] = static_cast<Sum>(gamma * inverse_deviation(norm, layout, c));
        if (norm.beta != kAbsent) affine.shift[i] = parameter(norm.beta)[c];
    }
    return affine;
}

template <typename Sum>
Prologue CellRun<Sum>::prologue_of(const Pass& pass) const {
    if (pass.unit == kAbsent) return {pass.activation, nullptr, nullptr, nullptr};
    const Affine<Sum>& affine = norms[pass.unit];
    return {pass.activation, affine.mean.data(), affine.scale.data(), affine.shift.data()};
}

template <typename Sum>
Sum* CellRun<Sum>::load_plane(const Pass& pass, const PlaneRow& plane, const Image& image, std::int64_t n,
                              std::int64_t first, std::int64_t last, Sum* memory) const {
    const std::int64_t sums = pixels_of(plane) * pass.layout.pitch;
    const std::int64_t begin = first * pass.stride - pass.before;
    const std::int64_t end = (last - 1) * pass.stride + pass.after + 1;
    Sum* rows = memory - begin * sums;
    const Prologue prologue = prologue_of(pass);
    const bool wants_zeros = std::any_of(pass.units.begin(), pass.units.end(), [&](std::size_t unit) {
        return program.units[unit].active && program.units[unit].depthwise == kAbsent;
    });
    for (std::int64_t r = begin; r < end; ++r) {
        const bool inside = r >= 0 && r < pass.size.height;
        if (!inside && !wants_zeros) continue;
        pass.layout.kernels->load_row(inside ? address(image, n, r) : nullptr, image.pixel_pitch,
                                      image.layout.channels, plane, prologue, rows + r * sums,
                                      pass.layout.pitch);
    }
    return rows;
}

template <typename Sum>
void CellRun<Sum>::unit_lines(const Unit& unit, const Pass& pass, const PlaneRow& plane, const Sum* rows,
                              std::int64_t output_row, const void** lines) const {
    const std::int64_t sums = pixels_of(plane) * pass.layout.pitch;
    const std::int64_t row = output_row * pass.stride;
    if (unit.depthwise != kAbsent) {
        for (std::int64_t u = 0; u < unit.kernel; ++u)
            lines[u] = rows + (row - unit.padding + u * unit.dilation) * sums;
        return;
    }
    for (std::size_t t = 0; t < unit.mix.size(); ++t)
        lines[t] =
            rows + (row + unit.mix[t].row) * sums + pixel_of(plane, unit.mix[t].column) * pass.layout.pitch;
}

template <typename Sum>
void CellRun<Sum>::convolve(const Unit& unit, const Pass& pass, const UnitWeights<Sum>& packed,
                            const Sum* rows, std::int64_t first, std::int64_t last, const void** lines,
                            Sum* target) const {
    const std::int64_t row_sums = unit.size.width * unit.in.pitch;
    for (RowRun run{first, first, 0, 0}; run.last < last; target += (run.last - run.first) * row_sums) {
        run = packed.runs.from(run.last, last);
        if (run.line_first == run.line_last) {
            std::fill_n(target, (run.last - run.first) * row_sums, Sum{0});
            continue;
        }
        unit_lines(unit, pass, packed.plane, rows, run.first, lines);
        unit.in.kernels->depthwise_rows(lines, line_step(pass, packed.plane),
                                        packed.taps.view(run.line_first, run.line_last),
                                        packed.depthwise.data(), run.last - run.first, unit.size.width,
                                        unit.in.pitch, target, row_sums, false);
    }
}

template <typename Sum>
void CellRun<Sum>::pool_row(const Pool& pool, const ImageRows<Sum>& image, std::int64_t o, const void** lines,
                            Sum* scratch, Sum* target) const {
    const State& state = program.states[pool.state];
    const PoolWindow window{pool.kernel, pool.stride, pool.kernel / 2, state.size.width};
    for (std::int64_t u = 0; u < pool.kernel; ++u) {
        const std::int64_t r = o * pool.stride - window.padding + u;
        lines[u] = r >= 0 && r < state.size.height ? image.row(r) : nullptr;
    }
    const MixedKernels& kernels = *state.layout.kernels;
    (pool.maximum ? kernels.max_pool_row : kernels.average_pool_row)(lines, window, pool.size.width,
                                                                     state.layout.pitch, target, scratch);
}

template class CellRun<float>;
template class CellRun<double>;

}  // namespace efficient_nas::ops
