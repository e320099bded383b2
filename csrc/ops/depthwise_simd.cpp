// The kernels of depthwise convolutions for one instruction set; compiled once for each (CMakeLists.txt).
//
// Everything here is in an unnamed namespace and uses no inline function of the standard library: the linker
// keeps one copy of those, which must not be the one with instructions that this CPU may lack.
#include <cstddef>
#include <cstdint>

#include "depthwise_kernels.h"
#include "depthwise_rows.h"
#include "depthwise_tile.h"

namespace efficient_nas::ops {
namespace {

inline std::int64_t rows_of_band(const DepthwisePass& pass, const DepthwisePhase& phase, std::int64_t band) {
    const std::int64_t rest = phase.rows - band * pass.band_rows;
    return rest < pass.band_rows ? rest : pass.band_rows;
}

// Calls work(output row of the band, image) with the tile moved there.
template <typename Element, typename Work>
inline void for_rows(const DepthwisePass& pass, Tile<Element>& tile, std::int64_t images, std::int64_t band,
                     const void* input, const Work& work) {
    const auto* image = static_cast<const Element*>(input);
    // The first phase has the most rows.
    const std::int64_t rows = rows_of_band(pass, pass.phases[0], band);
    for (std::int64_t n = 0; n < images; ++n) {
        tile.start(image);
        for (std::int64_t i = 0; i < rows; ++i) {
            if (i > 0) tile.advance();
            work(i, n);
        }
        image += pass.input_rows * pass.input_columns * pass.channels;
    }
}

template <typename Element>
void correlate(const DepthwisePass& pass, const DepthwiseChannels& channels, std::int64_t images,
               std::int64_t band, const void* input, const void* weights, void* output,
               const DepthwiseWorkspace& workspace) {
    using Sum = SumOf<Element>;
    Tile<Element> tile(pass, channels, band, workspace.tile);
    const std::int64_t step = pass.column_stride * pass.channels;
    const std::int64_t pixels = pass.residues * pass.residue_pitch;
    for_rows<Element>(pass, tile, images, band, input, [&](std::int64_t i, std::int64_t n) {
        for (std::int64_t k = 0; k < pass.num_phases; ++k) {
            const DepthwisePhase& phase = pass.phases[k];
            if (i >= rows_of_band(pass, phase, band)) continue;
            const std::int64_t num_lines = tile.find_lines(phase, workspace.lines);
            const std::int64_t row = phase.first_row + (band * pass.band_rows + i) * pass.row_stride;
            Element* target =
                static_cast<Element*>(output) +
                ((n * pass.output_rows + row) * pass.output_columns + phase.first_column) * pass.channels;
            for_vectors<Sum>(channels, [&](auto lanes, std::int64_t offset, std::int64_t first,
                                           std::int64_t count) {
                correlate_row<Element, lanes.value>(workspace.lines, num_lines, pass.spacing, offset * pixels,
                                                    static_cast<const Sum*>(weights) + offset * pass.num_taps,
                                                    phase.columns, target + first, step, count);
            });
        }
    });
}

template <typename Element>
void accumulate(const DepthwisePass& pass, const DepthwiseChannels& channels, std::int64_t images,
                std::int64_t band, const void* input, const void* gradient, double* totals,
                const DepthwiseWorkspace& workspace) {
    using Sum = SumOf<Element>;
    auto* sums = static_cast<Sum*>(workspace.sums);
    const std::int64_t num_sums = pass.num_taps * channels.lanes;
    for (std::int64_t s = 0; s < num_sums; ++s) sums[s] = 0;
    Tile<Element> tile(pass, channels, band, workspace.tile);
    const std::int64_t pixels = pass.residues * pass.residue_pitch;
    for_rows<Element>(pass, tile, images, band, input, [&](std::int64_t i, std::int64_t n) {
        const std::int64_t num_lines = tile.find_lines(pass.phases[0], workspace.lines);
        const Element* source =
            static_cast<const Element*>(gradient) +
            (n * pass.output_rows + band * pass.band_rows + i) * pass.output_columns * pass.channels;
        for_vectors<Sum>(channels,
                         [&](auto lanes, std::int64_t offset, std::int64_t first, std::int64_t count) {
                             accumulate_row<Element, lanes.value>(
                                 workspace.lines, num_lines, pass.spacing, offset * pixels, source + first,
                                 pass.channels, count, pass.output_columns,
                                 static_cast<Sum*>(workspace.gradients), sums + offset * pass.num_taps);
                         });
    });
    // The sums of a call are short enough for float32, those of a batch are not.
    for (std::int64_t s = 0; s < num_sums; ++s) totals[s] += double{sums[s]};
}

template <typename Element>
constexpr DepthwiseKernels kernels() {
    constexpr int kLanes = kWidestLanes<SumOf<Element>>;
    return {kLanes, kLanes / (kVectorBytes / kLeastVectorBytes), correlate<Element>, accumulate<Element>};
}

}  // namespace

extern const DepthwisePath EFFNAS_DEPTHWISE_PATH;
const DepthwisePath EFFNAS_DEPTHWISE_PATH = {kernels<float>(), kernels<double>(), kernels<Bfloat16>()};

}  // namespace efficient_nas::ops
