"""Random search, islands and local search: what they do that NSGA-II does not, and what they share."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evolution_problems import additive, plain_space, tangled_space

from efficient_nas import pareto
from efficient_nas import spaces as spaces_of
from efficient_nas.evolution import NSGA2, NSGA3, Evolution, Islands, LocalSearch, RandomSearch, TableFitness
from efficient_nas.pareto.arguments import Maximize
from efficient_nas.spaces import Space


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


def test_local_search_takes_neighbours_in_an_order_of_its_seed() -> None:
    space = plain_space(8, 3)
    orders = set()
    for seed in range(12):
        search = LocalSearch(space, seed, initial_size=1)
        start = search.ask()[0]
        search.tell([0.0])
        listed = [tuple(row) for row in space.neighbours(start)]
        asked = [tuple(row) for row in search.ask(16)]
        assert sorted(asked) == sorted(listed)
        orders.add(tuple(listed.index(row) for row in asked))
    assert len(orders) == 12 and tuple(range(16)) not in orders


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


@pytest.mark.parametrize("maximize", [None, True, [True, False]])
def test_nothing_told_is_an_empty_result_whatever_is_maximised(maximize: Maximize) -> None:
    result = NSGA2(plain_space(3, 3), 4, 0, maximize=maximize).result()
    assert len(result.values) == 0 and result.hypervolume([1.0, 1.0]).shape == (0,)


def test_a_result_can_be_pickled_and_copied() -> None:
    space = plain_space(5, 4)
    result = NSGA2(space, 8, 0, maximize=[True, False]).evolve(additive(space, 2), 3)
    for copied in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        for name in ("population", "values", "fronts"):
            np.testing.assert_array_equal(getattr(copied, name), getattr(result, name))
        np.testing.assert_array_equal(copied.history.values, result.history.values)
        np.testing.assert_array_equal(copied.archive.genotypes, result.archive.genotypes)
        np.testing.assert_array_equal(copied.hypervolume([0, 9]), result.hypervolume([0, 9]))


def test_what_is_maximised_is_copied() -> None:
    space, maximize = plain_space(5, 4), [True, False]
    search = NSGA2(space, 8, 0, maximize=maximize)
    maximize[:] = [False, True]
    expected = NSGA2(space, 8, 0, maximize=[True, False]).evolve(additive(space, 2), 3)
    np.testing.assert_array_equal(search.evolve(additive(space, 2), 3).values, expected.values)


@pytest.mark.parametrize("islands", [2, 5])
def test_more_islands_than_architectures_end(islands: int) -> None:
    space = plain_space(2, 2)
    search = Islands(space, islands, 4, 0, migration_interval=1)
    result = search.evolve(additive(space, 2), 3)
    assert sorted(map(tuple, result.history.genotypes)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(result.population) == 4 and len(search.ask()) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda s: NSGA2(s, 60, 2),
        lambda s: RandomSearch(s, 60, 2),
        lambda s: NSGA3(s, 60, 2, np.eye(2)),
        lambda s: Islands(s, 3, 60, 2),
        lambda s: LocalSearch(s, 2, initial_size=60),
    ],
)
@pytest.mark.parametrize("space", [plain_space(1, 1), plain_space(1, 2), tangled_space()], ids=str)
def test_populations_larger_than_the_space_find_all_of_it(
    make: Callable[[Space], Evolution], space: Space
) -> None:
    search = make(space)
    for _ in range(60):
        genotypes = search.ask(7)
        if len(genotypes) == 0:
            break
        objectives = 1 if isinstance(search, LocalSearch) else 2
        search.tell(additive(space, objectives)(genotypes))
    found = search.result().history.genotypes
    assert len(np.unique(found, axis=0)) == len(found) == space.size


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ([1.0], ValueError, r"reference must have shape \[2\].*got \[1\]"),
        (1.0, ValueError, r"reference must have shape \[2\].*got \[\]"),
        ([1.0, 2.0, 3.0], ValueError, r"got \[3\]"),
        (["1", "2"], TypeError, "reference must be float64"),
        ([1.0, np.nan], ValueError, r"reference must be finite, got \[1.0, nan\]"),
    ],
)
def test_wrong_references_are_named(reference: object, error: type[Exception], message: str) -> None:
    space = plain_space(4, 3)
    result = NSGA2(space, 4, 0).evolve(additive(space, 2), 1)
    with pytest.raises(error, match=message):
        result.hypervolume(reference)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda s: NSGA2(s, 4, 0, threads=0), ValueError, "threads must be an integer >= 1, got 0"),
        (lambda s: NSGA2(s, 4, 0, threads=1.5), TypeError, "threads must be an integer >= 1, got 1.5"),
        (lambda s: NSGA2(s, 4, 0, threads=True), TypeError, "threads must be an integer >= 1, got True"),
        (lambda s: NSGA2(s, 4, 0, threads=2**40), ValueError, "threads must be an integer <= 1024"),
        (lambda s: NSGA2(s, None, 0), ValueError, "NSGA2: population_size must be .* got None"),
        (lambda s: NSGA2(s, 4, None), ValueError, "NSGA2: seed must be an integer .* got None"),
        (lambda s: Islands(s, None, 4, 0), ValueError, "Islands: islands must be .* got None"),
        (lambda s: NSGA2(s, 4, 0, maximize="yes"), TypeError, "maximize must be bools.*got 'yes'"),
        (lambda s: NSGA2(s, 4, 0, maximize=[1, 0]), TypeError, "maximize must be bools"),
        (lambda s: NSGA2(s, 4, 0, maximize=[[True], [False]]), ValueError, "maximize must be one bool, or"),
        (lambda s: NSGA2(s, 4, 0).evolve(None, 1), TypeError, "evaluate must be a callable or .* got None"),
        (lambda s: NSGA2(s, 4, 0).evolve(additive(s, 2), 2**70), ValueError, "generations must be .* <= 922"),
        (lambda s: TableFitness("darts", [1.0]), TypeError, "TableFitness: space must be a spaces.Space"),
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
    search: Evolution = NSGA2(spaces_of.create("darts"), 5_000, 0, threads=200)
    assert len(search.ask()) == 5_000


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_more_threads_than_the_system_allows_are_an_error() -> None:
    script = """
import resource
import efficient_nas as nas
search = nas.evolution.NSGA2(nas.spaces.create("darts"), 5_000, 0, threads=1024)  # so many are shared
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))  # a stack takes 8 MiB
try:
    search.ask()
except RuntimeError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "threads: the system allows" in run.stdout and "now, not 1024" in run.stdout
