#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "efficient_nas/evolution/graph_nsga2.hpp"
#include "efficient_nas/evolution/islands.hpp"
#include "efficient_nas/evolution/local_search.hpp"
#include "efficient_nas/evolution/nsga2.hpp"
#include "efficient_nas/evolution/nsga3.hpp"
#include "efficient_nas/evolution/regularized_evolution.hpp"
#include "efficient_nas/pareto/reference_directions.hpp"
#include "efficient_nas/space/canonical_form.hpp"
#include "efficient_nas/space/darts.hpp"
#include "graph_examples.hpp"

using namespace efficient_nas;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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

// The choices of spaces.darts: two ordered predecessors and two operations for each node.
SpaceSpec darts_space() {
    std::vector<ChoiceSpec> choices;
    std::vector<std::pair<std::size_t, std::size_t>> ordered;
    for (std::size_t cell = 0; cell < 2; ++cell)
        for (std::size_t node = 0; node < darts::kNodes; ++node)
            for (std::size_t gene = 0; gene < 4; ++gene) {
                const std::size_t options = gene % 2 == 0 ? node + 2 : darts::kOperations;
                choices.push_back({"g" + std::to_string(choices.size()),
                                   std::vector<std::string>(options, "o"),
                                   all_of(options),
                                   {}});
                if (gene == 2) ordered.push_back({choices.size() - 3, choices.size() - 1});
            }
    return SpaceSpec(choices, ordered);
}

std::unique_ptr<ArchitectureKeys> genotype_keys(std::size_t columns) {
    return std::make_unique<FormKeys>(std::make_shared<GenotypeForm>(columns));
}

std::shared_ptr<const AdditiveFitness> random_fitness(std::size_t choices, std::size_t options,
                                                      std::size_t objectives) {
    std::vector<double> amounts(choices * options * objectives);
    RandomStream random(11, 12);
    for (double& amount : amounts) amount = random.uniform();
    return std::make_shared<AdditiveFitness>(choices, options, objectives, amounts);
}

struct Everything {
    std::vector<std::uint8_t> population, genotypes;
    std::vector<double> values;
    bool operator==(const Everything&) const = default;
};

Everything everything(const Evolution& search) {
    const History& history = search.history();
    Everything all{search.population().genotypes(), {}, {}};
    all.genotypes.resize(history.told() * search.num_choices());
    all.values.resize(history.told() * history.num_objectives());
    history.genotypes().copy_to(all.genotypes.data(), history.told());
    history.values().copy_to(all.values.data(), history.told());
    return all;
}

constexpr auto kNever = std::chrono::steady_clock::time_point::max();

}  // namespace

TEST(nsga2_asks_for_new_genotypes_until_there_are_none) {
    const std::size_t columns = 4;
    Workers workers(1);
    Nsga2 search(plain_space(columns, 3), 10, 42, genotype_keys(columns));
    std::set<std::vector<std::uint8_t>> seen;
    CHECK_THROWS(search.tell(nullptr, 0, 1, workers), std::invalid_argument, "asked for (0), got 0");
    for (int generation = 0; generation < 100; ++generation) {
        const std::vector<std::uint8_t> asked = search.ask(10, workers);
        CHECK(asked == search.ask(10, workers));
        if (asked.empty()) break;
        const std::size_t n = asked.size() / columns;
        std::vector<double> values;
        for (std::size_t i = 0; i < n; ++i) {
            const std::vector<std::uint8_t> row(&asked[i * columns], &asked[i * columns] + columns);
            CHECK(seen.insert(row).second);
            values.push_back(row[0] + row[1]);
            values.push_back(4.0 - row[0] - row[2]);
        }
        CHECK_THROWS(search.tell(values.data(), n + 1, 2, workers), std::invalid_argument, "asked for (");
        search.tell(values.data(), n, 2, workers);
    }
    CHECK(seen.size() == 81);
    CHECK(search.history().told() == 81);
    CHECK(search.population().size() == 10);
}

TEST(a_key_function_that_throws_does_no_harm) {
    bool works = false;
    const auto function = [&](const std::uint8_t* rows, std::size_t n) {
        if (!works) throw std::runtime_error("no keys");
        KeyList keys;
        for (std::size_t i = 0; i < n; ++i) keys.push_back({rows + 3 * i, 3});
        return keys;
    };
    Workers workers(2);
    Nsga2 search(plain_space(3, 3), 5, 1, std::make_unique<CallbackKeys>(function));
    CHECK_THROWS(search.ask(5, workers), std::runtime_error, "no keys");
    CHECK(search.history().asked() == 0);
    works = true;
    CHECK(search.ask(5, workers).size() == 15);
    CHECK(search.history().asked() == 5);
}

TEST(threads_change_nothing) {
    const auto fitness = random_fitness(darts::kGenes, darts::kOperations, 2);
    for (int kind = 0; kind < 4; ++kind) {
        std::vector<Everything> results;
        for (const std::size_t threads : {1, 2, 7}) {
            Workers workers(threads);
            auto keys = std::make_unique<FormKeys>(std::make_shared<darts::Form>(false));
            std::unique_ptr<Evolution> search;
            if (kind == 0)
                search = std::make_unique<Nsga2>(darts_space(), 600, 7, std::move(keys));
            else if (kind == 1)
                search = std::make_unique<RandomSearch>(darts_space(), 600, 7, std::move(keys));
            else if (kind == 2)
                search = std::make_unique<Nsga3>(darts_space(), 600, 7, reference_directions(2, 99, 0), 2,
                                                 std::move(keys));
            else
                search = std::make_unique<Islands>(darts_space(), 3, 200, 1, 10, 7, std::move(keys));
            CHECK(search->run(*fitness, {1.0, -1.0}, 4, 600, kNever, workers) == 4);
            CHECK(search->history().told() == 2400);
            results.push_back(everything(*search));
        }
        CHECK(results[0] == results[1] && results[0] == results[2]);
    }
}

TEST(nsga3_is_for_as_many_objectives_as_its_directions) {
    Workers workers(1);
    Nsga3 search(plain_space(3, 3), 5, 1, {1, 0, 0, 1, 1, 1}, 2, genotype_keys(3));
    const auto fitness = random_fitness(3, 3, 3);
    CHECK_THROWS(search.run(*fitness, {1, 1, 1}, 1, 5, kNever, workers), std::invalid_argument,
                 "values must have 2 columns, got 3");
    CHECK(search.history().asked() == 0);
    CHECK(search.run(*random_fitness(3, 3, 2), {1, 1}, 100, 5, kNever, workers) >= 6);
    CHECK(search.history().told() == 27);
    CHECK_THROWS(Nsga3(plain_space(3, 3), 5, 1, {0, 0}, 2, genotype_keys(3)), std::invalid_argument,
                 "positive coordinate");
    CHECK_THROWS(Nsga3(plain_space(3, 3), 5, 1, {}, 2, genotype_keys(3)), std::invalid_argument,
                 "number >= 1");
}

TEST(threads_change_no_children_of_architectures) {
    std::vector<std::vector<std::vector<std::uint8_t>>> results;
    for (const std::size_t threads : {1, 2, 7}) {
        Workers workers(threads);
        RandomStream random(1, 2);
        const std::vector<Graph> initial{example_architecture(1, 8, random)};
        GraphNsga2 search(initial, 40, 3, {MutationKind::kAdd, MutationKind::kReplace, MutationKind::kRewire},
                          {.max_nodes = 40});
        std::vector<std::vector<std::uint8_t>> everything;
        for (int generation = 0; generation < 3; ++generation) {
            CHECK(search.ask(40, workers) == 40);
            std::vector<double> values;
            for (const Graph& graph : search.asked()) {
                everything.push_back(canonical_bytes(graph, CanonicalKind::kGraph));
                values.push_back(static_cast<double>(graph.size()));
                values.push_back(-static_cast<double>(graph.connections().size()));
            }
            search.tell(values.data(), 40, 2);
        }
        results.push_back(everything);
    }
    CHECK(results[0].size() == 120 && results[0] == results[1] && results[0] == results[2]);
}

TEST(islands_migrate_to_the_next_one) {
    const std::size_t columns = 12, size = 20, migrants = 3;
    const auto fitness = random_fitness(columns, 4, 2);
    Workers workers(1);
    Islands search(plain_space(columns, 4), 3, size, 2, migrants, 5, genotype_keys(columns));
    Islands alone(plain_space(columns, 4), 3, size, 1000, migrants, 5, genotype_keys(columns));
    for (int generation = 0; generation < 3; ++generation) {
        search.run(*fitness, {1.0, 1.0}, 1, 3 * size, kNever, workers);
        alone.run(*fitness, {1.0, 1.0}, 1, 3 * size, kNever, workers);
    }
    const auto rows = [&](const Population& population, std::size_t count) {
        std::set<std::vector<std::uint8_t>> set;
        for (std::size_t i = 0; i < std::min(count, population.size()); ++i)
            set.insert({population.genotype(i), population.genotype(i) + columns});
        return set;
    };
    for (std::size_t i = 0; i < 3; ++i) {  // the third generation was the first to migrate
        const Population& sender = alone.islands()[i];
        const Population& before = alone.islands()[(i + 1) % 3];
        std::set<std::vector<std::uint8_t>> expected = rows(before, size - migrants);
        expected.merge(rows(sender, migrants));
        CHECK(search.islands()[i].size() == size);
        CHECK(rows(search.islands()[(i + 1) % 3], size) == expected);
    }
    CHECK(search.population().size() == 3 * size);
}

TEST(local_search_ends_in_optima) {
    const std::size_t columns = 5;
    const auto fitness = random_fitness(columns, 3, 1);
    Workers workers(1);
    for (const std::size_t batch : {1, 4, 100}) {
        LocalSearch search(plain_space(columns, 3), 6, 3, genotype_keys(columns));
        search.run(*fitness, {1.0}, 1000, batch, kNever, workers);
        CHECK(search.history().told() > 230);  // of 243: hardly anything new is left
        double best = std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < search.history().told(); ++i)
            best = std::min(best, *search.history().values()[i]);
        // The first climb has ended in the optimum, which is the only local one of a sum.
        CHECK(*search.population().values(0) == best);
    }
}

TEST(local_search_skips_no_neighbour_when_a_key_fails) {
    bool works = true;
    const auto function = [&](const std::uint8_t* rows, std::size_t n) {
        if (!works) throw std::runtime_error("no keys");
        KeyList keys;
        for (std::size_t i = 0; i < n; ++i) keys.push_back({rows + 2 * i, 2});
        return keys;
    };
    Workers workers(1);
    LocalSearch search(plain_space(2, 3), 1, 3, std::make_unique<CallbackKeys>(function));
    search.ask(1, workers);
    const double value = 0.0, worse = 1.0;
    search.tell(&value, 1, 1, workers);
    works = false;
    CHECK_THROWS(search.ask(1, workers), std::runtime_error, "no keys");
    works = true;
    for (int neighbour = 0; neighbour < 4; ++neighbour) {  // two choices of three options
        const std::vector<std::uint8_t> asked = search.ask(1, workers);
        const std::uint8_t* point = search.population().genotype(0);
        CHECK(asked.size() == 2 && (asked[0] == point[0]) != (asked[1] == point[1]));
        search.tell(&worse, 1, 1, workers);
    }
    CHECK(search.population().size() == 1);
}

TEST(local_search_moves_on_from_a_failed_point) {
    Workers workers(1);
    LocalSearch search(plain_space(2, 3), 1, 3, genotype_keys(2));
    const double failed = kNan, good = 1.0;
    search.ask(1, workers);
    search.tell(&failed, 1, 1, workers);
    CHECK(search.ask(1, workers).size() == 2);
    search.tell(&good, 1, 1, workers);
    CHECK(search.population().size() == 1 && *search.population().values(0) == good);
}

TEST(regularized_evolution_replaces_the_oldest) {
    const std::size_t columns = 5, size = 7;
    Workers workers(1);
    RegularizedEvolution search(plain_space(columns, 4), size, 3, 9);
    std::vector<std::uint8_t> asked_so_far;
    for (std::size_t round = 0; round < 40; ++round) {
        const std::vector<std::uint8_t> asked = search.ask(1 + round % 11, workers);
        const std::size_t n = asked.size() / columns;
        CHECK(n == (round == 0 ? size : 1 + round % 11));
        std::vector<double> values;
        for (std::size_t i = 0; i < n; ++i) values.push_back(i % 4 == 3 ? kNan : asked[i * columns]);
        search.tell(values.data(), n, 1, workers);
        asked_so_far.insert(asked_so_far.end(), asked.begin(), asked.end());
        CHECK(everything(search).genotypes == asked_so_far);
        for (std::size_t i = 0; i < size; ++i) {  // from oldest to youngest
            const std::uint8_t* member = search.population().genotype((search.first_member() + i) % size);
            const auto expected = asked_so_far.end() - static_cast<std::ptrdiff_t>((size - i) * columns);
            CHECK(std::equal(member, member + columns, expected));
        }
    }
}

TEST(native_fitness_is_the_sum_or_the_table) {
    const auto additive = random_fitness(7, 3, 2);
    const std::vector<std::uint8_t> row{2, 1, 0, 0, 1, 2, 2};
    std::vector<double> values(2);
    additive->evaluate(row.data(), 1, values.data());
    std::vector<double> amounts(7 * 3 * 2);
    RandomStream random(11, 12);
    for (double& amount : amounts) amount = random.uniform();
    for (std::size_t k = 0; k < 2; ++k) {
        double expected = 0.0;
        for (std::size_t c = 0; c < 7; ++c) expected += amounts[(c * 3 + row[c]) * 2 + k];
        CHECK(std::abs(values[k] - expected) < 1e-14);
    }
    const TableFitness table({2, 3}, 1, {0, 1, 2, 3, 4, 5});
    const std::vector<std::uint8_t> rows{1, 2, 0, 1};
    table.evaluate(rows.data(), 2, values.data());
    CHECK((values == std::vector<double>{5, 1}));
    CHECK_THROWS(TableFitness({2, 3}, 1, {0, 1}), std::invalid_argument, "rows");
    CHECK_THROWS(table.check(plain_space(3, 2)), std::invalid_argument, "2 choices, but the space has 3");
    CHECK_THROWS(table.check(plain_space(2, 3)), std::invalid_argument, "made for 2");
    CHECK_THROWS(additive->check(plain_space(7, 4)), std::invalid_argument, "given for 3");
    const JoinedFitness joined(
        {std::make_shared<TableFitness>(table), std::make_shared<TableFitness>(table)});
    std::vector<double> twice(4);
    joined.evaluate(rows.data(), 2, twice.data());
    CHECK((twice == std::vector<double>{5, 5, 1, 1}));
}

TEST(options_are_checked) {
    const auto space = plain_space(2, 2);
    CHECK_THROWS(Nsga2(space, 1, 0, nullptr), std::invalid_argument, "between 2 and 2^31 - 1, got 1");
    CHECK_THROWS(RegularizedEvolution(space, 0, 1, 0), std::invalid_argument, "population_size");
    CHECK_THROWS(RegularizedEvolution(space, 3, 4, 0), std::invalid_argument, "sample_size");
    CHECK_THROWS(RegularizedEvolution(space, 3, 0, 0), std::invalid_argument, "sample_size");
    CHECK_THROWS(Islands(space, 1, 4, 1, 1, 0, nullptr), std::invalid_argument, "islands must be");
    CHECK_THROWS(Islands(space, 2, 4, 0, 1, 0, nullptr), std::invalid_argument, "migration_interval");
    CHECK_THROWS(Islands(space, 2, 4, 1, 3, 0, nullptr), std::invalid_argument, "at most half");
    CHECK_THROWS(LocalSearch(space, 0, 0, nullptr), std::invalid_argument, "initial_size");
}
