// Each kernel of the fused mixed operation against a plain loop in double precision, for all vector widths of
// the instruction set that the environment names.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "check.hpp"
#include "depthwise_blocks.h"
#include "efficient_nas/rng.hpp"
#include "mixed_kernels.h"
#include "simd_path.h"

using namespace efficient_nas::ops;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool available() {
    const char* wanted = std::getenv("EFFICIENT_NAS_SIMD");
    const auto paths = simd_paths();
    return wanted == nullptr || std::find(paths.begin(), paths.end(), wanted) != paths.end();
}

const MixedWidths& widths(const Float32&) { return mixed_path().float32; }
const MixedWidths& widths(const Float64&) { return mixed_path().float64; }
const MixedWidths& widths(const Bfloat16Bits&) { return mixed_path().bfloat16; }

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

double activated(Activation activation, double value) {
    if (activation != Activation::kNone && value < 0) return 0;
    return activation == Activation::kRelu6 && value > 6 ? 6 : value;
}

double activation_gradient(Activation activation, double value, double gradient) {
    if (activation != Activation::kNone && value <= 0) return 0;
    return activation == Activation::kRelu6 && value >= 6 ? 0 : gradient;
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

template <typename Of>
struct Normalisation {
    Row<typename Of::Sum> mean, scale, shift;
    explicit Normalisation(const Case<Of>& of)
        : mean(of.values(1)), scale(of.values(1)), shift(of.values(1)) {}
    Prologue prologue(Activation activation, bool scaled) const {
        if (!scaled) return {activation, nullptr, nullptr, nullptr};
        return {activation, mean.data(), scale.data(), shift.data()};
    }
    double operator()(double value, std::int64_t c, bool scaled) const {
        return scaled ? (value - mean(0, c)) * scale(0, c) + shift(0, c) : value;
    }
};

const std::vector<PlaneRow> kPlanes{{7, 0, 1, 7},  {9, 2, 1, 14}, {8, 1, 2, 6}, {5, 3, 3, 4},
                                    {11, 0, 2, 4}, {1, 4, 1, 9},  {2, 0, 3, 1}, {6, 7, 2, 3}};

// The column of the image at a pixel of a plane's row, or -1.
std::int64_t image_column(const PlaneRow& plane, std::int64_t pixel) {
    const std::int64_t residue = pixel / plane.residue_pitch;
    const std::int64_t column = pixel % plane.residue_pitch * plane.residues + residue - plane.left;
    return column < plane.columns ? std::max<std::int64_t>(column, -1) : -1;
}

template <typename Of>
void load_and_store() {
    for_widths<Of>([](const Case<Of>& of) {
        const std::int64_t source_pitch = of.channels + 3;
        for (const PlaneRow& plane : kPlanes)
            for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6})
                for (const bool scaled : {false, true}) {
                    // Exactly the elements of the image's row.
                    std::vector<typename Of::Element> image(
                        static_cast<std::size_t>((plane.columns - 1) * source_pitch + of.channels));
                    for (auto& element : image) element = Of::narrowed((of.random.uniform() - 0.4) * 16);
                    image[0] = Of::narrowed(kNaN);
                    const Normalisation<Of> normalisation(of);
                    const std::int64_t pixels = plane.residues * plane.residue_pitch;
                    auto row = of.values(pixels);
                    of.kernels.load_row(image.data(), source_pitch, of.channels, plane,
                                        normalisation.prologue(activation, scaled), row.data(), of.pitch);
                    CHECK(is(row, [&](std::int64_t pixel, std::int64_t c) {
                        const std::int64_t column = image_column(plane, pixel);
                        if (column < 0 || c >= of.channels) return 0.0;
                        const double value =
                            Of::widened(image[static_cast<std::size_t>(column * source_pitch + c)]);
                        return activated(activation, normalisation(value, c, scaled));
                    }));
                    of.kernels.load_row(nullptr, source_pitch, of.channels, plane,
                                        normalisation.prologue(activation, scaled), row.data(), of.pitch);
                    CHECK(is(row, [](std::int64_t, std::int64_t) { return 0.0; }));
                }
        for (const std::int64_t count : {1, 4, 7}) {
            auto row = of.values(count);
            row.at(0, 0) = static_cast<typename Of::Sum>(kNaN);
            const auto pivot = of.values(1), sums_before = of.values(1), squares_before = of.values(1);
            auto sums = sums_before, squares = squares_before;
            const typename Of::Element untouched = Of::narrowed(42);
            std::vector<typename Of::Element> stored(
                static_cast<std::size_t>((count - 1) * source_pitch + of.channels), untouched);
            of.kernels.store_row(row.data(), count, of.pitch, of.channels, stored.data(), source_pitch,
                                 nullptr, nullptr, nullptr);
            bool equal = true;
            for (std::size_t i = 0; i < stored.size(); ++i) {
                const auto j = static_cast<std::int64_t>(i) / source_pitch;
                const auto c = static_cast<std::int64_t>(i) % source_pitch;
                const auto expected = c < of.channels ? Of::narrowed(row(j, c)) : untouched;
                const auto value = Of::widened(stored[i]);
                equal = equal && (stored[i] == expected || (std::isnan(value) && i == 0));
            }
            CHECK(equal);
            of.kernels.store_row(row.data(), count, of.pitch, of.channels, nullptr, 0, pivot.data(),
                                 sums.data(), squares.data());
            const auto total = [&](double start, std::int64_t c, int power) {
                for (std::int64_t j = 0; j < count; ++j) start += std::pow(row(j, c) - pivot(0, c), power);
                return start;
            };
            CHECK(is(sums, [&](std::int64_t, std::int64_t c) { return total(sums_before(0, c), c, 1); }));
            CHECK(
                is(squares, [&](std::int64_t, std::int64_t c) { return total(squares_before(0, c), c, 2); }));
        }
    });
}

}  // namespace

TEST(rows_are_loaded_and_stored) {
    load_and_store<Float32>();
    load_and_store<Float64>();
    load_and_store<Bfloat16Bits>();
}

TEST(gradients_go_back_through_prologues) {
    for_sums([](const auto& of) {
        using Sum = typename std::decay_t<decltype(of)>::Sum;
        for (const PlaneRow& plane : kPlanes)
            for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6})
                for (const bool scaled : {false, true})
                    for (const bool add : {false, true}) {
                        // Columns that the plane cuts off have no gradient: whole planes only.
                        if (plane.residues * plane.residue_pitch < plane.columns + plane.left) continue;
                        const Normalisation normalisation(of);
                        const auto gradient = of.values(plane.residues * plane.residue_pitch);
                        auto values = of.values(plane.columns);
                        for (std::int64_t j = 0; j < plane.columns; ++j) values.at(j, 0) *= 5;
                        values.at(0, 0) = 0;
                        if (plane.columns > 2) values.at(1, 0) = 6, values.at(2, 0) = static_cast<Sum>(kNaN);
                        const auto before = of.values(plane.columns), sums_before = of.values(1);
                        auto target = before, sums = sums_before, products = sums_before;
                        const Prologue prologue = normalisation.prologue(activation, scaled);
                        const auto expected = [&](std::int64_t j, std::int64_t c) {
                            const std::int64_t pixel =
                                (j + plane.left) % plane.residues * plane.residue_pitch +
                                (j + plane.left) / plane.residues;
                            return (add ? before(j, c) : 0) +
                                   activation_gradient(activation, normalisation(values(j, c), c, scaled),
                                                       gradient(pixel, c));
                        };
                        of.kernels.prologue_gradient_row(gradient.data(), plane, values.data(), prologue,
                                                         of.pitch, target.data(), add, nullptr, nullptr);
                        CHECK(is(target, expected));
                        target = before;
                        of.kernels.prologue_gradient_row(gradient.data(), plane, values.data(), prologue,
                                                         of.pitch, target.data(), add, sums.data(),
                                                         products.data());
                        CHECK(is(target, expected));
                        CHECK(is(sums, [&](std::int64_t, std::int64_t c) {
                            double sum = sums_before(0, c);
                            for (std::int64_t j = 0; j < plane.columns; ++j) sum += expected(j, c);
                            return sum;
                        }));
                        CHECK(is(products, [&](std::int64_t, std::int64_t c) {
                            const double mean = scaled ? normalisation.mean(0, c) : 0;
                            double sum = sums_before(0, c);
                            for (std::int64_t j = 0; j < plane.columns; ++j)
                                sum += expected(j, c) * (values(j, c) - mean);
                            return sum;
                        }));
                    }
    });
}

TEST(depthwise_rows_and_their_weight_gradients) {
    for_sums([](const auto& of) {
        for (const std::int64_t kernel : {1, 2, 3, 4, 5, 6, 7})
            for (const std::int64_t spacing : {1, 2, 3})
                for (const std::int64_t count : {1, 8, 13}) {
                    // Some rows of taps alike, and one that has a tap less and starts one pixel later.
                    const std::int64_t alike = 1 + (kernel + spacing + count) % 5;
                    std::vector<TapRow> rows;
                    for (std::int64_t r = 0; r < alike; ++r)
                        rows.push_back({r % 3, r % 2, r * kernel, kernel});
                    rows.push_back({1, 1, alike * kernel, kernel - 1});
                    const std::int64_t num_taps = (alike + 1) * kernel - 1;
                    const Taps taps{rows.data(), alike + 1, spacing};
                    // Each output row reads lines that begin so many pixels behind those of the row before.
                    const std::int64_t output_rows = 1 + count % 3, line_step = 5, step = count + 2;
                    const auto lines =
                        of.rows(3, count + 1 + (kernel - 1) * spacing + (output_rows - 1) * line_step);
                    const auto of_lines = addresses(lines);
                    const auto weights = of.values(num_taps);
                    const auto before = of.values((output_rows - 1) * step + count);
                    const auto read = [&](const TapRow& row, std::int64_t o, std::int64_t j, std::int64_t k,
                                          std::int64_t c) {
                        return lines[static_cast<std::size_t>(row.line)](
                            o * line_step + row.column + j + k * spacing, c);
                    };
                    for (const bool add : {false, true}) {
                        auto target = before;
                        of.kernels.depthwise_rows(of_lines.data(), line_step * of.pitch, taps, weights.data(),
                                                  output_rows, count, of.pitch, target.data(),
                                                  step * of.pitch, add);
                        CHECK(is(target, [&](std::int64_t pixel, std::int64_t c) {
                            const std::int64_t o = pixel / step, j = pixel % step;
                            if (j >= count) return before(pixel, c);
                            double sum = add ? before(pixel, c) : 0;
                            for (const TapRow& row : rows)
                                for (std::int64_t k = 0; k < row.taps; ++k)
                                    sum += weights(row.first_tap + k, c) * read(row, o, j, k, c);
                            return sum;
                        }));
                    }
                    auto sums = weights;
                    of.kernels.depthwise_outer_rows(of_lines.data(), line_step * of.pitch, taps,
                                                    before.data(), step * of.pitch, output_rows, count,
                                                    of.pitch, sums.data());
                    CHECK(is(sums, [&](std::int64_t tap, std::int64_t c) {
                        const TapRow& row = rows[static_cast<std::size_t>(tap / kernel)];
                        double sum = weights(tap, c);
                        for (std::int64_t o = 0; o < output_rows; ++o)
                            for (std::int64_t j = 0; j < count; ++j)
                                sum += before(o * step + j, c) * read(row, o, j, tap - row.first_tap, c);
                        return sum;
                    }));
                }
    });
}

TEST(rows_times_matrices_and_their_gradients) {
    for_sums([](const auto& of) {
        for (const std::int64_t channels : {1, 2, 3, 5, 8, 16, 27})
            for (const std::int64_t count : {1, 2, 3, 4, 5, 6, 7, 8, 17, 31}) {
                constexpr std::int64_t kSources = 2;
                using Values = decltype(of.values(1));
                std::vector<Values> sources;
                for (std::int64_t t = 0; t < kSources; ++t)
                    sources.push_back(Values(count, channels, channels + 1).randomise(of.random));
                const auto of_sources = addresses(sources);
                const auto weights = of.values(kSources * channels), before = of.values(count);
                for (const bool add : {false, true}) {
                    auto target = before;
                    of.kernels.mix_row(of_sources.data(), kSources, weights.data(), count, channels,
                                       channels + 1, of.pitch, target.data(), add);
                    CHECK(is(target, [&](std::int64_t j, std::int64_t o) {
                        double sum = add ? before(j, o) : 0;
                        for (std::int64_t i = 0; i < kSources * channels; ++i)
                            sum += sources[static_cast<std::size_t>(i / channels)](j, i % channels) *
                                   weights(i, o);
                        return sum;
                    }));
                }
                auto sums = weights;
                of.kernels.outer_row(of_sources.data(), kSources, before.data(), count, channels,
                                     channels + 1, of.pitch, sums.data());
                CHECK(is(sums, [&](std::int64_t i, std::int64_t o) {
                    double sum = weights(i, o);
                    for (std::int64_t j = 0; j < count; ++j)
                        sum +=
                            sources[static_cast<std::size_t>(i / channels)](j, i % channels) * before(j, o);
                    return sum;
                }));
            }
    });
}

namespace {

// A row of a pool whose window has `outside` kernel rows outside of the image, above or below it.
struct Pool {
    PoolWindow window;
    std::int64_t outside, count;
    bool below = false;
    std::int64_t first() const { return below ? 0 : outside; }  // kernel rows inside: [first, last)
    std::int64_t last() const { return below ? window.kernel - outside : window.kernel; }
};
const std::vector<Pool> kPools{
    {{3, 1, 1, 8}, 1, 8, true}, {{3, 1, 1, 3}, 1, 3},  {{3, 1, 1, 4}, 0, 4},       {{3, 1, 1, 5}, 2, 5, true},
    {{3, 2, 1, 2}, 0, 1},       {{3, 2, 1, 3}, 0, 2},  {{3, 2, 1, 9}, 1, 5, true}, {{1, 1, 0, 5}, 0, 5},
    {{3, 1, 1, 9}, 0, 9},       {{3, 1, 1, 1}, 2, 1},  {{3, 2, 1, 8}, 1, 4},       {{3, 2, 1, 7}, 0, 4},
    {{5, 1, 2, 3}, 2, 3},       {{7, 2, 3, 11}, 3, 6}, {{2, 2, 0, 6}, 0, 3},       {{3, 1, 1, 2}, 0, 2}};

template <typename Of>
struct PoolCase {
    const Case<Of>& of;
    const Pool& pool;
    std::vector<Row<typename Of::Sum>> lines;
    std::vector<const void*> addresses_of_lines;

    // Few different values: many maxima occur twice, zeros with both signs.
    PoolCase(const Case<Of>& case_, const Pool& pool_)
        : of(case_), pool(pool_), lines(of.rows(pool.window.kernel, pool.window.columns, 4)) {
        for (auto& line : lines)
            for (std::int64_t c = 0; c < pool.window.columns; ++c)
                for (std::int64_t channel = 0; channel < of.channels; ++channel)
                    if (line(c, channel) == 0 && (c + channel) % 2 == 0) line.at(c, channel) *= -1;
        for (const auto& [r, c] :
             {std::pair(pool.first(), pool.window.columns / 2),
              std::pair(pool.last() - 1, pool.window.columns / 2), std::pair(pool.first(), std::int64_t{0})})
            lines[static_cast<std::size_t>(r)].at(c, 0) = static_cast<typename Of::Sum>(kNaN);
        addresses_of_lines = addresses(lines);
        for (std::int64_t r = 0; r < pool.window.kernel; ++r)
            if (r < pool.first() || r >= pool.last())
                addresses_of_lines[static_cast<std::size_t>(r)] = nullptr;
    }

    // Calls visit(line, column) for what output pixel j reads, in reading order.
    template <typename Visit>
    void for_each_read(std::int64_t j, const Visit& visit) const {
        for (std::int64_t r = pool.first(); r < pool.last(); ++r)
            for (std::int64_t k = 0; k < pool.window.kernel; ++k) {
                const std::int64_t c = j * pool.window.stride - pool.window.padding + k;
                if (c >= 0 && c < pool.window.columns) visit(static_cast<std::size_t>(r), c);
            }
    }

    std::pair<std::size_t, std::int64_t> place_of_maximum(std::int64_t j, std::int64_t channel) const {
        std::pair<std::size_t, std::int64_t> best{0, -1};
        for_each_read(j, [&](std::size_t r, std::int64_t c) {
            const double value = lines[r](c, channel);
            const double largest = best.second < 0 ? -INFINITY : lines[best.first](best.second, channel);
            if (value > largest || std::isnan(value) || best.second < 0) best = {r, c};
        });
        return best;
    }

    double count_reads(std::int64_t j) const {
        double reads = 0;
        for_each_read(j, [&](std::size_t, std::int64_t) { ++reads; });
        return reads;
    }
};

}  // namespace

TEST(pools) {
    for_sums([](const auto& of) {
        for (const Pool& pool : kPools) {
            const PoolCase with(of, pool);
            auto target = of.values(pool.count), scratch = of.values(pool.window.columns);
            of.kernels.max_pool_row(with.addresses_of_lines.data(), pool.window, pool.count, of.pitch,
                                    target.data(), scratch.data());
            CHECK(is(target, [&](std::int64_t j, std::int64_t channel) {
                const auto [r, c] = with.place_of_maximum(j, channel);
                return with.lines[r](c, channel);
            }));
            of.kernels.average_pool_row(with.addresses_of_lines.data(), pool.window, pool.count, of.pitch,
                                        target.data(), scratch.data());
            CHECK(is(target, [&](std::int64_t j, std::int64_t channel) {
                double sum = 0;
                with.for_each_read(j,
                                   [&](std::size_t r, std::int64_t c) { sum += with.lines[r](c, channel); });
                return sum / with.count_reads(j);
            }));
        }
    });
}

TEST(gradients_of_pools) {
    for_sums([](const auto& of) {
        for (const Pool& pool : kPools) {
            const PoolCase with(of, pool);
            const std::int64_t kernel = pool.window.kernel;
            const auto gradient = of.values(pool.count);
            auto maxima = of.values(pool.count), scratch = of.values(pool.window.columns);
            of.kernels.max_pool_row(with.addresses_of_lines.data(), pool.window, pool.count, of.pitch,
                                    maxima.data(), scratch.data());
            // The first row inside of the image is not wanted, nor are those outside.
            const auto before = of.rows(kernel, pool.window.columns);
            const auto check = [&](const auto& run, const auto& share) {
                auto targets = before;
                std::vector<void*> wanted;
                for (auto& row : targets) wanted.push_back(row.data());
                for (std::int64_t r = 0; r < kernel; ++r)
                    if (r <= pool.first() || r >= pool.last()) wanted[static_cast<std::size_t>(r)] = nullptr;
                run(wanted.data());
                for (std::size_t r = 0; r < targets.size(); ++r)
                    CHECK(is(targets[r], [&](std::int64_t c, std::int64_t channel) {
                        double sum = before[r](c, channel);
                        for (std::int64_t j = 0; j < pool.count && wanted[r] != nullptr; ++j)
                            sum += share(j, r, c, channel) * gradient(j, channel);
                        return sum;
                    }));
            };
            check(
                [&](void* const* targets) {
                    of.kernels.max_pool_gradient_row(with.addresses_of_lines.data(), pool.window,
                                                     maxima.data(), gradient.data(), pool.count, of.pitch,
                                                     targets);
                },
                [&](std::int64_t j, std::size_t r, std::int64_t c, std::int64_t channel) {
                    return with.place_of_maximum(j, channel) == std::pair(r, c) ? 1.0 : 0.0;
                });
            check(
                [&](void* const* targets) {
                    of.kernels.average_pool_gradient_row(pool.window, gradient.data(), kernel - pool.outside,
                                                         pool.count, of.pitch, targets);
                },
                [&](std::int64_t j, std::size_t r, std::int64_t c, std::int64_t) {
                    double share = 0;
                    with.for_each_read(j, [&](std::size_t line, std::int64_t column) {
                        if (line == r && column == c) share = 1 / with.count_reads(j);
                    });
                    return share;
                });
        }
    });
}

TEST(weighted_sums_and_dot_products) {
    for_sums([](const auto& of) {
        for (const std::int64_t num_rows : {0, 1, 2, 3, 8, 11})
            for (const std::int64_t count : {1, 7, 8, 19}) {
                const auto rows = of.rows(num_rows, count);
                const auto scales = of.rows(num_rows, 1), means = of.rows(num_rows, 1);
                const auto base = of.values(1), before = of.values(count), gradient = of.values(count);
                const auto of_rows = addresses(rows), of_scales = addresses(scales),
                           of_means = addresses(means);
                for (const bool add : {false, true}) {
                    auto target = before;
                    of.kernels.weighted_sum_row(of_rows.data(), of_scales.data(), of_means.data(), num_rows,
                                                base.data(), count, of.pitch, target.data(), add);
                    CHECK(is(target, [&](std::int64_t j, std::int64_t c) {
                        double sum = base(0, c) + (add ? before(j, c) : 0);
                        for (std::size_t t = 0; t < rows.size(); ++t)
                            sum += scales[t](0, c) * (rows[t](j, c) - means[t](0, c));
                        return sum;
                    }));
                }
                auto products = scales;
                auto total = base;
                std::vector<void*> of_products;
                for (auto& row : products) of_products.push_back(row.data());
                of.kernels.dot_rows(gradient.data(), of_rows.data(), of_means.data(), num_rows, count,
                                    of.pitch, of_products.data(), total.data());
                CHECK(is(total, [&](std::int64_t, std::int64_t c) {
                    double sum = base(0, c);
                    for (std::int64_t j = 0; j < count; ++j) sum += gradient(j, c);
                    return sum;
                }));
                for (std::size_t t = 0; t < rows.size(); ++t)
                    CHECK(is(products[t], [&](std::int64_t, std::int64_t c) {
                        double sum = scales[t](0, c);
                        for (std::int64_t j = 0; j < count; ++j)
                            sum += gradient(j, c) * (rows[t](j, c) - means[t](0, c));
                        return sum;
                    }));
            }
    });
}
