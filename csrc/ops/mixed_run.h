// What the forward and the backward pass of a cell share: weights and coefficients as rows of sums, the
// pieces of an image, and memory for them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "aligned_memory.h"
#include "kept_memory.h"
#include "mixed_cell.h"
#include "mixed_program.h"
#include "mixed_taps.h"
#include "parallel.h"

namespace efficient_nas::ops {

// Memory cut from one block. Without a block it only counts, which says how large the block must be.
class Arena {
  public:
    explicit Arena(void* block = nullptr) : block_(static_cast<std::byte*>(block)) {}
    template <typename T>
    T* take(std::int64_t count) {
        T* memory = block_ == nullptr ? nullptr : reinterpret_cast<T*>(block_ + used_);
        used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
        return memory;
    }
    std::size_t used() const { return used_; }

  private:
    std::byte* block_;
    std::size_t used_ = 0;
};

// Rows [first, last) of image n.
struct Piece {
    std::int64_t n, first, last;
};

// Images cut into bands of rows, and bands dealt to parts, by shape alone: every part is summed up by itself.
class Pieces {
  public:
    Pieces(std::int64_t batch, const Geometry& size, std::int64_t pitch);
    std::size_t parts() const { return parts_; }
    std::int64_t band_rows() const { return band_rows_; }
    template <typename Work>
    void for_each(std::size_t part, const Work& work) const {
        const auto begin = static_cast<std::size_t>(count_) * part / parts_;
        const auto end = static_cast<std::size_t>(count_) * (part + 1) / parts_;
        for (auto i = static_cast<std::int64_t>(begin); i < static_cast<std::int64_t>(end); ++i) {
            const std::int64_t first = i % bands_ * band_rows_;
            work(Piece{i / bands_, first, std::min(first + band_rows_, height_)});
        }
    }

  private:
    std::int64_t height_, band_rows_, bands_, count_;
    std::size_t parts_;
};

enum class Direction { kForward, kBackward };

// scale * (value - mean) + shift, rows of coefficients.
template <typename Sum>
struct Affine {
    AlignedVector<Sum> mean, scale, shift;
};

// What a direction needs of a unit's weights.
template <typename Sum>
struct UnitWeights {
    PlaneRow plane{};
    DepthwiseTaps taps;
    GradientTaps gradient_taps;
    RowRuns runs, gradient_runs;
    AlignedVector<Sum> depthwise;           // [tap][pitch in]
    AlignedVector<Sum> depthwise_gradient;  // [tap of gradient_taps][pitch in]
    AlignedVector<Sum> mix;                 // [tap][channel in][pitch out]
    AlignedVector<Sum> mix_transposed;      // [tap][channel out][pitch in]
};

// Pixels of images in memory: of a state's value or gradient, or of a unit's value.
struct Image {
    std::byte* data;
    std::int64_t pixel_pitch;
    Geometry size;
    ChannelLayout layout;
};

inline constexpr std::int64_t kSumsTogether = 4096;

// Rows of an image as sums: where they lie, or copies.
template <typename Sum>
struct ImageRows {
    const Sum* first;
    std::int64_t sums;  // of a row
    const Sum* row(std::int64_t row) const { return first + row * sums; }
};

template <typename Sum>
class CellRun {
  public:
    // outputs: the values of the nodes.
    CellRun(const MixedCell& cell, const CellCall& call, const CellOperands& operands,
            const std::vector<const void*>& outputs, Direction direction, std::size_t threads);

    const Sum* parameter(std::size_t index) const {
        return static_cast<const Sum*>(operands.parameters[index]);
    }
    bool is_bfloat16() const { return call.storage == Storage::kBfloat16; }
    std::size_t element_size() const { return is_bfloat16() ? 2 : sizeof(Sum); }

    // Images of a layout: as many as the batch has, or fewer that hold several.
    std::int64_t batch_of(const ChannelLayout& layout) const { return call.batch / layout.groups; }
    Pieces pieces_of(const Geometry& size, const ChannelLayout& layout) const {
        return {batch_of(layout), size, layout.pitch};
    }
    // Rows of sums in memory, lanes beyond the channels too.
    static Image dense_image(void* data, const Geometry& size, const ChannelLayout& layout) {
        return {
            static_cast<std::byte*>(data), layout.pitch, size, {layout.pitch, layout.pitch, layout.kernels}};
    }
    std::size_t dense_bytes(const Geometry& size, const ChannelLayout& layout) const {
        return static_cast<std::size_t>(batch_of(layout) * size.height * size.width * layout.pitch) *
               element_size();
    }
    // Copies the channels that edges read of a state to memory of their own, where they read but a part.
    void copy_part(std::size_t state);
    Image unit_image(std::size_t unit, void* data) const;
    // What a pass reads.
    Image source_of(const Pass& pass) const {
        return pass.unit == kAbsent ? states[pass.state] : unit_image(pass.unit, operands.saved[pass.unit]);
    }
    std::size_t root_of(const Pass& pass) const {
        return pass.unit == kAbsent ? pass.state : program.edge_sources[program.units[pass.unit].edge];
    }
    const ChannelLayout& layout_of(const Term& term) const {
        return program.states[program.edge_targets[term.edge]].sum;
    }

    std::byte* address(const Image& image, std::int64_t n, std::int64_t row) const {
        const std::int64_t pixel = (n * image.size.height + row) * image.size.width;
        return image.data + static_cast<std::size_t>(pixel * image.pixel_pitch) * element_size();
    }
    // Whether a row in memory is a row of sums.
    bool is_direct(const Image& image) const {
        return !is_bfloat16() && image.pixel_pitch == image.layout.pitch &&
               image.layout.channels == image.layout.pitch;
    }
    // Rows that are computed together: so few that they and the weights stay in the first-level cache.
    static std::int64_t rows_together(std::int64_t width, std::int64_t pitch) {
        return std::max<std::int64_t>(1, kSumsTogether / (width * pitch));
    }
    // Sums of rows that are computed together, at most.
    static std::int64_t sums_together(std::int64_t width, std::int64_t pitch) {
        return std::max(kSumsTogether, width * pitch);
    }
    // `count` rows, one after the other: where they lie, or in `buffer`.
    const Sum* read(const Image& image, std::int64_t n, std::int64_t row, std::int64_t count,
                    Sum* buffer) const {
        return rows(image, n, row, row + count, buffer).row(row);
    }
    // Rows [first, last), which are copied to `memory` if they must be.
    ImageRows<Sum> rows(const Image& image, std::int64_t n, std::int64_t first, std::int64_t last,
                        Sum* memory) const;
    // Every stride-th pixel of a row comes first.
    void load(const Image& image, std::int64_t n, std::int64_t row, std::int64_t stride, Sum* target) const;
    // Where to compute rows; write() then stores what is not there already.
    Sum* rows_to_write(const Image& image, std::int64_t n, std::int64_t row, Sum* buffer) const {
        return is_direct(image) ? reinterpret_cast<Sum*>(address(image, n, row)) : buffer;
    }
    void write(const Image& image, std::int64_t n, std::int64_t row, std::int64_t count,
               const Sum* sums) const;

    // The norm as a map, by the statistics of this call; the identity where there is none.
    Affine<Sum> affine_of(const NormTensors& norm, const ChannelLayout& layout) const;
    // Mean of a value before the convolution's bias.
    double mean_of(const NormTensors& norm, std::int64_t channel) const;
    double inverse_deviation(const NormTensors& norm, const ChannelLayout& layout,
                             std::int64_t channel) const;
    Prologue prologue_of(const Pass& pass) const;

    // Loads what the outputs [first, last) of a pass read; returns the row 0 of the image. Rows outside of
    // the image are left out unless matrices read them: depthwise convolutions pass over them.
    Sum* load_plane(const Pass& pass, const PlaneRow& plane, const Image& image, std::int64_t n,
                    std::int64_t first, std::int64_t last, Sum* memory) const;
    // Rows of the plane for so many rows of the image.
    static std::int64_t plane_rows(const Pass& pass, std::int64_t rows) {
        return rows + pass.before + pass.after + pass.stride;
    }
    // The lines that a unit's output row reads.
    void unit_lines(const Unit& unit, const Pass& pass, const PlaneRow& plane, const Sum* rows,
                    std::int64_t output_row, const void** lines) const;
    // Rows [first, last) of a unit's depthwise convolution, one after the other.
    void convolve(const Unit& unit, const Pass& pass, const UnitWeights<Sum>& packed, const Sum* rows,
                  std::int64_t first, std::int64_t last, const void** lines, Sum* target) const;
    // From the lines of a row of the output to those of the next.
    static std::int64_t line_step(const Pass& pass, const PlaneRow& plane) {
        return pass.stride * pixels_of(plane) * pass.layout.pitch;
    }
    static std::int64_t num_lines(const Unit& unit) {
        return std::max(unit.kernel, static_cast<std::int64_t>(unit.mix.size()));
    }
    // A row of a pool, and the lines that it reads.
    void pool_row(const Pool& pool, const ImageRows<Sum>& image, std::int64_t o, const void** lines,
                  Sum* scratch, Sum* target) const;

    MixedProgram program;
    const CellCall& call;
    const CellOperands& operands;
    std::size_t threads;
    std::vector<Image> wholes;  // of states, in the caller's memory
    std::vector<Image> states;  // the channels that edges read
    std::vector<UnitWeights<Sum>> weights;
    std::vector<Affine<Sum>> norms;  // of units, once their statistics are known

  private:
    void pack(std::size_t unit, Direction direction);
    void pack_matrices(std::size_t unit, Direction direction);
    template <typename Element>
    void copy_part_of(std::size_t state);

    std::vector<KeptMemory> parts_;  // of states
};

extern template class CellRun<float>;
extern template class CellRun<double>;

}  // namespace efficient_nas::ops
