// The kernels of depthwise convolutions for one instruction set; compiled once for each (CMakeLists.txt).
//
// Everything here is in an unnamed namespace and uses no inline function of the standard library: the linker
// keeps one copy of those, which must not be the one with instructions that this CPU may lack.
#include <cstdint>
#include <cstring>

#include "depthwise_kernels.h"
#include "vector_pixels.h"
#include "vector_types.h"

namespace efficient_nas::ops {
namespace {

// The rows of the tile that are in memory, for one image and band.
template <typename Element, int Lanes>
class Tile {
  public:
    using Sum = Vector<SumOf<Element>, Lanes>;

    Tile(const DepthwisePass& pass, const Element* image, std::int64_t count, std::int64_t band, void* rows)
        : pass_(pass),
          image_(image),
          count_(count),
          first_row_(band * pass.band_rows * pass.row_step),
          pitch_(pass.residues * pass.residue_pitch),
          rows_(static_cast<Sum*>(rows)) {}

    // Makes the rows of output row i of the band, which grows from call to call, the current ones.
    void move_to(std::int64_t i) {
        const std::int64_t begin = i * pass_.row_step, end = begin + pass_.row_span;
        for (std::int64_t row = filled_ < begin ? begin : filled_; row < end; ++row)
            fill(first_row_ + row - pass_.top, rows_ + row % pass_.row_span * pitch_);
        filled_ = end;
        start_ = begin % pass_.row_span;
    }

    const Sum* line(std::int64_t row) const {
        const std::int64_t slot = start_ + row;
        return rows_ + (slot < pass_.row_span ? slot : slot - pass_.row_span) * pitch_;
    }

  private:
    // A row of the image between zeros, or a row of zeros.
    void fill(std::int64_t row, Sum* line) const {
        if (row < 0 || row >= pass_.input_rows) {
            for (std::int64_t j = 0; j < pitch_; ++j) line[j] = Sum{};
            return;
        }
        const Element* source = image_ + row * pass_.input_columns * pass_.channels;
        const std::int64_t step = pass_.residues * pass_.channels;
        const std::int64_t width = pass_.residue_pitch;
        // The next row is on its way from memory while this one is computed with.
        const std::int64_t ahead = pass_.input_columns * pass_.channels;
        for (std::int64_t residue = 0; residue < pass_.residues; ++residue, line += width) {
            // Pixel j is column j * residues + shift of the image, which has it for j in [begin, end).
            const std::int64_t shift = residue - pass_.left;
            const std::int64_t columns = pass_.input_columns - shift;
            std::int64_t end = columns <= 0 ? 0 : (columns - 1) / pass_.residues + 1;
            end = end < width ? end : width;
            std::int64_t begin = shift < 0 ? (pass_.residues - 1 - shift) / pass_.residues : 0;
            begin = begin < end ? begin : end;
            const Element* pixel = source + (shift + begin * pass_.residues) * pass_.channels;
            for (std::int64_t j = 0; j < begin; ++j) line[j] = Sum{};
            if (count_ == Lanes)
                for (std::int64_t j = begin; j < end; ++j, pixel += step) {
                    line[j] = load<Lanes>(pixel);
                    __builtin_prefetch(pixel + ahead);
                }
            else
                for (std::int64_t j = begin; j < end; ++j, pixel += step)
                    line[j] = load_first<Lanes>(pixel, count_);
            for (std::int64_t j = end; j < width; ++j) line[j] = Sum{};
        }
    }

    const DepthwisePass& pass_;
    const Element* image_;
    std::int64_t count_, first_row_, pitch_;
    Sum* rows_;
    std::int64_t filled_ = 0, start_ = 0;
};

template <typename Element, int Lanes>
inline void find_lines(const DepthwisePass& pass, const DepthwisePhase& phase,
                       const Tile<Element, Lanes>& tile, const void** lines) {
    for (std::int64_t r = 0; r < phase.tap_rows; ++r)
        lines[r] = tile.line(pass.tap_rows[phase.first_tap_row + r].row);
}

// A row of taps at the current rows of a tile: tap k reads pixels[k * spacing] for the column in question.
template <typename Element, int Lanes, typename Work>
inline void for_tap_rows(const DepthwisePass& pass, const DepthwisePhase& phase, const void* const* lines,
                         std::int64_t j, const Work& work) {
    const DepthwiseTapRow* rows = pass.tap_rows + phase.first_tap_row;
    for (std::int64_t r = 0; r < phase.tap_rows; ++r)
        work(rows[r], static_cast<const Vector<SumOf<Element>, Lanes>*>(lines[r]) + rows[r].column + j);
}

// Where registers hold all pixels that a row of taps reads, each is loaded once: calls work(taps, spacing),
// as constants, for the rows of common kernels, and says whether it did.
template <int Pixels, typename Work>
inline bool with_constants(std::int64_t taps, std::int64_t spacing, const Work& work) {
    if constexpr (kManyRegisters && Pixels == kPixels) {
        if (spacing == 1) {
            if (taps == 3) return work(Constant<3>{}, Constant<1>{}), true;
            if (taps == 5) return work(Constant<5>{}, Constant<1>{}), true;
            if (taps == 2) return work(Constant<2>{}, Constant<1>{}), true;
        } else if (spacing == 2) {
            if (taps == 3) return work(Constant<3>{}, Constant<2>{}), true;
            if (taps == 5) return work(Constant<5>{}, Constant<2>{}), true;
        }
    }
    return false;
}

template <int Pixels, int Taps, int Spacing, typename Sum>
struct Window {
    static constexpr int kSize = Pixels + (Taps - 1) * Spacing;
    Sum pixels[kSize];
    explicit Window(const Sum* source) {
        EFFNAS_UNROLL
        for (int p = 0; p < kSize; ++p) pixels[p] = source[p];
    }
};

// Pixels neighbouring pixels of the output, `step` elements apart, from column j.
template <int Pixels, typename Element, int Lanes>
inline void correlate_pixels(const DepthwisePass& pass, const DepthwisePhase& phase, const void* const* lines,
                             const Vector<SumOf<Element>, Lanes>* weights, std::int64_t j, Element* output,
                             std::int64_t step, std::int64_t count) {
    using Sum = Vector<SumOf<Element>, Lanes>;
    Sum sums[Pixels] = {};
    for_tap_rows<Element, Lanes>(pass, phase, lines, j, [&](const DepthwiseTapRow& row, const Sum* pixels) {
        const Sum* of_row = weights + row.first_tap;
        const auto unrolled = [&](auto taps, auto spacing) {
            const Window<Pixels, taps.value, spacing.value, Sum> window(pixels);
            EFFNAS_UNROLL
            for (int k = 0; k < taps.value; ++k) {
                EFFNAS_UNROLL
                for (int p = 0; p < Pixels; ++p) sums[p] += of_row[k] * window.pixels[p + k * spacing.value];
            }
        };
        if (with_constants<Pixels>(row.taps, pass.spacing, unrolled)) return;
        for (std::int64_t k = 0; k < row.taps; ++k, pixels += pass.spacing) {
            EFFNAS_UNROLL
            for (int p = 0; p < Pixels; ++p) sums[p] += of_row[k] * pixels[p];
        }
    });
    if (count == Lanes) {
        EFFNAS_UNROLL
        for (int p = 0; p < Pixels; ++p) store<Lanes>(sums[p], output + p * step);
    } else {
        for (int p = 0; p < Pixels; ++p) store_first<Lanes>(sums[p], output + p * step, count);
    }
}

// sum + the products of Pixels pixels. Two chains of additions, so that an addition's latency is not waited
// for.
template <int Pixels, typename Sum>
inline Sum add_products(Sum sum, const Sum* a, const Sum* b) {
    Sum odd = {};
    EFFNAS_UNROLL
    for (int p = 0; p < Pixels; p += 2) {
        sum += a[p] * b[p];
        if (p + 1 < Pixels) odd += a[p + 1] * b[p + 1];
    }
    return sum + odd;
}

// Adds to the sum of each tap the products of Pixels neighbouring pixels of the gradient and of the tile.
template <int Pixels, typename Element, int Lanes>
inline void accumulate_pixels(const DepthwisePass& pass, const void* const* lines, std::int64_t j,
                              const Element* gradient, std::int64_t count,
                              Vector<SumOf<Element>, Lanes>* sums) {
    using Sum = Vector<SumOf<Element>, Lanes>;
    Sum gradients[Pixels];
    for (int p = 0; p < Pixels; ++p)
        gradients[p] = count == Lanes ? load<Lanes>(gradient + p * pass.channels)
                                      : load_first<Lanes>(gradient + p * pass.channels, count);
    for_tap_rows<Element, Lanes>(
        pass, pass.phases[0], lines, j, [&](const DepthwiseTapRow& row, const Sum* pixels) {
            Sum* of_row = sums + row.first_tap;
            const auto unrolled = [&](auto taps, auto spacing) {
                const Window<Pixels, taps.value, spacing.value, Sum> window(pixels);
                EFFNAS_UNROLL
                for (int k = 0; k < taps.value; ++k)
                    of_row[k] = add_products<Pixels>(of_row[k], gradients, window.pixels + k * spacing.value);
            };
            if (with_constants<Pixels>(row.taps, pass.spacing, unrolled)) return;
            for (std::int64_t k = 0; k < row.taps; ++k, pixels += pass.spacing)
                of_row[k] = add_products<Pixels>(of_row[k], gradients, pixels);
        });
}

inline std::int64_t rows_of_band(const DepthwisePass& pass, const DepthwisePhase& phase, std::int64_t band) {
    const std::int64_t rest = phase.rows - band * pass.band_rows;
    return rest < pass.band_rows ? rest : pass.band_rows;
}

template <typename Element, int Lanes>
void correlate(const DepthwisePass& pass, const void* image, const void* weights, void* output,
               std::int64_t first, std::int64_t count, std::int64_t band,
               const DepthwiseWorkspace& workspace) {
    const auto* of_taps = static_cast<const Vector<SumOf<Element>, Lanes>*>(weights);
    Tile<Element, Lanes> tile(pass, static_cast<const Element*>(image) + first, count, band, workspace.tile);
    const std::int64_t step = pass.column_stride * pass.channels;
    // The first phase has the most rows.
    for (std::int64_t i = 0; i < rows_of_band(pass, pass.phases[0], band); ++i) {
        tile.move_to(i);
        for (std::int64_t k = 0; k < pass.num_phases; ++k) {
            const DepthwisePhase& phase = pass.phases[k];
            if (i >= rows_of_band(pass, phase, band)) continue;
            find_lines(pass, phase, tile, workspace.lines);
            const std::int64_t row = phase.first_row + (band * pass.band_rows + i) * pass.row_stride;
            Element* target = static_cast<Element*>(output) + first +
                              (row * pass.output_columns + phase.first_column) * pass.channels;
            for_pixels<kPixels>(0, phase.columns, [&](auto run, std::int64_t j) {
                correlate_pixels<decltype(run)::value, Element, Lanes>(pass, phase, workspace.lines, of_taps,
                                                                       j, target + j * step, step, count);
            });
        }
    }
}

template <typename Element, int Lanes>
void accumulate(const DepthwisePass& pass, const void* image, const void* gradient, double* totals,
                std::int64_t first, std::int64_t count, std::int64_t band,
                const DepthwiseWorkspace& workspace) {
    auto* sums = static_cast<Vector<SumOf<Element>, Lanes>*>(workspace.sums);
    Tile<Element, Lanes> tile(pass, static_cast<const Element*>(image) + first, count, band, workspace.tile);
    for (std::int64_t t = 0; t < pass.num_taps; ++t) sums[t] = Vector<SumOf<Element>, Lanes>{};
    for (std::int64_t i = 0; i < rows_of_band(pass, pass.phases[0], band); ++i) {
        tile.move_to(i);
        find_lines(pass, pass.phases[0], tile, workspace.lines);
        const Element* source = static_cast<const Element*>(gradient) + first +
                                (band * pass.band_rows + i) * pass.output_columns * pass.channels;
        for_pixels<kPixels>(0, pass.output_columns, [&](auto run, std::int64_t j) {
            accumulate_pixels<decltype(run)::value, Element, Lanes>(pass, workspace.lines, j,
                                                                    source + j * pass.channels, count, sums);
        });
    }
    // The sums of a band are short enough for float32, those of a batch are not.
    for (std::int64_t t = 0; t < pass.num_taps; ++t)
        for (int lane = 0; lane < Lanes; ++lane) totals[t * Lanes + lane] += double(sums[t][lane]);
}

template <typename Element, int Lanes>
constexpr DepthwiseKernel kernel() {
    return {Lanes, correlate<Element, Lanes>, accumulate<Element, Lanes>};
}

// One kernel for each vector of 16 bytes up to the instruction set's own.
#if EFFNAS_VECTOR_BYTES == 64
#define EFFNAS_WIDTHS(Element, lanes) \
    {kernel<Element, lanes>(), kernel<Element, (lanes) / 2>(), kernel<Element, (lanes) / 4>()}
#elif EFFNAS_VECTOR_BYTES == 32
#define EFFNAS_WIDTHS(Element, lanes) {kernel<Element, lanes>(), kernel<Element, (lanes) / 2>()}
#else
#define EFFNAS_WIDTHS(Element, lanes) {kernel<Element, lanes>()}
#endif

constexpr DepthwiseKernel kFloat32[] = EFFNAS_WIDTHS(float, kVectorBytes / 4);
constexpr DepthwiseKernel kFloat64[] = EFFNAS_WIDTHS(double, kVectorBytes / 8);
constexpr DepthwiseKernel kBfloat16[] = EFFNAS_WIDTHS(Bfloat16, kVectorBytes / 4);
constexpr std::size_t kWidths = sizeof(kFloat32) / sizeof(kFloat32[0]);

}  // namespace

extern const DepthwisePath EFFNAS_DEPTHWISE_PATH;
const DepthwisePath EFFNAS_DEPTHWISE_PATH = {{kFloat32, kWidths}, {kFloat64, kWidths}, {kBfloat16, kWidths}};

}  // namespace efficient_nas::ops
