#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "efficient_nas/key_set.hpp"
#include "efficient_nas/nsga2.hpp"
#include "efficient_nas/regularized_evolution.hpp"

using namespace efficient_nas;

namespace {

OptionSet all_of(std::size_t n) {
    OptionSet set;
    for (std::size_t i = 0; i < n; ++i) set.set(i);
    return set;
}

SpaceSpec plain_space(std::size_t choices, std::size_t options) {
    std::vector<ChoiceSpec> specs;
    for (std::size_t c = 0; c < choices; ++c)
        specs.push_back(
            {"c" + std::to_string(c), std::vector<std::string>(options, "o"), all_of(options), {}});
    return SpaceSpec(specs, {});
}

KeyList rows_as_keys(const std::uint8_t* genotypes, std::size_t n, std::size_t columns) {
    KeyList keys;
    for (std::size_t i = 0; i < n; ++i) keys.push_back({genotypes + i * columns, columns});
    return keys;
}

}  // namespace

TEST(key_set_compares_bytes) {
    KeySet set;
    std::set<std::vector<std::uint8_t>> reference;
    RandomStream random(1, 2);
    for (int i = 0; i < 5000; ++i) {
        std::vector<std::uint8_t> key(random.below(5));
        for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(random.below(6));
        CHECK(set.insert(key) == reference.insert(key).second);
    }
    CHECK(set.size() == reference.size());
}

TEST(population_selects_by_front_and_crowding) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<std::uint8_t> genotypes{0, 1, 2, 3, 4};
    const std::vector<double> values{3, 3, nan, 0, 0, 2, 1, 1, 2, 0};
    Population population(1, 2);
    population.append({5, genotypes.data(), values.data()}, 7);
    CHECK(population.failed(1) && !population.failed(0));
    population.select(9);
    CHECK((population.genotypes() == std::vector<std::uint8_t>{2, 4, 3, 0, 1}));
    CHECK((population.fronts() == std::vector<std::int32_t>{0, 0, 0, 1, 2}));
    CHECK(population.better(0, 2) && population.better(2, 3) && !population.better(0, 1));
    population.select(2);
    CHECK((population.genotypes() == std::vector<std::uint8_t>{2, 4}));
    CHECK((population.values() == std::vector<double>{0, 2, 2, 0}));
    CHECK((population.births() == std::vector<std::int64_t>{7, 7}));
    population.replace(1, {5, genotypes.data(), values.data()}, 3, 8);
    CHECK((population.genotypes() == std::vector<std::uint8_t>{2, 3}));
    CHECK((population.births() == std::vector<std::int64_t>{7, 8}));
}

TEST(nsga2_asks_for_new_genotypes_until_there_are_none) {
    const std::size_t columns = 4;
    Nsga2 search(plain_space(columns, 3), 10, 42);
    const KeyFunction keys_of = [&](const std::uint8_t* rows, std::size_t n) {
        return rows_as_keys(rows, n, columns);
    };
    std::set<std::vector<std::uint8_t>> seen;
    CHECK_THROWS(search.tell(nullptr, 0, 1), std::invalid_argument, "asked for (0), got 0");
    for (int generation = 0; generation < 100; ++generation) {
        const std::vector<std::uint8_t> asked = search.ask(keys_of);
        CHECK(asked == search.ask(keys_of));
        if (asked.empty()) break;
        const std::size_t n = asked.size() / columns;
        std::vector<double> values;
        for (std::size_t i = 0; i < n; ++i) {
            const std::vector<std::uint8_t> row(&asked[i * columns], &asked[i * columns] + columns);
            CHECK(seen.insert(row).second);
            values.push_back(row[0] + row[1]);
            values.push_back(4.0 - row[0] - row[2]);
        }
        CHECK_THROWS(search.tell(values.data(), n + 1, 2), std::invalid_argument, "asked for (");
        search.tell(values.data(), n, 2);
    }
    CHECK(seen.size() == 81);
    CHECK(search.history().size() == 81);
    CHECK(search.population().size() == 10);
}

TEST(nsga2_survives_a_key_function_that_throws) {
    Nsga2 search(plain_space(3, 3), 5, 1), other(plain_space(3, 3), 5, 1);
    const KeyFunction throws = [](const std::uint8_t*, std::size_t) -> KeyList {
        throw std::runtime_error("no keys");
    };
    const KeyFunction works = [](const std::uint8_t* rows, std::size_t n) {
        return rows_as_keys(rows, n, 3);
    };
    CHECK_THROWS(search.ask(throws), std::runtime_error, "no keys");
    CHECK(search.ask(works).size() == 15);
    CHECK(other.ask(works).size() == 15);
}

TEST(regularized_evolution_replaces_the_oldest) {
    const std::size_t columns = 5, size = 7;
    RegularizedEvolution search(plain_space(columns, 4), size, 3, 9);
    std::vector<std::uint8_t> everything;
    for (std::size_t round = 0; round < 40; ++round) {
        const std::vector<std::uint8_t> asked = search.ask(1 + round % 11);
        const std::size_t n = asked.size() / columns;
        CHECK(n == (round == 0 ? size : 1 + round % 11));
        std::vector<double> values;
        for (std::size_t i = 0; i < n; ++i)
            values.push_back(i % 4 == 3 ? std::numeric_limits<double>::quiet_NaN() : asked[i * columns]);
        search.tell(values.data(), n);
        everything.insert(everything.end(), asked.begin(), asked.end());
        CHECK(search.history().genotypes() == everything);
        for (std::size_t i = 0; i < size; ++i) {  // from oldest to youngest
            const std::uint8_t* member = search.population().genotype((search.oldest() + i) % size);
            const auto expected = everything.end() - static_cast<std::ptrdiff_t>((size - i) * columns);
            CHECK(std::equal(member, member + columns, expected));
        }
    }
}

TEST(options_are_checked) {
    CHECK_THROWS(Nsga2(plain_space(2, 2), 1, 0), std::invalid_argument, "between 2 and 2^31 - 1, got 1");
    CHECK_THROWS(RegularizedEvolution(plain_space(2, 2), 0, 1, 0), std::invalid_argument, "population_size");
    CHECK_THROWS(RegularizedEvolution(plain_space(2, 2), 3, 4, 0), std::invalid_argument, "sample_size");
    CHECK_THROWS(RegularizedEvolution(plain_space(2, 2), 3, 0, 0), std::invalid_argument, "sample_size");
}
