#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/space.hpp"
#include "efficient_nas/space/space_enumeration.hpp"
#include "efficient_nas/space/space_sampling.hpp"
#include "efficient_nas/space/space_variation.hpp"

using namespace efficient_nas;

namespace {

using Row = std::vector<std::uint8_t>;

// A space of random choices, conditions, masks and ordered pairs.
SpaceSpec random_space(RandomStream& random) {
    std::vector<ChoiceSpec> choices;
    std::vector<std::pair<std::size_t, std::size_t>> ordered;
    const std::size_t n = 1 + random.below(9);
    while (choices.size() < n) {
        const std::size_t options = 1 + random.below(5);
        ChoiceSpec choice{"c" + std::to_string(choices.size()), {}, {}, {}};
        for (std::size_t v = 0; v < options; ++v) {
            choice.options.push_back(std::to_string(v));
            if (random.below(4) != 0) choice.allowed.set(v);
        }
        choice.allowed.set(random.below(options));
        for (std::size_t parent = 0; parent < choices.size(); ++parent) {
            if (random.below(6) != 0) continue;
            Condition condition{parent, {}};
            for (std::size_t v = 0; v < choices[parent].options.size(); ++v)
                if (random.below(2)) condition.options.set(v);
            choice.conditions.push_back(condition);
        }
        choices.push_back(choice);
        if (options > 1 && random.below(3) == 0) {  // an ordered pair: all options allowed
            for (std::size_t v = 0; v < options; ++v) choices.back().allowed.set(v);
            choices.push_back(choices.back());
            choices.back().name += "b";
            ordered.emplace_back(choices.size() - 2, choices.size() - 1);
        }
    }
    return SpaceSpec(choices, ordered);
}

// By trying all rows.
std::set<Row> valid_rows(const SpaceSpec& space) {
    std::set<Row> rows;
    Row row(space.num_choices()), activity(space.num_choices());
    while (true) {
        if (!space.why_invalid(row.data())) rows.insert(row);
        std::size_t c = 0;
        while (c < row.size() && ++row[c] == space.cardinality(c)) row[c++] = 0;
        if (c == row.size()) return rows;
    }
}

// Rows of exactly the size, so that a sanitizer sees every byte written or read too far.
std::unique_ptr<std::uint8_t[]> exact(const Row& row) {
    auto copy = std::make_unique<std::uint8_t[]>(row.size());
    std::copy(row.begin(), row.end(), copy.get());
    return copy;
}

}  // namespace

TEST(random_spaces_hold_their_promises) {
    RandomStream random(11, 0);
    for (std::uint64_t round = 0; round < 150; ++round) {
        const SpaceSpec space = random_space(random);
        const std::size_t columns = space.num_choices();
        std::size_t combinations = 1;
        for (std::size_t c = 0; c < columns; ++c) combinations *= space.cardinality(c);
        if (combinations > 20000) continue;
        const std::set<Row> valid = valid_rows(space);
        Row activity(columns);

        const Row listed = enumerate(space, combinations);
        std::set<Row> enumerated;
        for (std::size_t i = 0; i < listed.size(); i += columns)
            enumerated.insert(Row(&listed[i], &listed[i] + columns));
        CHECK(enumerated == valid && listed.size() == valid.size() * columns);
        CHECK(!valid.empty());

        const std::size_t n = 50;
        const auto samples = std::make_unique<std::uint8_t[]>(n * columns);
        const auto partners = std::make_unique<std::uint8_t[]>(n * columns);
        const auto out = std::make_unique<std::uint8_t[]>(n * columns);
        const auto check_rows = [&](const std::uint8_t* rows) {
            for (std::size_t i = 0; i < n; ++i)
                CHECK(valid.contains(Row(rows + i * columns, rows + (i + 1) * columns)));
        };
        sample(space, round, n, samples.get());
        sample(space, round + 1000, n, partners.get());
        check_rows(samples.get());
        for (const std::size_t mutations : {1u, 2u, 100u}) {
            mutate(space, samples.get(), round, mutations, n, out.get());
            check_rows(out.get());
        }
        crossover(space, samples.get(), partners.get(), round, n, out.get());
        check_rows(out.get());

        const Row row(samples.get(), samples.get() + columns);
        const Row near = neighbours(space, exact(row).get());
        std::set<Row> distinct;
        for (std::size_t i = 0; i < near.size(); i += columns)
            distinct.insert(Row(&near[i], &near[i] + columns));
        CHECK(distinct.size() * columns == near.size() && !distinct.contains(row));
        for (const Row& neighbour : distinct) CHECK(valid.contains(neighbour));
    }
}

TEST(any_bytes_are_judged_without_reading_too_far) {
    RandomStream random(12, 0);
    for (int round = 0; round < 300; ++round) {
        const SpaceSpec space = random_space(random);
        Row row(space.num_choices()), activity(space.num_choices());
        for (std::uint8_t& value : row)
            value = static_cast<std::uint8_t>(random.below(3) == 0 ? random.below(256) : random.below(6));
        const auto bytes = exact(row);
        CHECK(space.valid(bytes.get(), activity.data()) == !space.why_invalid(bytes.get()).has_value());
        if (!space.valid(bytes.get(), activity.data())) {
            const auto out = exact(row);
            CHECK_THROWS(mutate(space, bytes.get(), 0, 1, 1, out.get()), std::invalid_argument,
                         "row 0 is not valid");
        }
        const std::size_t choice = random.below(space.num_choices());
        const auto mask = std::make_unique<bool[]>(space.cardinality(choice));
        try {
            option_mask(space, bytes.get(), choice, mask.get(), activity);
        } catch (const std::invalid_argument&) {  // a prefix that cannot be completed
        }
    }
}

TEST(a_batch_is_the_prefix_of_a_larger_one) {
    RandomStream random(13, 0);
    for (int round = 0; round < 50; ++round) {
        const SpaceSpec space = random_space(random);
        const std::size_t columns = space.num_choices();
        Row few(3 * columns), many(20 * columns), few_out(few.size()), many_out(many.size());
        sample(space, 5, 3, few.data());
        sample(space, 5, 20, many.data());
        CHECK(std::equal(few.begin(), few.end(), many.begin()));
        mutate(space, few.data(), 6, 2, 3, few_out.data());
        mutate(space, many.data(), 6, 2, 20, many_out.data());
        CHECK(std::equal(few_out.begin(), few_out.end(), many_out.begin()));
    }
}

TEST(impossible_spaces_are_refused) {
    OptionSet both;
    both.set(0).set(1);
    const ChoiceSpec good{"good", {"a", "b"}, both, {}};
    CHECK_THROWS(SpaceSpec({}, {}), std::invalid_argument, "at least one choice");
    CHECK_THROWS(SpaceSpec({{"x", {}, {}, {}}}, {}), std::invalid_argument, "1 to 255 options");
    CHECK_THROWS(SpaceSpec({{"x", {"a"}, {}, {}}}, {}), std::invalid_argument, "no option is allowed");
    CHECK_THROWS(SpaceSpec({{"x", {"a"}, both, {}}}, {}), std::invalid_argument, "does not exist");
    CHECK_THROWS(SpaceSpec({{"x", {"a", "b"}, both, {{0, both}}}}, {}), std::invalid_argument,
                 "not before it");
    CHECK_THROWS(SpaceSpec({good, good}, {{1, 0}}), std::invalid_argument, "ordered pair");
    CHECK_THROWS(SpaceSpec({good, good}, {{0, 2}}), std::invalid_argument, "ordered pair");
    CHECK_THROWS(SpaceSpec({good, good, good}, {{0, 1}, {1, 2}}), std::invalid_argument, "two pairs");
}
