// What the tests of the fused mixed operation's kernels share: rows of random values, the kernels of every
// vector width of the instruction set that the environment names, comparisons with plain loops in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

#include "depthwise_blocks.h"
#include "efficient_nas/rng.hpp"
#include "mixed_kernels.h"
#include "simd_path.h"

namespace mixed_cases {

using namespace efficient_nas::ops;

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

inline bool available() {
    const char* wanted = std::getenv("EFFICIENT_NAS_SIMD");
    const auto paths = simd_paths();
    return wanted == nullptr || std::find(paths.begin(), paths.end(), wanted) != paths.end();
}

inline const MixedWidths& widths(const Float32&) { return mixed_path().float32; }
inline const MixedWidths& widths(const Float64&) { return mixed_path().float64; }
inline const MixedWidths& widths(const Bfloat16Bits&) { return mixed_path().bfloat16; }

// Pixels of `channels` values and zeros up to the pitch. One element before them keeps them unaligned; there
// is none behind them, so that the address sanitizer sees what reads or writes too far.
template <typename Sum>
class Row {
  public:
    Row(std::int64_t pixels, std::int64_t channels, std::int64_t row_pitch)
        : pitch(row_pitch), values_(static_cast<std::size_t>(1 + pixels * row_pitch)), channels_(channels) {}

    // With few different values many are equal.
    Row& randomise(efficient_nas::RandomStream& random, double different = 1e6) {
        for (std::size_t i = 1; i < values_.size(); ++i)
            if (static_cast<std::int64_t>(i - 1) % pitch < channels_)
                values_[i] =
                    static_cast<Sum>(std::floor((random.uniform() - 0.5) * different) / different * 4);
        return *this;
    }
    Sum* data() { return values_.data() + 1; }
    const Sum* data() const { return values_.data() + 1; }
    Sum& at(std::int64_t pixel, std::int64_t channel) { return data()[pixel * pitch + channel]; }
    double operator()(std::int64_t pixel, std::int64_t channel) const {
        return static_cast<double>(data()[pixel * pitch + channel]);
    }
    std::int64_t pixels() const { return static_cast<std::int64_t>(values_.size() - 1) / pitch; }

    std::int64_t pitch;

  private:
    std::vector<Sum> values_;
    std::int64_t channels_;
};

// row(pixel, channel) is expected(pixel, channel), for all lanes.
template <typename Sum, typename Expected>
bool is(const Row<Sum>& row, const Expected& expected) {
    for (std::int64_t j = 0; j < row.pixels(); ++j)
        for (std::int64_t c = 0; c < row.pitch; ++c) {
            const double value = row(j, c), wanted = expected(j, c);
            const double tolerance = 128 * static_cast<double>(std::numeric_limits<Sum>::epsilon()) *
                                     std::max(1.0, std::abs(wanted));
            const bool both_nan = std::isnan(value) && std::isnan(wanted);
            if (!both_nan && !(std::abs(value - wanted) <= tolerance)) return false;
        }
    return true;
}

// The kernels of one width, and what the tests of it share.
template <typename Of>
struct Case {
    using Sum = typename Of::Sum;

    const MixedKernels& kernels;
    std::int64_t channels, pitch;
    mutable efficient_nas::RandomStream random{1, 0};

    Case(const MixedKernels& of, std::int64_t num_channels)
        : kernels(of), channels(num_channels), pitch((num_channels + of.lanes - 1) / of.lanes * of.lanes) {}

    Row<Sum> zeros(std::int64_t pixels) const { return Row<Sum>(pixels, channels, pitch); }
    Row<Sum> values(std::int64_t pixels, double different = 1e6) const {
        Row<Sum> row = zeros(pixels);
        row.randomise(random, different);
        return row;
    }
    std::vector<Row<Sum>> rows(std::int64_t count, std::int64_t pixels, double different = 1e6) const {
        std::vector<Row<Sum>> all;
        for (std::int64_t r = 0; r < count; ++r) all.push_back(values(pixels, different));
        return all;
    }
};

template <typename Row>
std::vector<const void*> addresses(const std::vector<Row>& rows) {
    std::vector<const void*> all;
    for (const Row& row : rows) all.push_back(row.data());
    return all;
}

// Calls test(case) for every width, with fewer channels than lanes, some vectors, and a part of one.
template <typename Of, typename Test>
void for_widths(const Test& test) {
    if (!available()) return;
    for (std::size_t w = 0; w < widths(Of{}).count; ++w) {
        const MixedKernels& kernels = widths(Of{}).widths[w];
        for (const std::int64_t channels : {std::int64_t{1}, kernels.lanes, 3 * kernels.lanes - 1})
            test(Case<Of>(kernels, channels));
    }
}

// bfloat16 shares all kernels but those that load and store with float32.
template <typename Test>
void for_sums(const Test& test) {
    for_widths<Float32>(test);
    for_widths<Float64>(test);
}

}  // namespace mixed_cases
