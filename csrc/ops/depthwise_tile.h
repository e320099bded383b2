// The tile of depthwise_kernels.h. Internal linkage throughout, see depthwise_simd.cpp.
#pragma once

#include "depthwise_kernels.h"
#include "vector_types.h"

namespace efficient_nas::ops {
namespace {

constexpr int kLeastVectorBytes = 16;

template <typename Sum>
constexpr int kWidestLanes = kVectorBytes / int{sizeof(Sum)};

// Calls work(lanes, offset, first, count) for each vector of channels: channels [first, first + count), whose
// lanes come after `offset` others.
template <typename Sum, typename Work>
inline void for_vectors(const DepthwiseChannels& channels, const Work& work) {
    constexpr int kLanes = kWidestLanes<Sum>;
    std::int64_t offset = 0, first = channels.first;
    for (std::int64_t v = 0; v < channels.full; ++v, offset += kLanes, first += kLanes)
        work(Constant<kLanes>{}, offset, first, std::int64_t{kLanes});
    if (channels.rest == 0) return;
    if (channels.rest_lanes == kLanes) return work(Constant<kLanes>{}, offset, first, channels.rest);
    if constexpr (kVectorBytes >= 2 * kLeastVectorBytes)
        if (channels.rest_lanes == kLanes / 2)
            return work(Constant<kLanes / 2>{}, offset, first, channels.rest);
    if constexpr (kVectorBytes >= 4 * kLeastVectorBytes)
        return work(Constant<kLanes / 4>{}, offset, first, channels.rest);
}

// The rows of the tile that are in memory, for one band of an image after the other.
template <typename Element>
class Tile {
  public:
    using Sum = SumOf<Element>;

    Tile(const DepthwisePass& pass, const DepthwiseChannels& channels, std::int64_t band, void* rows)
        : pass_(pass),
          channels_(channels),
          pixels_(pass.residues * pass.residue_pitch),
          first_row_(band * pass.band_rows * pass.row_step - pass.top),
          row_step_(pass.row_step % pass.row_span),
          rows_(static_cast<Sum*>(rows)) {
        for (std::int64_t slot = 0; slot < pass.row_span; ++slot) clear_borders(rows_ + slot * row_size());
    }

    // To the first output row of the band.
    void start(const Element* image) {
        image_ = image;
        begin_ = first_row_;
        filled_ = begin_ < 0 ? 0 : begin_;
        slot_ = 0;
        fill();
    }

    // To the next output row.
    void advance() {
        begin_ += pass_.row_step;
        slot_ += row_step_;
        if (slot_ >= pass_.row_span) slot_ -= pass_.row_span;
        fill();
    }

    // Writes the rows of taps of the current output row that are not outside of the image; says how many.
    std::int64_t find_lines(const DepthwisePhase& phase, DepthwiseTapLine* lines) const {
        std::int64_t found = 0;
        const DepthwiseTapRow* rows = pass_.tap_rows + phase.first_tap_row;
        for (std::int64_t r = 0; r < phase.tap_rows; ++r) {
            const DepthwiseTapRow& row = rows[r];
            const std::int64_t of_image = begin_ + row.row;
            if (of_image < 0 || of_image >= pass_.input_rows) continue;
            // In the first plane, which all rows have.
            lines[found++] = {line(row.row), row.column, row.first_tap, row.taps};
        }
        return found;
    }

  private:
    // Of the tile, in lanes: rows begin at the alignment of the widest vector.
    std::int64_t row_size() const {
        constexpr std::int64_t kLanes = kWidestLanes<Sum>;
        return (pixels_ * channels_.lanes + kLanes - 1) / kLanes * kLanes;
    }

    Sum* line(std::int64_t row) const {
        const std::int64_t slot = slot_ + row;
        return rows_ + (slot < pass_.row_span ? slot : slot - pass_.row_span) * row_size();
    }

    void fill() {
        const std::int64_t last = begin_ + pass_.row_span;
        const std::int64_t end = last < pass_.input_rows ? last : pass_.input_rows;
        for (std::int64_t row = filled_ < begin_ ? begin_ : filled_; row < end; ++row)
            copy(image_ + row * pass_.input_columns * pass_.channels, line(row - begin_));
        filled_ = end;
    }

    void clear_borders(Sum* plane) const {
        for_vectors<Sum>(channels_, [&](auto lanes, std::int64_t, std::int64_t, std::int64_t) {
            const Vector<Sum, lanes.value> zeros = {};
            Sum* pixels = plane;
            for (std::int64_t residue = 0; residue < pass_.residues; ++residue) {
                const DepthwiseResidue& columns = pass_.residue_columns[residue];
                for (std::int64_t j = 0; j < columns.begin; ++j)
                    store<lanes.value>(zeros, pixels + j * lanes.value);
                for (std::int64_t j = columns.end; j < pass_.residue_pitch; ++j)
                    store<lanes.value>(zeros, pixels + j * lanes.value);
                pixels += pass_.residue_pitch * lanes.value;
            }
            plane = pixels;
        });
    }

    // A row of the image.
    void copy(const Element* source, Sum* plane) const {
        const std::int64_t step = pass_.residues * pass_.channels;
        // The next row is on its way from memory while this one is computed with.
        const std::int64_t ahead = pass_.input_columns * pass_.channels;
        for_vectors<Sum>(channels_, [&](auto lanes, std::int64_t, std::int64_t first, std::int64_t count) {
            constexpr int kLanes = lanes.value;
            for (std::int64_t residue = 0; residue < pass_.residues; ++residue) {
                const DepthwiseResidue& columns = pass_.residue_columns[residue];
                const Element* pixel = source + columns.column * pass_.channels + first;
                Sum* target = plane + columns.begin * kLanes;
                Sum* const end = plane + columns.end * kLanes;
                if (count == kLanes)
                    for (; target < end; target += kLanes, pixel += step) {
                        store<kLanes>(load<kLanes>(pixel), target);
                        __builtin_prefetch(pixel + ahead);
                    }
                else
                    for (; target < end; target += kLanes, pixel += step)
                        store<kLanes>(load_first<kLanes>(pixel, count), target);
                plane += pass_.residue_pitch * kLanes;
            }
        });
    }

    const DepthwisePass& pass_;
    const DepthwiseChannels& channels_;
    std::int64_t pixels_, first_row_, row_step_;
    Sum* rows_;
    const Element* image_ = nullptr;
    std::int64_t begin_ = 0, filled_ = 0, slot_ = 0;  // rows of the image; place of row begin_ in the ring
};

}  // namespace
}  // namespace efficient_nas::ops
