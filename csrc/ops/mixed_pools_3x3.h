// Rows of pools of 3x3 pixels with padding 1 and stride 1 or 2, which read and write each pixel once.
// Internal linkage, see mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "mixed_rows.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

template <typename Bits>
inline bool any(const Bits& bits) {
    constexpr int kWords = sizeof(Bits) / sizeof(std::uint64_t);
    std::uint64_t words[kWords], joined = 0;
    __builtin_memcpy(words, &bits, sizeof(bits));
    for (int i = 0; i < kWords; ++i) joined |= words[i];
    return joined != 0;
}

inline bool is_3x3(const PoolWindow& window) {
    return window.kernel == 3 && window.padding == 1 && window.stride <= 2 && window.columns >= 2;
}

// Windows [1, end) are inside of the image.
inline std::int64_t inside_end_3x3(const PoolWindow& window) {
    return (window.columns - 2) / window.stride + 1;
}

// The three rows that a window reads. Those outside of the image, which come last, are `outside`; nullptr:
// the first one again.
template <typename Sum>
struct Lines3x3 {
    const Sum* rows[3];
    std::int64_t open = 0;  // rows inside of the image

    Lines3x3(const void* const* lines, const Sum* outside) {
        for (int r = 0; r < 3; ++r)
            if (lines[r] != nullptr) rows[open++] = static_cast<const Sum*>(lines[r]);
        for (std::int64_t r = open; r < 3; ++r) rows[r] = outside != nullptr ? outside : rows[0];
    }
};

// target[j] = finish(join of the columns of a window, number of columns); a column is join_lines of its
// pixels.
template <int Lanes, typename Sum, typename JoinLines, typename Join, typename Finish>
inline void pool_3x3(const Lines3x3<Sum>& lines, const PoolWindow& window, std::int64_t pitch,
                     std::int64_t offset, Sum* target, const JoinLines& join_lines, const Join& join,
                     const Finish& finish) {
    const std::int64_t last = window.columns - 1;
    const auto column = [&](std::int64_t c) {
        const std::int64_t place = c * pitch + offset;
        return join_lines(load<Lanes>(lines.rows[0] + place), load<Lanes>(lines.rows[1] + place),
                          load<Lanes>(lines.rows[2] + place));
    };
    Sum* pixel = target + offset;
    const auto give = [&](const auto& joined, auto columns) {
        store<Lanes>(finish(joined, columns), pixel);
        pixel += pitch;
    };
    auto left = column(0), middle = column(1);
    give(join(left, middle), Constant<2>{});
    std::int64_t c = 2;  // the next column to read
    if (window.stride == 1) {
        // Two windows share the two columns between them.
        for (; c < last; c += 2) {
            const auto right = column(c), next = column(c + 1), shared = join(middle, right);
            give(join(left, shared), Constant<3>{});
            give(join(shared, next), Constant<3>{});
            left = right;
            middle = next;
        }
        for (; c <= last; ++c) {
            const auto right = column(c);
            give(join(left, join(middle, right)), Constant<3>{});
            left = middle;
            middle = right;
        }
        give(join(left, middle), Constant<2>{});
    } else {
        for (; c < last; c += 2) {
            const auto next = column(c + 1);
            give(join(join(middle, column(c)), next), Constant<3>{});
            middle = next;
        }
        if (c == last) give(join(middle, column(c)), Constant<2>{});
    }
}

// False, and not all of the target, if there may be a NaN.
template <int Lanes, typename Sum>
inline bool max_pool_3x3(const void* const* lines, const PoolWindow& window, std::int64_t pitch,
                         Sum* target) {
    using Values = Vector<Sum, Lanes>;
    const Lines3x3<Sum> image(lines, nullptr);
    const auto larger_number = [](const Values& a, const Values& b) { return a > b ? a : b; };
    for (std::int64_t v = 0; v < pitch; v += Lanes) {
        Values nothing = {};  // or NaN, as Inf * 0
        pool_3x3<Lanes>(
            image, window, pitch, v, target,
            [&](const Values& a, const Values& b, const Values& c) {
                nothing += (a + b + c) * 0;
                return larger_number(larger_number(a, b), c);
            },
            larger_number, [](const Values& maximum, auto) { return maximum; });
        if (any(nothing != 0)) return false;
    }
    return true;
}

template <int Lanes, typename Sum>
inline void average_pool_3x3(const void* const* lines, const PoolWindow& window, std::int64_t pitch,
                             Sum* target, Sum* zeros) {
    using Values = Vector<Sum, Lanes>;
    const Lines3x3<Sum> image(lines, zeros);
    if (image.open < 3) clear(zeros, window.columns * pitch);
    const Sum edge = 1 / static_cast<Sum>(image.open * 2), inside = 1 / static_cast<Sum>(image.open * 3);
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        pool_3x3<Lanes>(
            image, window, pitch, v, target,
            [](const Values& a, const Values& b, const Values& c) { return a + b + c; },
            [](const Values& a, const Values& b) { return a + b; },
            [&](const Values& sum, auto columns) { return sum * (columns.value == 3 ? inside : edge); });
}

// Adds each gradient to the first pixel of its window that equals the maximum, for the windows inside of the
// image, from window 1 on, and returns the bits of the gradients that no pixel got. What is added to stays in
// registers until the next window has moved past it.
template <int Stride, int Lanes, typename Sum>
inline auto max_pool_gradient_3x3(const void* const* lines, void* const* targets, const PoolWindow& window,
                                  const Sum* maxima, const Sum* gradient, std::int64_t pitch,
                                  std::int64_t offset) {
    using Values = Vector<Sum, Lanes>;
    using Bits = decltype(Values{} == Values{});
    constexpr int kKept = 3 - Stride;
    const Lines3x3<Sum> image(lines, nullptr);
    // Where what is not wanted is added. A row outside of the image is asked after the one that it repeats
    // and gets nothing.
    Sum unwanted[Lanes] = {};
    const Sum* rows[3];
    Sum* sums[3];
    std::int64_t sum_pitches[3] = {};
    const std::int64_t first = (Stride - window.padding) * pitch + offset;
    int open = 0;
    for (int r = 0; r < 3; ++r) {
        rows[r] = image.rows[r] + first;
        sums[r] = unwanted;
    }
    for (int r = 0; r < 3; ++r) {
        if (lines[r] == nullptr) continue;
        if (targets[r] != nullptr) {
            sums[open] = static_cast<Sum*>(targets[r]) + first;
            sum_pitches[open] = pitch;
        }
        ++open;
    }
    Values kept[3][3];
    EFFNAS_UNROLL
    for (int r = 0; r < 3; ++r) EFFNAS_UNROLL
    for (int c = 0; c < kKept; ++c) kept[r][c] = load<Lanes>(sums[r] + c * sum_pitches[r]);
    Bits not_given = {};
    for (std::int64_t j = 1, end = inside_end_3x3(window); j < end; ++j) {
        const auto maximum = load<Lanes>(maxima + j * pitch + offset);
        auto left = load<Lanes>(gradient + j * pitch + offset);  // to be given away
        EFFNAS_UNROLL
        for (int r = 0; r < 3; ++r) {
            EFFNAS_UNROLL
            for (int c = kKept; c < 3; ++c) kept[r][c] = load<Lanes>(sums[r] + c * sum_pitches[r]);
            EFFNAS_UNROLL
            for (int c = 0; c < 3; ++c) {
                const Values given = load<Lanes>(rows[r] + c * pitch) == maximum ? left : Values{};
                kept[r][c] += given;
                left = (Values)((Bits)left ^ (Bits)given);
            }
            EFFNAS_UNROLL
            for (int c = 0; c < Stride; ++c) store<Lanes>(kept[r][c], sums[r] + c * sum_pitches[r]);
            EFFNAS_UNROLL
            for (int c = 0; c < kKept; ++c) kept[r][c] = kept[r][c + Stride];
            rows[r] += Stride * pitch;
            sums[r] += Stride * sum_pitches[r];
        }
        not_given |= (Bits)left;
    }
    EFFNAS_UNROLL
    for (int r = 0; r < 3; ++r) EFFNAS_UNROLL
    for (int c = 0; c < kKept; ++c) store<Lanes>(kept[r][c], sums[r] + c * sum_pitches[r]);
    return not_given;
}

// Adds to each pixel of the targets the gradients of the windows that it is in, each divided by the window's
// number of pixels. They are the same for a column of all rows.
template <int Lanes, typename Sum>
inline void average_pool_gradient_3x3(void* const* targets, const PoolWindow& window, std::int64_t num_lines,
                                      const Sum* gradient, std::int64_t count, std::int64_t pitch) {
    const Sum edge = 1 / static_cast<Sum>(num_lines * 2), inside = 1 / static_cast<Sum>(num_lines * 3);
    const std::int64_t inside_end = inside_end_3x3(window), stride = window.stride;
    Sum* rows[3];
    int wanted = 0;
    for (int r = 0; r < 3; ++r)
        if (targets[r] != nullptr) rows[wanted++] = static_cast<Sum*>(targets[r]);
    const auto add_to = [&](auto num_rows, std::int64_t offset) {
        const auto add = [&](std::int64_t column, const Vector<Sum, Lanes>& sum) {
            EFFNAS_UNROLL
            for (int r = 0; r < num_rows.value; ++r) {
                Sum* pixel = rows[r] + column * pitch + offset;
                store<Lanes>(load<Lanes>(pixel) + sum, pixel);
            }
        };
        Vector<Sum, Lanes> before = {}, here = load<Lanes>(gradient + offset) * edge;
        for (std::int64_t j = 0; j < count; ++j) {
            Vector<Sum, Lanes> next = {};
            if (j + 1 < count)
                next =
                    load<Lanes>(gradient + (j + 1) * pitch + offset) * (j + 1 < inside_end ? inside : edge);
            if (stride == 1)
                add(j, before + here + next);
            else {
                add(2 * j, here);
                if (2 * j + 1 < window.columns) add(2 * j + 1, here + next);
            }
            before = here;
            here = next;
        }
    };
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        if (wanted == 3)
            add_to(Constant<3>{}, v);
        else if (wanted == 2)
            add_to(Constant<2>{}, v);
        else if (wanted == 1)
            add_to(Constant<1>{}, v);
}

}  // namespace
}  // namespace efficient_nas::ops
