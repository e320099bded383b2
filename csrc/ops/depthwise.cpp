#include "depthwise.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "aligned_memory.h"
#include "depthwise_blocks.h"
#include "depthwise_kernels.h"
#include "depthwise_pass.h"
#include "flush_subnormals.h"
#include "parallel.h"
#include "simd_path.h"

namespace efficient_nas::ops {
namespace {

// Multiplications that pay for a thread: waking one takes microseconds, in which a core does about so many.
constexpr double kMultiplicationsPerThread = 100'000;
// The weight gradient has about so many partial sums, whatever the number of threads that work on them.
constexpr std::int64_t kPartialSums = 64;
constexpr std::size_t kVectorBytes = 64;  // at most

const DepthwisePath& depthwise_path() {
    switch (simd_path()) {
#if defined(EFFNAS_X86_PATHS)
        case SimdPath::kAvx512:
            return kDepthwiseAvx512;
        case SimdPath::kAvx2:
            return kDepthwiseAvx2;
#endif
        default:
            return kDepthwiseBaseline;
    }
}

const DepthwiseKernels& kernels(const Float32&) { return depthwise_path().float32; }
const DepthwiseKernels& kernels(const Float64&) { return depthwise_path().float64; }
const DepthwiseKernels& kernels(const Bfloat16Bits&) { return depthwise_path().bfloat16; }

template <typename Function>
void with_storage(Storage storage, const Function& function) {
    switch (storage) {
        case Storage::kFloat32:
            return function(Float32{});
        case Storage::kFloat64:
            return function(Float64{});
        case Storage::kBfloat16:
            return function(Bfloat16Bits{});
    }
}

std::size_t useful_threads(const DepthwiseShape& shape, std::size_t threads) {
    const auto [rows, columns] = shape.output();
    double multiplications = static_cast<double>(shape.batch * shape.channels);
    multiplications *= static_cast<double>(rows * columns);
    multiplications *= static_cast<double>(shape.kernel[0] * shape.kernel[1]);
    if (multiplications >= kMultiplicationsPerThread * static_cast<double>(threads)) return threads;
    return 1 + static_cast<std::size_t>(multiplications / kMultiplicationsPerThread);
}

DepthwiseWorkspace workspace(const DepthwisePlan& plan, const DepthwisePass& pass) {
    const std::size_t tile = plan.tile_pixels() * kVectorBytes;
    const std::size_t sums = static_cast<std::size_t>(pass.num_taps) * kVectorBytes;
    const std::size_t lines = static_cast<std::size_t>(pass.num_tap_rows) * sizeof(void*);
    auto* memory = static_cast<std::byte*>(scratch(tile + sums + lines));
    return {memory, memory + tile, reinterpret_cast<const void**>(memory + tile + sums)};
}

template <typename Of>
void correlate(const DepthwiseShape& shape, const DepthwisePlan& plan, const typename Of::Element* input,
               const typename Of::Element* weight, typename Of::Element* output, std::size_t threads) {
    const DepthwiseKernels& of_path = kernels(Of{});
    const DepthwisePass pass = plan.pass();
    const auto blocks = channel_blocks(of_path, shape.channels);
    const std::int64_t lanes = blocks.back().offset + blocks.back().kernel->lanes;
    const AlignedMemory packed(static_cast<std::size_t>(lanes * pass.num_taps) * sizeof(typename Of::Sum));
    auto* weights = static_cast<typename Of::Sum*>(packed.data());
    pack_weights<Of>(blocks, plan.weight_taps(), shape.kernel[0] * shape.kernel[1], weight, weights);

    const auto num_blocks = static_cast<std::int64_t>(blocks.size());
    const std::int64_t bands = plan.bands();
    // The blocks of a band follow each other, because they lie in the same lines of memory.
    const auto work = [&](std::size_t piece) {
        const auto index = static_cast<std::int64_t>(piece);
        const ChannelBlock& block = blocks[static_cast<std::size_t>(index % num_blocks)];
        const std::int64_t band = index / num_blocks % bands, n = index / num_blocks / bands;
        const FlushSubnormals flush(sizeof(typename Of::Sum) == sizeof(float));
        block.kernel->correlate(pass, input + n * pass.input_rows * pass.input_columns * pass.channels,
                                weights + block.offset * pass.num_taps,
                                output + n * pass.output_rows * pass.output_columns * pass.channels,
                                block.first, block.count, band, workspace(plan, pass));
    };
    for_each_piece(static_cast<std::size_t>(shape.batch * bands * num_blocks), useful_threads(shape, threads),
                   work);
}

template <typename Of>
void weight_gradient(const DepthwiseShape& shape, const typename Of::Element* output_gradient,
                     const typename Of::Element* input, typename Of::Element* result, std::size_t threads) {
    const DepthwiseKernels& of_path = kernels(Of{});
    const DepthwisePlan plan = DepthwisePlan::forward(shape);
    const DepthwisePass pass = plan.pass();
    const auto blocks = channel_blocks(of_path, shape.channels);
    const std::int64_t lanes = blocks.back().offset + blocks.back().kernel->lanes;
    const std::int64_t bands = plan.bands();
    const std::int64_t items = shape.batch * bands;
    const auto num_blocks = static_cast<std::int64_t>(blocks.size());
    const std::int64_t parts =
        std::clamp<std::int64_t>(kPartialSums / num_blocks, 1, std::max<std::int64_t>(1, items));
    const std::int64_t part_sums = lanes * pass.num_taps;
    std::vector<double> totals(static_cast<std::size_t>(parts * part_sums), 0.0);  // [part][block][tap][lane]

    const auto work = [&](std::size_t piece) {
        const auto index = static_cast<std::int64_t>(piece);
        const ChannelBlock& block = blocks[static_cast<std::size_t>(index % num_blocks)];
        const std::int64_t part = index / num_blocks;
        double* sums = totals.data() + part * part_sums + block.offset * pass.num_taps;
        const DepthwiseWorkspace memory = workspace(plan, pass);
        const FlushSubnormals flush(sizeof(typename Of::Sum) == sizeof(float));
        for (std::int64_t i = items * part / parts; i < items * (part + 1) / parts; ++i) {
            const std::int64_t n = i / bands;
            block.kernel->accumulate(
                pass, input + n * pass.input_rows * pass.input_columns * pass.channels,
                output_gradient + n * pass.output_rows * pass.output_columns * pass.channels, sums,
                block.first, block.count, i % bands, memory);
        }
    };
    for_each_piece(static_cast<std::size_t>(parts * num_blocks), useful_threads(shape, threads), work);

    for (const ChannelBlock& block : blocks)
        for (std::int64_t t = 0; t < pass.num_taps; ++t)
            for (std::int64_t lane = 0; lane < block.count; ++lane) {
                double sum = 0;
                for (std::int64_t part = 0; part < parts; ++part)
                    sum += totals[static_cast<std::size_t>(part * part_sums + block.offset * pass.num_taps +
                                                           t * block.kernel->lanes + lane)];
                result[(block.first + lane) * pass.num_taps +
                       plan.weight_taps()[static_cast<std::size_t>(t)]] = Of::narrowed(sum);
            }
}

}  // namespace

void depthwise_conv2d(const DepthwiseShape& shape, Storage storage, const void* input, const void* weight,
                      void* output, std::size_t threads) {
    with_storage(storage, [&](auto of) {
        using Element = typename decltype(of)::Element;
        correlate<decltype(of)>(shape, DepthwisePlan::forward(shape), static_cast<const Element*>(input),
                                static_cast<const Element*>(weight), static_cast<Element*>(output), threads);
    });
}

void depthwise_conv2d_input_gradient(const DepthwiseShape& shape, Storage storage,
                                     const void* output_gradient, const void* weight, void* input_gradient,
                                     std::size_t threads) {
    with_storage(storage, [&](auto of) {
        using Element = typename decltype(of)::Element;
        correlate<decltype(of)>(
            shape, DepthwisePlan::input_gradient(shape), static_cast<const Element*>(output_gradient),
            static_cast<const Element*>(weight), static_cast<Element*>(input_gradient), threads);
    });
}

void depthwise_conv2d_weight_gradient(const DepthwiseShape& shape, Storage storage,
                                      const void* output_gradient, const void* input, void* weight_gradient_,
                                      std::size_t threads) {
    with_storage(storage, [&](auto of) {
        using Element = typename decltype(of)::Element;
        weight_gradient<decltype(of)>(shape, static_cast<const Element*>(output_gradient),
                                      static_cast<const Element*>(input),
                                      static_cast<Element*>(weight_gradient_), threads);
    });
}

}  // namespace efficient_nas::ops
