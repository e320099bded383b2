#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "efficient_nas/evolution/nsga2.hpp"
#include "efficient_nas/evolution/regularized_evolution.hpp"
#include "efficient_nas/key_set.hpp"

using namespace efficient_nas;

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

TEST(equals_win_against_those_that_failed_only) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<std::uint8_t> genotypes{0, 1, 2};
    const std::vector<double> values{3, nan, 1};
    Population population(1, 1);
    population.append({3, genotypes.data(), values.data()}, 0);
    const std::vector<std::uint32_t> kept{2, 1, 0};
    population.keep_as_equals(kept);
    CHECK((population.genotypes() == std::vector<std::uint8_t>{2, 1, 0}));
    CHECK(population.better(0, 1) && population.better(2, 1) && !population.better(1, 0));
    CHECK(!population.better(0, 2) && !population.better(2, 0));
}

// Every member competes once in each permutation: the best wins each of its tournaments, the worst none, and
// the others meet opponents that the draws decide.
TEST(pairs_of_parents_win_tournaments_over_permutations) {
    constexpr std::size_t kMembers = 8, kColumns = 64, kBroods = 4;  // two permutations
    std::vector<ChoiceSpec> choices;
    for (std::size_t c = 0; c < kColumns; ++c) {
        ChoiceSpec choice{.name = std::to_string(c), .options = std::vector<std::string>(kMembers, "o")};
        for (std::size_t i = 0; i < kMembers; ++i) choice.allowed.set(i);
        choices.push_back(choice);
    }
    const SpaceSpec space(choices, {});
    Population population(kColumns, 1);
    for (std::size_t i = 0; i < kMembers; ++i) {
        const std::vector<std::uint8_t> row(kColumns, static_cast<std::uint8_t>(i));
        const double value = static_cast<double>(i);
        population.append({1, row.data(), &value}, 0);
    }
    population.select(kMembers);
    VariationScratch scratch{space};
    std::set<std::vector<int>> seen;
    std::size_t crossed = 0, mutated = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        PairBreeder pairs(space, population);
        BoundedDraws draws(seed, 0);
        pairs.prepare(kBroods, draws);
        std::vector<int> wins(kMembers);
        for (std::size_t brood = 0; brood < kBroods; ++brood) {
            std::vector<std::uint8_t> rows(2 * kColumns);
            BoundedDraws own(seed, 1 + brood);
            pairs.make(brood, own, rows.data(), scratch);
            std::vector<std::size_t> genes(kMembers), first(kMembers);
            for (std::size_t i = 0; i < rows.size(); ++i) {
                ++genes[rows[i]];
                if (i < kColumns) ++first[rows[i]];
            }
            std::size_t parents = 0;
            for (std::size_t i = 0; i < kMembers;
                 ++i) {  // half of all genes, but for a mutation in each child
                if (genes[i] >= kColumns - 2) wins[i] += genes[i] >= 2 * kColumns - 2 ? 2 : 1, ++parents;
                mutated += genes[i] > 0 && genes[i] <= 2;
            }
            CHECK(parents == 1 || parents == 2);
            crossed += parents == 2 && std::ranges::count_if(first, [](std::size_t n) { return n > 1; }) == 2;
        }
        CHECK(wins[0] == 2 && wins[kMembers - 1] == 0);
        seen.insert(wins);
    }
    CHECK(seen.size() > 10);
    CHECK(crossed > 130 && crossed < 200);  // 0.9 of 200 pairs, less those of a member with itself
    CHECK(mutated > 120 && mutated < 200);  // half of 400 children, less those whose new gene is a parent's
}

TEST(chunked_rows_keep_what_was_appended) {
    ChunkedRows<std::int32_t> rows(3);
    std::vector<std::int32_t> reference;
    RandomStream random(3, 4);
    for (int i = 0; i < 60; ++i) {
        std::vector<std::int32_t> some(3 * random.below(400));
        for (std::int32_t& value : some) value = static_cast<std::int32_t>(random.below(1000));
        rows.append(some.data(), some.size() / 3);
        reference.insert(reference.end(), some.begin(), some.end());
    }
    CHECK(rows.size() > 8192 && 3 * rows.size() == reference.size());
    CHECK(std::equal(rows[5000], rows[5000] + 3, reference.begin() + 15000));
    for (const std::size_t n : {std::size_t{0}, std::size_t{4096}, rows.size()}) {
        std::vector<std::int32_t> copy(3 * n);
        rows.copy_to(copy.data(), n);
        CHECK(std::equal(copy.begin(), copy.end(), reference.begin()));
    }
}

TEST(hash_index_finds_entries_with_equal_hashes) {
    HashIndex index;
    std::vector<std::uint64_t> keys;
    RandomStream random(5, 6);
    const auto hash_of = [](std::uint64_t key) { return (key % 37) << 32 | key % 5; };  // collides a lot
    for (int i = 0; i < 3000; ++i) {
        const std::uint64_t key = random.below(1500);
        const auto expected = std::find(keys.begin(), keys.end(), key);
        const std::size_t found = index.find(hash_of(key), [&](std::size_t e) { return keys[e] == key; });
        if (expected == keys.end()) {
            CHECK(found == HashIndex::kNone);
            index.append(hash_of(key));
            keys.push_back(key);
        } else {
            CHECK(found == static_cast<std::size_t>(expected - keys.begin()));
        }
    }
    CHECK(index.size() == keys.size());
}
