"""Random search, islands and local search: what they do that NSGA-II does not, and what they share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evolution_problems import additive, plain_space, tangled_space

from efficient_nas import pareto
from efficient_nas import spaces as spaces_of
from efficient_nas.evolution import NSGA2, Evolution, Islands, LocalSearch, RandomSearch, TableFitness


def test_random_search_keeps_the_best_of_what_it_saw() -> None:
    space = plain_space(6, 4)
    result = RandomSearch(space, 20, seed=1).evolve(additive(space, 1), 4)
    assert len(result.history.genotypes) == 100
    assert len(np.unique(result.history.genotypes, axis=0)) == 100
    np.testing.assert_array_equal(result.values, np.sort(result.history.values, axis=0)[:20])
    np.testing.assert_array_equal(result.archive.values, result.values[:1])


@pytest.mark.parametrize("duplicates", ["graph", "expression", "genotype"])
def test_duplicates_says_what_is_evaluated_once(duplicates: str) -> None:
    space = spaces_of.create("nasbench201")
    search = RandomSearch(space, 3000, seed=0, duplicates=duplicates)
    genotypes = search.evolve(additive(space, 1), 0).history.genotypes
    assert len(genotypes) == 3000 == len(np.unique(genotypes, axis=0))
    for kind in ("graph", "expression"):
        distinct = len(set(space.canonical_bytes(genotypes, kind)))
        once = duplicates == "expression" or (duplicates, kind) == ("graph", "graph")
        assert (distinct == 3000) == once


def test_a_whole_space_is_found_and_then_the_search_ends() -> None:
    space = spaces_of.create("nasbench201")
    result = RandomSearch(space, 1000, seed=0).evolve(additive(space, 2), 40)
    found = len(result.history.genotypes)
    assert 5400 < found <= 5425  # classes of isomorphic cells
    assert result.history.generations[-1] < 40


def test_islands_find_more_than_random_search_and_share_one_history() -> None:
    space = plain_space(20, 5)
    evaluate = additive(space, 2)
    result = Islands(space, 4, 25, seed=0, migration_interval=3, migrants=2).evolve(evaluate, 15)
    assert result.population.shape == (100, 20) and len(result.history.genotypes) == 1600
    assert len(np.unique(result.history.genotypes, axis=0)) == 1600
    np.testing.assert_array_equal(result.fronts, pareto.nondominated_sort(result.values))
    random = RandomSearch(space, 100, seed=0).evolve(evaluate, 15)
    reference = np.full(2, 10.0)
    assert result.hypervolume(reference)[-1] > 1.2 * random.hypervolume(reference)[-1]


def test_islands_without_migrants_stay_alone() -> None:
    space = plain_space(20, 5)
    alone = Islands(space, 2, 10, seed=3, migration_interval=1, migrants=0).evolve(additive(space, 2), 8)
    mixed = Islands(space, 2, 10, seed=3, migration_interval=1, migrants=2).evolve(additive(space, 2), 8)
    assert not np.array_equal(alone.population, mixed.population)
    # Migrants are copies: without them no member of one island is a member of another.
    assert len(np.unique(alone.population, axis=0)) == 20
    assert len(np.unique(mixed.population, axis=0)) < 20


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_local_search_climbs_by_single_choices_to_local_optima(batch: int) -> None:
    space = tangled_space()
    everything = space.enumerate()
    table = dict(zip(map(tuple, everything), additive(space, 1)(everything), strict=True))
    result = LocalSearch(space, seed=2, initial_size=4, maximize=True).evolve(
        lambda rows: [table[tuple(row)] for row in rows], 40, batch
    )
    history = result.history
    assert len(np.unique(history.genotypes, axis=0)) == len(history.genotypes)
    for optimum, value in zip(result.population[:-1], result.values[:-1], strict=True):
        around = [table[tuple(row)] for row in space.neighbours(optimum)]
        assert value >= np.max(around)


def test_local_search_finds_the_best_cells_of_nasbench201(data_dir: Path) -> None:
    space = spaces_of.create("nasbench201")
    table = pd.read_csv(data_dir / "nasbench201_accuracy" / "mini_nasbench201_12epochs.csv.gz")
    accuracy = dict(zip(table["cellstr"], table["cifar10-val"], strict=True))
    values = np.array([accuracy[space.to_string(row)] for row in space.enumerate()])
    fitness = TableFitness(space, values)
    local = [LocalSearch(space, seed, maximize=True).evolve(fitness, 190) for seed in range(10)]
    random = [RandomSearch(space, 200, seed, maximize=True).evolve(fitness, 0) for seed in range(10)]
    assert all(len(result.history.values) == 200 for result in [*local, *random])
    best_local, best_random = ([r.history.values.max() for r in results] for results in (local, random))
    assert np.mean(best_local) > np.mean(best_random)


def test_the_hypervolume_never_falls_and_ends_at_that_of_the_archive() -> None:
    space = plain_space(10, 4)
    result = NSGA2(space, 12, 0, maximize=[False, True]).evolve(additive(space, 2), 10)
    reference = np.array([8.0, 1.0])
    progress = result.hypervolume(reference)
    assert len(progress) == 11 and (np.diff(progress) >= 0).all() and progress[-1] > progress[0]
    archive = pareto.hypervolume(result.archive.values, reference, maximize=[False, True])
    assert progress[-1] == pytest.approx(archive, rel=1e-12)
    everything = pareto.hypervolume(result.history.values, reference, maximize=[False, True])
    assert progress[-1] == pytest.approx(everything, rel=1e-12)


def test_a_result_is_a_snapshot() -> None:
    space = plain_space(10, 4)
    search = NSGA2(space, 12, 0)
    before = search.evolve(additive(space, 2), 2)
    search.evolve(additive(space, 2), 2)
    assert len(before.history.genotypes) == 36 and len(search.result().history.genotypes) == 60


def test_before_anything_was_told_a_result_is_empty() -> None:
    result = NSGA2(plain_space(3, 3), 4, 0).result()
    assert result.population.shape == (0, 3) and len(result.fronts) == 0
    assert len(result.history.genotypes) == 0 and len(result.archive.genotypes) == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda s: NSGA2(s, 4, 0, threads=0), ValueError, "threads must be an integer >= 1, got 0"),
        (lambda s: NSGA2(s, 4, 0, threads=1.5), TypeError, "threads must be an integer >= 1, got 1.5"),
        (lambda s: NSGA2(s, 4, 0, duplicates="grap"), ValueError, "'grap' .did you mean graph"),
        (lambda s: RandomSearch(s, 1, 0), ValueError, "population_size must be an integer >= 2, got 1"),
        (lambda s: Islands(s, 1, 4, 0), ValueError, "islands must be an integer >= 2, got 1"),
        (lambda s: Islands(s, 2, 4, 0, migration_interval=0), ValueError, "migration_interval must be"),
        (lambda s: Islands(s, 2, 4, 0, migrants=3), ValueError, "at most half of population_size"),
        (lambda s: LocalSearch(s, 0, initial_size=0), ValueError, "initial_size must be an integer >= 1"),
        (lambda s: LocalSearch(s, 0, maximize=[True]), TypeError, "maximize must be a bool"),
        (lambda s: LocalSearch(s, -1), ValueError, "seed must be an integer"),
        (lambda s: NSGA2(s, 4, 0).tell(np.zeros((4, 2))), ValueError, r"asked for \(0\), got 4"),
        (lambda s: NSGA2(s, 4, 0).tell(np.zeros(4)), ValueError, r"values must have shape \[n, m\]"),
        (lambda s: NSGA2(s, 4, 0).ask(0), ValueError, "batch must be an integer >= 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(make: object, error: type[Exception], message: str) -> None:
    assert callable(make)
    with pytest.raises(error, match=message):
        make(plain_space(3, 3))


def test_a_search_of_two_hundred_threads_is_a_search() -> None:
    search: Evolution = NSGA2(plain_space(6, 4), 50, 0, threads=200)
    assert len(search.ask()) == 50
