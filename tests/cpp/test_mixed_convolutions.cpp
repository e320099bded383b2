// Depthwise convolutions and matrix products of the fused mixed operation against plain loops in double
// precision, for all vector widths of the instruction set that the environment names.
#include <cstdint>
#include <utility>
#include <vector>

#include "check.hpp"
#include "mixed_kernel_cases.hpp"

using namespace mixed_cases;

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

TEST(rows_times_matrices) {
    for_sums([](const auto& of) {
        constexpr std::int64_t kSources = 2;
        for (const std::int64_t channels : {1, 2, 3, 5, 8, 16, 27})
            for (const std::int64_t count : {1, 2, 3, 4, 5, 6, 7, 8, 17, 31})
                for (const std::int64_t gap : {0, 3}) {
                    const std::int64_t rows = 1 + count % 3, step = count + gap;
                    const std::int64_t pixels = (rows - 1) * step + count;
                    using Values = decltype(of.values(1));
                    std::vector<Values> sources;
                    for (std::int64_t t = 0; t < kSources; ++t)
                        sources.push_back(Values(pixels, channels, channels + 1).randomise(of.random));
                    const auto of_sources = addresses(sources);
                    const auto weights = of.values(kSources * channels), before = of.values(pixels);
                    for (const bool add : {false, true}) {
                        auto target = before;
                        of.kernels.mix_rows(of_sources.data(), kSources, step * (channels + 1),
                                            weights.data(), rows, count, channels, channels + 1, of.pitch,
                                            target.data(), step * of.pitch, add);
                        CHECK(is(target, [&](std::int64_t pixel, std::int64_t o) {
                            if (pixel % step >= count) return before(pixel, o);
                            double sum = add ? before(pixel, o) : 0;
                            for (std::int64_t i = 0; i < kSources * channels; ++i)
                                sum += sources[static_cast<std::size_t>(i / channels)](pixel, i % channels) *
                                       weights(i, o);
                            return sum;
                        }));
                    }
                }
    });
}

TEST(gradients_of_matrices) {
    for_sums([](const auto& of) {
        constexpr std::int64_t kSources = 2;
        for (const std::int64_t channels : {1, 2, 3, 5, 8, 16, 27})
            for (const std::int64_t count : {1, 2, 3, 4, 5, 6, 7, 8, 17, 31}) {
                using Values = decltype(of.values(1));
                std::vector<Values> sources;
                for (std::int64_t t = 0; t < kSources; ++t)
                    sources.push_back(Values(count, channels, channels + 1).randomise(of.random));
                const auto of_sources = addresses(sources);
                const auto weights = of.values(kSources * channels), gradient = of.values(count);
                auto sums = weights;
                of.kernels.outer_row(of_sources.data(), kSources, gradient.data(), count, channels,
                                     channels + 1, of.pitch, sums.data());
                CHECK(is(sums, [&](std::int64_t i, std::int64_t o) {
                    double sum = weights(i, o);
                    for (std::int64_t j = 0; j < count; ++j)
                        sum +=
                            sources[static_cast<std::size_t>(i / channels)](j, i % channels) * gradient(j, o);
                    return sum;
                }));
            }
    });
}
