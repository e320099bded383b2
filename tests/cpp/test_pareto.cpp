#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.hpp"
#include "efficient_nas/pareto/hypervolume.hpp"
#include "efficient_nas/pareto/nondominated_rows.hpp"
#include "efficient_nas/pareto/pareto.hpp"
#include "efficient_nas/pareto/reference_directions.hpp"
#include "efficient_nas/pareto/reference_niching.hpp"
#include "efficient_nas/rng.hpp"

using namespace efficient_nas;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool dominates(const double* a, const double* b, std::size_t m) {
    bool better = false;
    for (std::size_t k = 0; k < m; ++k) {
        if (!(a[k] <= b[k])) return false;
        better = better || a[k] < b[k];
    }
    return better;
}

// Peels off the rows that no remaining row dominates.
std::vector<std::int32_t> fronts_by_definition(const std::vector<double>& values, std::size_t m) {
    const std::size_t n = values.size() / m;
    std::vector<std::int32_t> fronts(n, -1);
    std::int32_t front = 0;
    for (bool found = true; found; ++front) {
        found = false;
        std::vector<std::size_t> peeled;
        for (std::size_t i = 0; i < n; ++i) {
            if (fronts[i] >= 0 || has_nan(&values[i * m], m)) continue;
            bool dominated = false;
            for (std::size_t j = 0; j < n && !dominated; ++j)
                dominated = fronts[j] < 0 && dominates(&values[j * m], &values[i * m], m);
            if (!dominated) peeled.push_back(i);
        }
        for (const std::size_t i : peeled) fronts[i] = front;
        found = !peeled.empty();
    }
    std::replace(fronts.begin(), fronts.end(), -1, front - 1);
    return fronts;
}

std::vector<double> random_values(std::size_t n, std::size_t m, std::uint64_t levels, std::uint64_t seed) {
    RandomStream random(seed, 0);
    std::vector<double> values(n * m);
    for (double& value : values) {
        value = static_cast<double>(random.below(levels));
        if (random.below(50) == 0) value = random.below(2) ? kInfinity : -kInfinity;
        if (random.below(200) == 0) value = kNaN;
    }
    return values;
}

}  // namespace

TEST(fronts_are_those_of_the_definition) {
    std::uint64_t seed = 0;
    for (const std::size_t m : {1u, 2u, 3u, 4u, 6u})
        for (const std::size_t n : {0u, 1u, 2u, 5u, 63u, 64u, 65u, 200u, 300u})
            for (const std::uint64_t levels : {1u, 3u, 20u, 100000u}) {
                const std::vector<double> values = random_values(n, m, levels, ++seed);
                const std::vector<std::int32_t> fronts = nondominated_sort(values.data(), n, m);
                CHECK(fronts == fronts_by_definition(values, m));
                std::vector<std::uint32_t> first;
                for (std::uint32_t i = 0; i < n; ++i)
                    if (fronts[i] == 0 && !has_nan(&values[i * m], m)) first.push_back(i);
                CHECK(nondominated_rows(values.data(), n, m) == first);
            }
}

TEST(divide_and_conquer_agrees_with_staircases) {
    for (const std::size_t n : {2u, 64u, 65u, 300u, 6000u})
        for (const std::uint64_t levels : {4u, 50u, 1000000u}) {
            const std::vector<double> values = random_values(n, 3, levels, n + levels);
            const detail::OrderedPoints points = detail::order_points(values.data(), n, 3);
            const auto staircases = detail::sort_by_staircases(points.coordinates[1], points.coordinates[2]);
            CHECK(staircases == detail::FrontAssignment(points.coordinates).run());
        }
}

TEST(staircases_give_up_when_one_gets_too_long) {
    const std::size_t n = 9000;
    std::vector<double> values;
    for (std::size_t i = 0; i < n; ++i) {
        const double x = static_cast<double>(i);
        for (const double value : {x, x, -x}) values.push_back(value);
    }
    const detail::OrderedPoints points = detail::order_points(values.data(), n, 3);
    CHECK(!detail::sort_by_staircases(points.coordinates[1], points.coordinates[2]));
    CHECK(nondominated_sort(values.data(), n, 3) == std::vector<std::int32_t>(n, 0));
}

TEST(radix_sort_is_stable_and_orders_doubles) {
    RandomStream random(1, 1);
    for (const std::size_t n : {0u, 1u, 100u, 255u, 256u, 3000u}) {
        std::vector<double> values(n);
        std::vector<std::uint64_t> keys(n);
        std::vector<std::uint32_t> order(n), expected(n);
        for (std::size_t i = 0; i < n; ++i) {
            values[i] =
                (random.uniform() - 0.5) * std::pow(10.0, static_cast<double>(random.below(600)) - 300);
            if (random.below(4) == 0) values[i] = random.below(2) ? 0.0 : -0.0;
            if (random.below(40) == 0) values[i] = random.below(2) ? kInfinity : -kInfinity;
            keys[i] = ordered_bits(values[i]);
            order[i] = expected[i] = static_cast<std::uint32_t>(i);
        }
        stable_sort_by_key(keys, order);
        std::stable_sort(expected.begin(), expected.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return values[a] < values[b]; });
        CHECK(order == expected);
    }
}

TEST(crowding_of_a_small_front) {
    const std::vector<double> values{0, 4, 1, 2, 2, 1, 4, 0};
    const std::vector<double> expected{kInfinity, 2.0 / 4 + 3.0 / 4, 3.0 / 4 + 2.0 / 4, kInfinity};
    CHECK(crowding_distance(values.data(), 4, 2) == expected);
    CHECK(crowding_distance(nullptr, 0, 2).empty());
}

TEST(ranking_puts_violations_and_failures_behind) {
    //                               front 1  front 0  failed   violated front 0
    const std::vector<double> values{2, 2, 1, 1, kNaN, 0, 0, 0, 0, 5};
    const double violations[] = {0, 0, 0, 0.5, 0};
    const bool failed[] = {false, false, false, false, false};
    const Ranking ranking = rank_population(values.data(), 5, 2, violations, failed);
    CHECK((ranking.fronts == std::vector<std::int32_t>{1, 0, 3, 2, 0}));
    CHECK((ranking.order == std::vector<std::uint32_t>{1, 4, 0, 3, 2}));
    const bool all_failed[] = {true, true, true, true, true};
    CHECK((rank_population(values.data(), 5, 2, violations, all_failed).fronts ==
           std::vector<std::int32_t>(5, 0)));
    CHECK(rank_population(nullptr, 0, 2).order.empty());
}

TEST(hypervolume_equals_counting_cells) {
    RandomStream random(5, 0);
    for (const std::size_t m : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u})
        for (const std::size_t n : {0u, 1u, 2u, 8u, 20u, 60u}) {
            // Values are integers, the reference is `side` everywhere.
            const std::size_t side = m < 5 ? 8 : m < 7 ? 4 : 3;
            std::vector<double> values(n * m);
            for (double& value : values) value = static_cast<double>(random.below(side + (m < 5 ? 2 : 0)));
            std::size_t cells = 1, covered = 0;
            for (std::size_t k = 0; k < m; ++k) cells *= side;
            for (std::size_t cell = 0; cell < cells; ++cell) {
                bool inside = false;
                for (std::size_t i = 0; i < n && !inside; ++i) {
                    inside = true;
                    std::size_t rest = cell;
                    for (std::size_t k = 0; k < m; ++k, rest /= side)
                        inside = inside && values[i * m + k] <= static_cast<double>(rest % side);
                }
                covered += inside;
            }
            const std::vector<double> reference(m, static_cast<double>(side));
            CHECK(hypervolume(values.data(), n, m, reference.data()) == static_cast<double>(covered));
        }
}

TEST(reference_directions_are_all_compositions) {
    CHECK((reference_directions(2, 2, 0) == std::vector<double>{0, 1, 0.5, 0.5, 1, 0}));
    CHECK((reference_directions(1, 3, 2) == std::vector<double>{1}));
    CHECK((reference_directions(2, 1, 1) == std::vector<double>{0, 1, 1, 0, 0.25, 0.75, 0.75, 0.25}));
    CHECK(reference_directions(5, 6, 0).size() == 5 * 210);
    CHECK_THROWS(reference_directions(0, 1, 0), std::invalid_argument, "objectives");
    CHECK_THROWS(reference_directions(3, 5000, 0), std::invalid_argument, "more than 10000000");
}

TEST(reference_selection_survives_any_values) {
    for (const std::size_t m : {1u, 2u, 3u, 5u})
        for (const std::size_t n : {0u, 1u, 2u, 30u, 200u})
            for (const std::uint64_t levels : {1u, 3u, 1000u}) {
                const std::vector<double> directions = reference_directions(m, 4, 0);
                const std::size_t number = directions.size() / m;
                ReferenceScale scale(m);
                for (std::uint64_t generation = 0; generation < 3; ++generation) {
                    const std::vector<double> values = random_values(n, m, levels, generation);
                    for (const std::size_t count : {std::size_t{0}, n / 2, n, n + 3}) {
                        RandomStream draws(generation, count);
                        std::vector<std::uint32_t> survivors = select_by_reference(
                            values.data(), n, m, directions.data(), number, count, scale, draws);
                        CHECK(survivors.size() == std::min(count, n));
                        std::sort(survivors.begin(), survivors.end());
                        CHECK(std::adjacent_find(survivors.begin(), survivors.end()) == survivors.end());
                        CHECK(survivors.empty() || survivors.back() < n);
                    }
                }
            }
}
