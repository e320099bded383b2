// Rows of depthwise convolutions and of their gradients. Internal linkage, see mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

// Neighbouring taps of one row or several alike.
template <int Rows, int NumTaps, int Spacing>
struct Piece {
    static constexpr int kRows = Rows, kTaps = NumTaps, kSpacing = Spacing;
};

// Calls work(piece, first tap) for pieces of common sizes that make up a row of taps.
template <int Rows, typename Work>
inline void cut_row(std::int64_t taps, std::int64_t spacing, const Work& work) {
    std::int64_t k = 0;
    while (k < taps) {
        const auto cut = [&](auto piece) {
            work(piece, k);
            k += piece.kTaps;
        };
        const std::int64_t rest = taps - k;
        if (spacing == 1 && rest >= 5)
            cut(Piece<Rows, 5, 1>{});
        else if (spacing == 1 && rest >= 3)
            cut(Piece<Rows, 3, 1>{});
        else if (spacing == 1 && rest == 2)
            cut(Piece<Rows, 2, 1>{});
        else if (spacing == 2 && rest >= 5)
            cut(Piece<Rows, 5, 2>{});
        else if (spacing == 2 && rest >= 3)
            cut(Piece<Rows, 3, 2>{});
        else
            cut(Piece<Rows, 1, 1>{});
    }
}

// Calls work(piece, rows of taps, first tap) for pieces that make up all taps. Their sizes are constants, so
// that loops over them are unrolled, and each pixel that a row of a piece reads is loaded once for all of its
// taps. Those of float64 are single taps, which take less time to compile.
template <typename Sum, typename Work>
inline void cut_taps(const Taps& taps, const Work& work) {
    std::int64_t r = 0;
    if constexpr (sizeof(Sum) == sizeof(double)) {
        for (; r < taps.num_rows; ++r)
            for (std::int64_t k = 0; k < taps.rows[r].taps; ++k) work(Piece<1, 1, 1>{}, taps.rows + r, k);
    } else {
        while (r < taps.num_rows) {
            const TapRow* rows = taps.rows + r;
            std::int64_t alike = 1;
            while (alike < 4 && r + alike < taps.num_rows && rows[alike].taps == rows->taps) ++alike;
            // Four are two and two, five three and two.
            if (alike == 4) alike = r + 4 < taps.num_rows && rows[4].taps == rows->taps ? 3 : 2;
            r += alike;
            const auto cut = [&](auto num_rows) {
                cut_row<num_rows.value>(rows->taps, taps.spacing,
                                        [&](auto piece, std::int64_t k) { work(piece, rows, k); });
            };
            if (alike == 3)
                cut(Constant<3>{});
            else if (alike == 2)
                cut(Constant<2>{});
            else
                cut(Constant<1>{});
        }
    }
}

// Runs of a kernel's rows: what each reads or writes begins so many sums behind that of the row before.
struct Rows {
    std::int64_t count, line_step, other_step;  // other: the target, or the gradient
};

// target (+)= what the taps of a piece read, times their weights, in one vector of each pixel.
template <typename OfPiece, int Lanes, typename Sum>
inline void convolve(const Sum* const* lines, const Sum* const* weights, const Rows& rows, std::int64_t count,
                     std::int64_t pitch, Sum* target, bool add) {
    constexpr int kRows = OfPiece::kRows, kTaps = OfPiece::kTaps, kSpacing = OfPiece::kSpacing;
    using Values = Vector<Sum, Lanes>;
    Values of_taps[kRows][kTaps];
    EFFNAS_UNROLL
    for (int r = 0; r < kRows; ++r)
        for_addresses<kTaps>(weights[r], pitch,
                             [&](int k, const Sum* weight) { of_taps[r][k] = load<Lanes>(weight); });
    const Sum* of_lines[kRows];
    EFFNAS_UNROLL
    for (int r = 0; r < kRows; ++r) of_lines[r] = lines[r];
    for (std::int64_t row = 0, end = rows.count, line_step = rows.line_step, step = rows.other_step;
         row < end; ++row) {
        for_pixels<kPixels>(0, count, [&](auto run, std::int64_t j) {
            constexpr int kRun = decltype(run)::value, kWindow = kRun + (kTaps - 1) * kSpacing;
            Sum* pixels = target + j * pitch;
            Values sums[kRun] = {};
            if (add)
                for_addresses<kRun>(pixels, pitch,
                                    [&](int p, const Sum* pixel) { sums[p] = load<Lanes>(pixel); });
            EFFNAS_UNROLL
            for (int r = 0; r < kRows; ++r) {
                const Sum* line = of_lines[r] + j * pitch;
                if constexpr (kManyRegisters) {
                    Values window[kWindow];
                    for_addresses<kWindow>(line, pitch,
                                           [&](int p, const Sum* pixel) { window[p] = load<Lanes>(pixel); });
                    EFFNAS_UNROLL
                    for (int k = 0; k < kTaps; ++k) {
                        EFFNAS_UNROLL
                        for (int p = 0; p < kRun; ++p) sums[p] += of_taps[r][k] * window[p + k * kSpacing];
                    }
                } else {
                    for_addresses<kWindow>(line, pitch, [&](int column, const Sum* pixel) {
                        const auto values = load<Lanes>(pixel);
                        EFFNAS_UNROLL
                        for (int k = 0; k < kTaps; ++k) {
                            const int p = column - k * kSpacing;
                            if (p >= 0 && p < kRun) sums[p] += of_taps[r][k] * values;
                        }
                    });
                }
            }
            for_addresses<kRun>(pixels, pitch, [&](int p, Sum* pixel) { store<Lanes>(sums[p], pixel); });
        });
        EFFNAS_UNROLL
        for (int r = 0; r < kRows; ++r) of_lines[r] += line_step;
        target += step;
    }
}

template <typename Sum, int Lanes>
void depthwise_rows(const void* const* lines, std::int64_t line_step, const Taps& taps, const void* weights,
                    std::int64_t rows, std::int64_t count, std::int64_t pitch, void* target,
                    std::int64_t target_step, bool add) {
    for (std::int64_t v = 0; v < pitch; v += Lanes) {
        bool add_piece = add;
        cut_taps<Sum>(taps, [&](auto piece, const TapRow* tap_rows, std::int64_t k) {
            const Sum* of_lines[piece.kRows];
            const Sum* of_weights[piece.kRows];
            for (int r = 0; r < piece.kRows; ++r) {
                const std::int64_t column = tap_rows[r].column + k * taps.spacing;
                of_lines[r] = static_cast<const Sum*>(lines[tap_rows[r].line]) + column * pitch + v;
                of_weights[r] = static_cast<const Sum*>(weights) + (tap_rows[r].first_tap + k) * pitch + v;
            }
            convolve<decltype(piece), Lanes>(of_lines, of_weights, {rows, line_step, target_step}, count,
                                             pitch, static_cast<Sum*>(target) + v, add_piece);
            add_piece = true;
        });
    }
}

// sums of the taps of a piece += what they read times the gradient, in one vector of each pixel.
template <typename OfPiece, int Lanes, typename Sum>
inline void multiply_taps(const Sum* const* lines, Sum* const* sums, const Sum* gradient, const Rows& rows,
                          std::int64_t count, std::int64_t pitch) {
    constexpr int kRows = OfPiece::kRows, kTaps = OfPiece::kTaps, kSpacing = OfPiece::kSpacing;
    // Of up to 15 sums and as many pixels of the gradient as registers hold besides.
    constexpr int kRun = kManyRegisters ? 8 : 4;
    Vector<Sum, Lanes> of_taps[kRows][kTaps];
    EFFNAS_UNROLL
    for (int r = 0; r < kRows; ++r)
        for_addresses<kTaps>(sums[r], pitch,
                             [&](int k, const Sum* sum) { of_taps[r][k] = load<Lanes>(sum); });
    const Sum* of_lines[kRows];
    EFFNAS_UNROLL
    for (int r = 0; r < kRows; ++r) of_lines[r] = lines[r];
    for (std::int64_t row = 0, end = rows.count, line_step = rows.line_step, step = rows.other_step;
         row < end; ++row) {
        std::int64_t j = 0;
        for (; j + kRun <= count; j += kRun) {
            Vector<Sum, Lanes> of_pixels[kRun];
            for_addresses<kRun>(gradient + j * pitch, pitch,
                                [&](int p, const Sum* pixel) { of_pixels[p] = load<Lanes>(pixel); });
            EFFNAS_UNROLL
            for (int r = 0; r < kRows; ++r)
                for_addresses<kRun + (kTaps - 1) * kSpacing>(
                    of_lines[r] + j * pitch, pitch, [&](int column, const Sum* pixel) {
                        const auto values = load<Lanes>(pixel);
                        EFFNAS_UNROLL
                        for (int k = 0; k < kTaps; ++k) {
                            const int p = column - k * kSpacing;
                            if (p >= 0 && p < kRun) of_taps[r][k] += of_pixels[p] * values;
                        }
                    });
        }
        for (; j < count; ++j) {
            const auto of_pixel = load<Lanes>(gradient + j * pitch);
            EFFNAS_UNROLL
            for (int r = 0; r < kRows; ++r)
                for_addresses<kTaps>(of_lines[r] + j * pitch, kSpacing * pitch, [&](int k, const Sum* pixel) {
                    of_taps[r][k] += of_pixel * load<Lanes>(pixel);
                });
        }
        EFFNAS_UNROLL
        for (int r = 0; r < kRows; ++r) of_lines[r] += line_step;
        gradient += step;
    }
    EFFNAS_UNROLL
    for (int r = 0; r < kRows; ++r)
        for_addresses<kTaps>(sums[r], pitch, [&](int k, Sum* sum) { store<Lanes>(of_taps[r][k], sum); });
}

template <typename Sum, int Lanes>
void depthwise_outer_rows(const void* const* lines, std::int64_t line_step, const Taps& taps,
                          const void* gradient, std::int64_t gradient_step, std::int64_t rows,
                          std::int64_t count, std::int64_t pitch, void* sums) {
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        cut_taps<Sum>(taps, [&](auto piece, const TapRow* tap_rows, std::int64_t k) {
            const Sum* of_lines[piece.kRows];
            Sum* of_sums[piece.kRows];
            for (int r = 0; r < piece.kRows; ++r) {
                const std::int64_t column = tap_rows[r].column + k * taps.spacing;
                of_lines[r] = static_cast<const Sum*>(lines[tap_rows[r].line]) + column * pitch + v;
                of_sums[r] = static_cast<Sum*>(sums) + (tap_rows[r].first_tap + k) * pitch + v;
            }
            multiply_taps<decltype(piece), Lanes>(of_lines, of_sums, static_cast<const Sum*>(gradient) + v,
                                                  {rows, line_step, gradient_step}, count, pitch);
        });
}

}  // namespace
}  // namespace efficient_nas::ops
