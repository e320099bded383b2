"""NSGA-III: its survivors against `ReferenceSelection`, what it finds, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from evolution_problems import additive, plain_space, spaces, tangled_space
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas import pareto
from efficient_nas.evolution import NSGA2, NSGA3, AdditiveFitness, RandomSearch, reference_directions
from efficient_nas.spaces import Space


@settings(max_examples=40)
@given(spaces(), st.integers(2, 12), st.integers(0, 2**64 - 1), st.integers(1, 4))
def test_every_generation_keeps_the_best_fronts_of_parents_and_children(
    space: Space, population_size: int, seed: int, objectives: int
) -> None:
    evaluate = additive(space, objectives)
    search = NSGA3(space, population_size, seed, reference_directions(objectives, 3))
    before = search.evolve(evaluate, generations=0)
    for generation in range(1, 4):
        result = search.evolve(evaluate, generations=1)
        new = result.history.genotypes[result.history.generations == generation]
        union = np.concatenate([before.population, new])
        fronts = pareto.nondominated_sort(evaluate(union))
        rows = [tuple(row) for row in union]
        survivors = [rows.index(tuple(row)) for row in result.population]
        assert len(set(survivors)) == min(population_size, len(union))
        assert fronts[survivors].tolist() == sorted(fronts)[: len(survivors)]
        assert space.validate(result.population).all()
        keys = space.canonical_bytes(result.history.genotypes)
        assert len(set(keys)) == len(keys)
        before = result


@settings(max_examples=15)
@given(spaces(), st.integers(0, 2**64 - 1))
def test_same_seed_same_populations_however_threads_and_calls_are_split(space: Space, seed: int) -> None:
    evaluate, directions = additive(space, 3), reference_directions(3, 3)
    unbroken = NSGA3(space, 9, seed, directions).evolve(evaluate, 5)
    search = NSGA3(space, 9, seed, directions, threads=3)
    search.evolve(evaluate, 2)
    split = search.evolve(evaluate, 3)
    np.testing.assert_array_equal(split.population, unbroken.population)
    np.testing.assert_array_equal(split.history.genotypes, unbroken.history.genotypes)


@pytest.mark.parametrize("seed", range(3))
def test_at_five_objectives_it_dominates_more_than_crowding_and_random_search_do(seed: int) -> None:
    space, directions = plain_space(12, 6), reference_directions(5, 4)
    size = len(directions)
    fitness = AdditiveFitness(space, np.random.default_rng(seed).random((12, 6, 5)))
    algorithms = (
        NSGA3(space, size, seed, directions),
        NSGA2(space, size, seed),
        RandomSearch(space, size, seed),
    )
    results = [search.evolve(fitness, 60) for search in algorithms]
    assert {len(result.history.genotypes) for result in results} == {61 * size}
    bound = np.max([result.history.values.max(axis=0) for result in results], axis=0)
    ours, crowding, random = (pareto.hypervolume(result.values, bound) for result in results)
    assert ours > 1.1 * crowding
    assert ours > 1.5 * random


def test_a_native_fitness_gives_what_the_callable_does() -> None:
    space = plain_space(8, 4)
    fitness = AdditiveFitness(space, np.random.default_rng(1).random((8, 4, 4)))
    directions, flags = reference_directions(4, 3), [True, False, False, True]
    native = NSGA3(space, 20, 7, directions, maximize=flags).evolve(fitness, 6)
    called = NSGA3(space, 20, 7, directions, maximize=flags).evolve(fitness.__call__, 6)
    np.testing.assert_array_equal(native.population, called.population)
    assert (native.fronts == np.sort(native.fronts)).all()


def test_failures_come_last_and_exhaustion_ends() -> None:
    space = tangled_space()

    def fails_often(genotypes: np.ndarray) -> np.ndarray:
        values = additive(space, 3)(genotypes)
        values[genotypes[:, 1] == 0, 2] = np.inf
        return values

    result = NSGA3(space, 12, 0, reference_directions(3, 2)).evolve(fails_often, 100)
    assert len(result.history.genotypes) == space.size
    assert not np.isnan(result.values).any()
    all_failed = NSGA3(space, 6, 0, np.eye(3)).evolve(lambda g: np.full((len(g), 3), np.nan), 3)
    assert all_failed.fronts.tolist() == [0] * 6


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda s: NSGA3(s, 1, 0, np.eye(2)), ValueError, "NSGA3: population_size must be .*>= 2, got 1"),
        (lambda s: NSGA3(s, 8, -1, np.eye(2)), ValueError, "NSGA3: seed must be .*got -1"),
        (lambda s: NSGA3("darts", 8, 0, np.eye(2)), TypeError, "NSGA3: space must be a spaces.Space"),
        (lambda s: NSGA3(s, 8, 0, [1.0, 2.0]), ValueError, r"NSGA3: directions must have shape .*got \[2\]"),
        (lambda s: NSGA3(s, 8, 0, np.empty((0, 2))), ValueError, r"NSGA3: directions .*got \[0, 2\]"),
        (lambda s: NSGA3(s, 8, 0, -np.eye(2)), ValueError, "NSGA3: directions must be finite and at least 0"),
        (lambda s: NSGA3(s, 8, 0, np.eye(2), maximize=[True]), ValueError, "NSGA3: maximize must have shape"),
        (lambda s: NSGA3(s, 8, 0, np.eye(2), duplicates="x"), ValueError, "NSGA3: duplicates must be one of"),
        (lambda s: NSGA3(s, 8, 0, np.eye(2)).evolve(additive(s, 3), 1), ValueError, "have 2 columns, got 3"),
        (
            lambda s: NSGA3(s, 8, 0, np.eye(2)).evolve(AdditiveFitness(s, np.ones((3, 3, 4))), 1),
            ValueError,
            "NSGA3: values must have 2 columns, got 4",
        ),
        (lambda s: NSGA3(s, 8, 0, np.eye(2)).evolve(additive(s, 2), -1), ValueError, "generations .*got -1"),
    ],
)
def test_bad_arguments_are_named(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(plain_space(3, 3))
