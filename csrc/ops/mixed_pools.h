// Rows of pools and of their gradients. Internal linkage, see mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
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

// A NaN on either side wins.
template <typename Values>
inline Values larger(const Values& a, const Values& b) {
    const Values larger_or_b = a > b ? a : b;
    return a != a ? a : larger_or_b;
}

// scratch = the lines joined to one, element by element.
template <typename Sum, int Lanes, typename Join>
inline void join_lines(const void* const* lines, std::int64_t num_lines, std::int64_t count, Sum* scratch,
                       const Join& join) {
    bool first = true;
    for (std::int64_t r = 0; r < num_lines; ++r) {
        const auto* line = static_cast<const Sum*>(lines[r]);
        if (line == nullptr) continue;
        for (std::int64_t i = 0; i < count; i += Lanes) {
            const auto values = load<Lanes>(line + i);
            store<Lanes>(first ? values : join(load<Lanes>(scratch + i), values), scratch + i);
        }
        first = false;
    }
}

template <typename Sum, int Lanes, typename Join, typename Finish>
inline void join_columns(const Sum* scratch, const PoolWindow& window, std::int64_t count, std::int64_t pitch,
                         Sum* target, const Join& join, const Finish& finish) {
    for (std::int64_t j = 0; j < count; ++j) {
        const PoolColumns columns(window, j);
        for (std::int64_t v = 0; v < pitch; v += Lanes) {
            const Sum* pixels = scratch + v;
            auto joined = load<Lanes>(pixels + columns.begin * pitch);
            for (std::int64_t c = columns.begin + 1; c < columns.end; ++c)
                joined = join(joined, load<Lanes>(pixels + c * pitch));
            store<Lanes>(finish(joined, columns.count()), target + j * pitch + v);
        }
    }
}

template <typename Sum, int Lanes>
void max_pool_row(const void* const* lines, const PoolWindow& window, std::int64_t count, std::int64_t pitch,
                  void* target, void* scratch) {
    using Values = Vector<Sum, Lanes>;
    const auto join = [](const Values& a, const Values& b) { return larger(a, b); };
    auto* joined = static_cast<Sum*>(scratch);
    join_lines<Sum, Lanes>(lines, window.kernel, window.columns * pitch, joined, join);
    join_columns<Sum, Lanes>(joined, window, count, pitch, static_cast<Sum*>(target), join,
                             [](const Values& values, std::int64_t) { return values; });
}

template <typename Sum, int Lanes>
void average_pool_row(const void* const* lines, const PoolWindow& window, std::int64_t count,
                      std::int64_t pitch, void* target, void* scratch) {
    using Values = Vector<Sum, Lanes>;
    const auto join = [](const Values& a, const Values& b) { return a + b; };
    auto* joined = static_cast<Sum*>(scratch);
    std::int64_t num_lines = 0;
    for (std::int64_t r = 0; r < window.kernel; ++r) num_lines += lines[r] != nullptr;
    join_lines<Sum, Lanes>(lines, window.kernel, window.columns * pitch, joined, join);
    join_columns<Sum, Lanes>(joined, window, count, pitch, static_cast<Sum*>(target), join,
                             [&](const Values& values, std::int64_t num_columns) {
                                 return values * (1 / static_cast<Sum>(num_lines * num_columns));
                             });
}

template <typename Sum, int Lanes>
void max_pool_gradient_row(const void* const* lines, const PoolWindow& window, const void* maxima,
                           const void* gradient, std::int64_t count, std::int64_t pitch,
                           void* const* targets) {
    using Values = Vector<Sum, Lanes>;
    for (std::int64_t j = 0; j < count; ++j) {
        const PoolColumns columns(window, j);
        for (std::int64_t v = 0; v < pitch; v += Lanes) {
            const auto maximum = load<Lanes>(static_cast<const Sum*>(maxima) + j * pitch + v);
            auto left = load<Lanes>(static_cast<const Sum*>(gradient) + j * pitch + v);  // to be given away
            for (std::int64_t r = 0; r < window.kernel; ++r) {
                if (lines[r] == nullptr) continue;
                const Sum* line = static_cast<const Sum*>(lines[r]) + v;
                for (std::int64_t c = columns.begin; c < columns.end; ++c) {
                    const auto value = load<Lanes>(line + c * pitch);
                    // Where a value is NaN, so is the maximum.
                    const auto chosen = (value == maximum) | (value != value);
                    const Values given = chosen ? left : Values{};
                    left = chosen ? Values{} : left;
                    if (targets[r] == nullptr) continue;
                    Sum* pixel = static_cast<Sum*>(targets[r]) + c * pitch + v;
                    store<Lanes>(load<Lanes>(pixel) + given, pixel);
                }
            }
        }
    }
}

template <typename Sum, int Lanes>
void average_pool_gradient_row(const PoolWindow& window, const void* gradient, std::int64_t num_lines,
                               std::int64_t count, std::int64_t pitch, void* const* targets) {
    for (std::int64_t j = 0; j < count; ++j) {
        const PoolColumns columns(window, j);
        const Sum share = 1 / static_cast<Sum>(num_lines * columns.count());
        for (std::int64_t v = 0; v < pitch; v += Lanes) {
            const auto given = load<Lanes>(static_cast<const Sum*>(gradient) + j * pitch + v) * share;
            for (std::int64_t r = 0; r < window.kernel; ++r) {
                if (targets[r] == nullptr) continue;
                Sum* line = static_cast<Sum*>(targets[r]) + v;
                for (std::int64_t c = columns.begin; c < columns.end; ++c)
                    store<Lanes>(load<Lanes>(line + c * pitch) + given, line + c * pitch);
            }
        }
    }
}

}  // namespace
}  // namespace efficient_nas::ops
