// Pools of the fused mixed operation against plain loops in double precision, for all vector widths of the
// instruction set that the environment names.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "check.hpp"
#include "mixed_kernel_cases.hpp"

using namespace mixed_cases;

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
