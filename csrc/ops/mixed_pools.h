// Rows of pools and of their gradients. Internal linkage, see mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "mixed_pools_3x3.h"
#include "mixed_rows.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

// The columns of the image that output pixel j of a pool reads: [begin, end), never empty.
struct PoolColumns {
    std::int64_t begin, end;
    PoolColumns(const PoolWindow& window, std::int64_t j) {
        const std::int64_t first = j * window.stride - window.padding;
        begin = first < 0 ? 0 : first;
        end = first + window.kernel < window.columns ? first + window.kernel : window.columns;
    }
    std::int64_t count() const { return end - begin; }
};

// Calls work(j, first column, number of columns) for output pixels [begin, end).
template <typename Work>
inline void for_windows(const PoolWindow& window, std::int64_t begin, std::int64_t end, const Work& work) {
    for (std::int64_t j = begin; j < end; ++j) {
        const PoolColumns columns(window, j);
        work(j, columns.begin, columns.count());
    }
}

// A NaN on either side wins.
template <typename Values>
inline Values larger(const Values& a, const Values& b) {
    const Values larger_or_b = a > b ? a : b;
    return a != a ? a : larger_or_b;
}

// A row that joins the lines inside of the image: in scratch, or the only line itself.
template <typename Sum, int Lanes, typename Join>
inline const Sum* join_lines(const void* const* lines, std::int64_t num_lines, std::int64_t count,
                             Sum* scratch, const Join& join) {
    const Sum* open[3] = {};
    int num_open = 0;
    for (std::int64_t r = 0; r < num_lines; ++r) {
        if (lines[r] == nullptr) continue;
        open[num_open++] = static_cast<const Sum*>(lines[r]);
        if (num_open < 3) continue;
        for (std::int64_t i = 0; i < count; i += Lanes)
            store<Lanes>(
                join(join(load<Lanes>(open[0] + i), load<Lanes>(open[1] + i)), load<Lanes>(open[2] + i)),
                scratch + i);
        open[0] = scratch;
        num_open = 1;
    }
    if (num_open == 1) return open[0];
    for (std::int64_t i = 0; i < count; i += Lanes)
        store<Lanes>(join(load<Lanes>(open[0] + i), load<Lanes>(open[1] + i)), scratch + i);
    return scratch;
}

template <typename Sum, int Lanes>
void max_pool_row(const void* const* lines, const PoolWindow& window, std::int64_t count, std::int64_t pitch,
                  void* target, void* scratch) {
    using Values = Vector<Sum, Lanes>;
    if constexpr (sizeof(Sum) == sizeof(float))
        if (is_3x3(window) && max_pool_3x3<Lanes>(lines, window, pitch, static_cast<Sum*>(target))) return;
    const Sum* joined =
        join_lines<Sum, Lanes>(lines, window.kernel, window.columns * pitch, static_cast<Sum*>(scratch),
                               [](const Values& a, const Values& b) { return larger(a, b); });
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        for_windows(window, 0, count, [&](std::int64_t j, std::int64_t first, std::int64_t num_columns) {
            const Sum* pixels = joined + first * pitch + v;
            auto maximum = load<Lanes>(pixels);
            for (std::int64_t c = 1; c < num_columns; ++c)
                maximum = larger(maximum, load<Lanes>(pixels + c * pitch));
            store<Lanes>(maximum, static_cast<Sum*>(target) + j * pitch + v);
        });
}

template <typename Sum, int Lanes>
void average_pool_row(const void* const* lines, const PoolWindow& window, std::int64_t count,
                      std::int64_t pitch, void* target, void* scratch) {
    using Values = Vector<Sum, Lanes>;
    if constexpr (sizeof(Sum) == sizeof(float))
        if (is_3x3(window))
            return average_pool_3x3<Lanes>(lines, window, pitch, static_cast<Sum*>(target),
                                           static_cast<Sum*>(scratch));
    std::int64_t num_lines = 0;
    for (std::int64_t r = 0; r < window.kernel; ++r) num_lines += lines[r] != nullptr;
    const Sum* joined =
        join_lines<Sum, Lanes>(lines, window.kernel, window.columns * pitch, static_cast<Sum*>(scratch),
                               [](const Values& a, const Values& b) { return a + b; });
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        for_windows(window, 0, count, [&](std::int64_t j, std::int64_t first, std::int64_t num_columns) {
            const Sum* pixels = joined + first * pitch + v;
            auto sum = load<Lanes>(pixels);
            for (std::int64_t c = 1; c < num_columns; ++c) sum += load<Lanes>(pixels + c * pitch);
            const Sum share = 1 / static_cast<Sum>(num_lines * num_columns);
            store<Lanes>(sum * share, static_cast<Sum*>(target) + j * pitch + v);
        });
}

// Gives the gradients of maxima that are NaN to the last NaN of each window, as torch does.
template <typename Sum>
inline void give_to_nan(const void* const* lines, const PoolWindow& window, const Sum* maxima,
                        const Sum* gradient, std::int64_t count, std::int64_t pitch, std::int64_t channel,
                        void* const* targets) {
    for (std::int64_t j = 0; j < count; ++j) {
        if (maxima[j * pitch + channel] == maxima[j * pitch + channel]) continue;
        const PoolColumns columns(window, j);
        Sum* last = nullptr;
        for (std::int64_t r = 0; r < window.kernel; ++r)
            for (std::int64_t c = columns.begin; c < columns.end && lines[r] != nullptr; ++c) {
                const Sum value = static_cast<const Sum*>(lines[r])[c * pitch + channel];
                if (value == value) continue;
                last = targets[r] == nullptr ? nullptr : static_cast<Sum*>(targets[r]) + c * pitch + channel;
            }
        if (last != nullptr) *last += gradient[j * pitch + channel];
    }
}

template <typename Sum, int Lanes>
void max_pool_gradient_row(const void* const* lines, const PoolWindow& window, const void* maxima,
                           const void* gradient, std::int64_t count, std::int64_t pitch,
                           void* const* targets) {
    using Values = Vector<Sum, Lanes>;
    using Bits = decltype(Values{} == Values{});
    const Sum* of_maxima = static_cast<const Sum*>(maxima);
    const Sum* of_gradient = static_cast<const Sum*>(gradient);
    for (std::int64_t v = 0; v < pitch; v += Lanes) {
        Bits not_given = {};  // of gradients that no pixel got: those of maxima that are NaN
        const auto give = [&](std::int64_t j, std::int64_t first, std::int64_t num_columns) {
            const auto maximum = load<Lanes>(of_maxima + j * pitch + v);
            auto left = load<Lanes>(of_gradient + j * pitch + v);  // to be given away
            for (std::int64_t r = 0; r < window.kernel; ++r) {
                if (lines[r] == nullptr) continue;
                const Sum* pixels = static_cast<const Sum*>(lines[r]) + first * pitch + v;
                Sum* target =
                    targets[r] == nullptr ? nullptr : static_cast<Sum*>(targets[r]) + first * pitch + v;
                for (std::int64_t c = 0; c < num_columns; ++c) {
                    const Values given = load<Lanes>(pixels + c * pitch) == maximum ? left : Values{};
                    left = (Values)((Bits)left ^ (Bits)given);
                    if (target != nullptr)
                        store<Lanes>(load<Lanes>(target + c * pitch) + given, target + c * pitch);
                }
            }
            not_given |= (Bits)left;
        };
        std::int64_t inside = 0, inside_end = 0;  // windows that are done together
        if constexpr (sizeof(Sum) == sizeof(float))
            if (is_3x3(window)) {
                const auto give_inside = [&](auto stride) {
                    not_given |= max_pool_gradient_3x3<stride.value, Lanes>(lines, targets, window, of_maxima,
                                                                            of_gradient, pitch, v);
                };
                if (window.stride == 1)
                    give_inside(Constant<1>{});
                else
                    give_inside(Constant<2>{});
                inside = 1;
                inside_end = inside_end_3x3(window);
            }
        for_windows(window, 0, inside, give);
        for_windows(window, inside_end, count, give);
        if (any(not_given))
            for (int lane = 0; lane < Lanes; ++lane)
                give_to_nan(lines, window, of_maxima, of_gradient, count, pitch, v + lane, targets);
    }
}

template <typename Sum, int Lanes>
void average_pool_gradient_row(const PoolWindow& window, const void* gradient, std::int64_t num_lines,
                               std::int64_t count, std::int64_t pitch, void* const* targets) {
    if constexpr (sizeof(Sum) == sizeof(float))
        if (is_3x3(window))
            return average_pool_gradient_3x3<Lanes>(targets, window, num_lines,
                                                    static_cast<const Sum*>(gradient), count, pitch);
    const Sum full_share = 1 / static_cast<Sum>(num_lines * window.kernel);
    for (std::int64_t v = 0; v < pitch; v += Lanes)
        for_windows(window, 0, count, [&](std::int64_t j, std::int64_t first, std::int64_t num_columns) {
            const Sum share =
                num_columns == window.kernel ? full_share : 1 / static_cast<Sum>(num_lines * num_columns);
            const auto given = load<Lanes>(static_cast<const Sum*>(gradient) + j * pitch + v) * share;
            for (std::int64_t r = 0; r < window.kernel; ++r) {
                if (targets[r] == nullptr) continue;
                Sum* pixels = static_cast<Sum*>(targets[r]) + first * pitch + v;
                for (std::int64_t c = 0; c < num_columns; ++c)
                    store<Lanes>(load<Lanes>(pixels + c * pitch) + given, pixels + c * pitch);
            }
        });
}

}  // namespace
}  // namespace efficient_nas::ops
