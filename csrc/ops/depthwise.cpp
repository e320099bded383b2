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
// Vectors of a tile that stay in the second-level cache. With all channels of a row, memory is read in order.
constexpr std::int64_t kTileVectors = 8192;
// So many pieces for threads to share, if there are as many vectors of channels, bands and images.
constexpr std::int64_t kPieces = 32;
// Vectors of pixels that are worth a piece of their own.
constexpr std::int64_t kPieceVectors = 1024;

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

// A pass in pieces, each a group of channels in a band of some images. They depend on the shape alone.
class Pieces {
  public:
    Pieces(const DepthwiseShape& shape, const DepthwisePlan& plan, const DepthwiseKernels& kernels)
        : pass_(plan.pass()),
          batch_(shape.batch),
          bands_(plan.bands()),
          tile_pixels_(pass_.row_span * plan.tile_columns()),
          groups_(channel_groups(kernels, shape.channels, most_vectors(shape, kernels))) {
        for (const DepthwiseChannels& group : groups_) {
            offsets_.push_back(lanes_);
            lanes_ += group.lanes;
        }
        vectors_ = groups_.front().full + (groups_.front().rest > 0 ? 1 : 0);
        const std::int64_t pixels = pass_.output_rows * pass_.output_columns;
        images_ = std::max<std::int64_t>(1, kPieceVectors / (pixels * vectors_));
    }

    const DepthwisePass& pass() const { return pass_; }
    const std::vector<DepthwiseChannels>& groups() const { return groups_; }
    std::int64_t num_groups() const { return static_cast<std::int64_t>(groups_.size()); }
    std::int64_t lanes() const { return lanes_; }  // of all groups
    // Bands of some images.
    std::int64_t items() const { return (batch_ + images_ - 1) / images_ * bands_; }

    // Calls work(channels, lanes before theirs, first image, images, band).
    template <typename Work>
    void with_piece(std::int64_t item, std::int64_t group, const Work& work) const {
        const auto index = static_cast<std::size_t>(group);
        const std::int64_t first = item / bands_ * images_;
        work(groups_[index], offsets_[index], first, std::min(images_, batch_ - first), item % bands_);
    }

    // Large enough for the first group, which has the most channels.
    DepthwiseWorkspace workspace() const {
        const auto bytes = [](std::int64_t vectors) {
            return static_cast<std::size_t>(vectors) * kVectorBytes;
        };
        const std::size_t tile = bytes(tile_pixels_ * vectors_), sums = bytes(pass_.num_taps * vectors_);
        const std::size_t gradients = bytes(pass_.output_columns);
        const std::size_t lines = static_cast<std::size_t>(pass_.num_tap_rows) * sizeof(DepthwiseTapLine);
        auto* memory = static_cast<std::byte*>(scratch(tile + sums + gradients + lines));
        return {memory, memory + tile, memory + tile + sums,
                reinterpret_cast<DepthwiseTapLine*>(memory + tile + sums + gradients)};
    }

  private:
    // Of a group.
    std::int64_t most_vectors(const DepthwiseShape& shape, const DepthwiseKernels& kernels) const {
        const std::int64_t all = shape.channels / kernels.lanes + 1;
        const std::int64_t shared = all * batch_ * bands_ / kPieces;
        return std::max<std::int64_t>(1, std::min(kTileVectors / tile_pixels_, shared));
    }

    DepthwisePass pass_;
    std::int64_t batch_, bands_, tile_pixels_;
    std::vector<DepthwiseChannels> groups_;
    std::vector<std::int64_t> offsets_{};
    std::int64_t lanes_ = 0, vectors_ = 0, images_ = 1;
};

template <typename Of>
void correlate(const DepthwiseShape& shape, const DepthwisePlan& plan, const typename Of::Element* input,
               const typename Of::Element* weight, typename Of::Element* output, std::size_t threads) {
    const DepthwiseKernels& of_path = kernels(Of{});
    const Pieces pieces(shape, plan, of_path);
    const DepthwisePass& pass = pieces.pass();
    const AlignedMemory packed(static_cast<std::size_t>(pieces.lanes() * pass.num_taps) *
                               sizeof(typename Of::Sum));
    auto* weights = static_cast<typename Of::Sum*>(packed.data());
    pack_weights<Of>(pieces.groups(), of_path, plan.weight_taps(), shape.kernel[0] * shape.kernel[1], weight,
                     weights);

    // The groups of a band follow each other, because they lie in the same lines of memory.
    const auto work = [&](std::size_t piece) {
        const auto index = static_cast<std::int64_t>(piece);
        pieces.with_piece(index / pieces.num_groups(), index % pieces.num_groups(),
                          [&](const DepthwiseChannels& channels, std::int64_t offset, std::int64_t n,
                              std::int64_t images, std::int64_t band) {
                              const FlushSubnormals flush(sizeof(typename Of::Sum) == sizeof(float));
                              of_path.correlate(
                                  pass, channels, images, band,
                                  input + n * pass.input_rows * pass.input_columns * pass.channels,
                                  weights + offset * pass.num_taps,
                                  output + n * pass.output_rows * pass.output_columns * pass.channels,
                                  pieces.workspace());
                          });
    };
    for_each_piece(static_cast<std::size_t>(pieces.items() * pieces.num_groups()),
                   useful_threads(shape, threads), work);
}

template <typename Of>
void weight_gradient(const DepthwiseShape& shape, const typename Of::Element* output_gradient,
                     const typename Of::Element* input, typename Of::Element* result, std::size_t threads) {
    const DepthwiseKernels& of_path = kernels(Of{});
    const DepthwisePlan plan = DepthwisePlan::forward(shape);
    const Pieces pieces(shape, plan, of_path);
    const DepthwisePass& pass = pieces.pass();
    const std::int64_t items = pieces.items(), num_groups = pieces.num_groups();
    const std::int64_t parts =
        std::clamp<std::int64_t>(kPartialSums / num_groups, 1, std::max<std::int64_t>(1, items));
    const std::int64_t part_sums = pieces.lanes() * pass.num_taps;
    std::vector<double> totals(static_cast<std::size_t>(parts * part_sums),
                               0.0);  // [part][vector][tap][lane]

    const auto work = [&](std::size_t piece) {
        const std::int64_t part = static_cast<std::int64_t>(piece) / num_groups;
        const FlushSubnormals flush(sizeof(typename Of::Sum) == sizeof(float));
        for (std::int64_t i = items * part / parts; i < items * (part + 1) / parts; ++i)
            pieces.with_piece(
                i, static_cast<std::int64_t>(piece) % num_groups,
                [&](const DepthwiseChannels& channels, std::int64_t offset, std::int64_t n,
                    std::int64_t images, std::int64_t band) {
                    of_path.accumulate(
                        pass, channels, images, band,
                        input + n * pass.input_rows * pass.input_columns * pass.channels,
                        output_gradient + n * pass.output_rows * pass.output_columns * pass.channels,
                        totals.data() + part * part_sums + offset * pass.num_taps, pieces.workspace());
                });
    };
    for_each_piece(static_cast<std::size_t>(parts * num_groups), useful_threads(shape, threads), work);

    for (std::int64_t part = 1; part < parts; ++part)
        for (std::int64_t s = 0; s < part_sums; ++s)
            totals[static_cast<std::size_t>(s)] += totals[static_cast<std::size_t>(part * part_sums + s)];
    const double* sums = totals.data();
    for_each_vector(pieces.groups(), of_path,
                    [&](std::int64_t first, std::int64_t count, std::int64_t lanes) {
                        for (const std::int64_t tap : plan.weight_taps()) {
                            for (std::int64_t lane = 0; lane < count; ++lane)
                                result[(first + lane) * pass.num_taps + tap] = Of::narrowed(sums[lane]);
                            sums += lanes;
                        }
                    });
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
