"""Regularized evolution against algorithm 1 of Real et al. 2019."""

from __future__ import annotations

import numpy as np
import pytest
from evolution_problems import additive, plain_space, spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas.evolution import RegularizedEvolution
from efficient_nas.spaces import Space


@settings(max_examples=40)
@given(
    spaces(), st.integers(1, 12), st.integers(0, 2**64 - 1), st.integers(0, 40), st.integers(1, 7), st.data()
)
def test_the_oldest_members_die(
    space: Space, population_size: int, seed: int, cycles: int, batch: int, data: st.DataObject
) -> None:
    sample_size = data.draw(st.integers(1, population_size))
    evaluate = additive(space, 1)
    search = RegularizedEvolution(space, population_size, sample_size, seed)
    result = search.evolve(evaluate, cycles, batch)
    history = result.history
    assert history.genotypes.shape == (population_size + cycles, space.num_choices)
    np.testing.assert_array_equal(result.population, history.genotypes[-population_size:])
    np.testing.assert_array_equal(result.values, history.values[-population_size:])
    np.testing.assert_array_equal(evaluate(history.genotypes), history.values)
    assert space.validate(history.genotypes).all()
    np.testing.assert_array_equal(
        history.generations, [0] * population_size + [1 + i // batch for i in range(cycles)]
    )
    np.testing.assert_array_equal(result.fronts, np.unique(result.values, return_inverse=True)[1].reshape(-1))


def test_a_child_is_a_mutant_of_a_member_and_mostly_of_a_good_one() -> None:
    space = plain_space(12, 4)
    evaluate = additive(space, 1)
    population_size, sample_size = 40, 10
    result = RegularizedEvolution(space, population_size, sample_size, seed=0).evolve(evaluate, 400)
    everything, values = result.history.genotypes, result.history.values[:, 0]
    ranks = []
    for t in range(population_size, len(everything)):
        members = slice(t - population_size, t)
        distance = (everything[members] != everything[t]).sum(axis=1)
        parents = np.flatnonzero(distance == 1)
        assert len(parents) > 0
        order = np.argsort(np.argsort(values[members]))
        ranks.append(order[parents].min())
    # The best of 10 drawn from 40 has mean rank 40 / 11 - 1 or so; without selection it would be 19.5.
    assert np.mean(ranks) < 5
    best = additive(space, 1)(space.sample(len(everything), seed=1)).min()
    assert values.min() < best


def test_a_sample_of_one_is_a_random_walk_of_the_population() -> None:
    space = plain_space(12, 4)
    result = RegularizedEvolution(space, 40, 1, seed=0).evolve(additive(space, 1), 400)
    values = result.history.values[:, 0]
    assert abs(values[-100:].mean() - values[:100].mean()) < 3 * values.std()


@settings(max_examples=20)
@given(spaces(), st.integers(0, 2**64 - 1))
def test_same_seed_same_populations_however_the_calls_are_split(space: Space, seed: int) -> None:
    evaluate = additive(space, 1)
    unbroken = RegularizedEvolution(space, 8, 3, seed).evolve(evaluate, 20).history
    search = RegularizedEvolution(space, 8, 3, seed)
    search.evolve(evaluate, 0)
    search.evolve(evaluate, 13)
    history = search.evolve(evaluate, 7).history
    for name in ("genotypes", "values", "generations"):
        np.testing.assert_array_equal(getattr(history, name), getattr(unbroken, name))


def test_another_seed_gives_another_population() -> None:
    space = plain_space(10, 5)
    a, b = (RegularizedEvolution(space, 20, 5, seed).evolve(additive(space, 1), 20) for seed in (0, 1))
    assert not np.array_equal(a.population, b.population)


def test_flat_and_column_values_are_the_same_and_maximising_is_minimising_the_negative() -> None:
    space = plain_space(6, 4)
    evaluate = additive(space, 1)
    expected = RegularizedEvolution(space, 10, 3, seed=2).evolve(evaluate, 50)
    flat = RegularizedEvolution(space, 10, 3, seed=2).evolve(lambda g: evaluate(g)[:, 0], 50)
    np.testing.assert_array_equal(flat.history.genotypes, expected.history.genotypes)
    np.testing.assert_array_equal(flat.values, expected.values)
    negative = RegularizedEvolution(space, 10, 3, seed=2, maximize=True).evolve(lambda g: -evaluate(g), 50)
    np.testing.assert_array_equal(negative.history.genotypes, expected.history.genotypes)
    np.testing.assert_array_equal(negative.values, -expected.values)
    np.testing.assert_array_equal(negative.fronts, expected.fronts)


def test_failed_members_never_win_against_others() -> None:
    space = plain_space(12, 4)
    evaluate = additive(space, 1)
    alive: list[np.ndarray] = []

    def first_survives(genotypes: np.ndarray) -> np.ndarray:
        values = np.full(len(genotypes), np.nan)
        values[1::2] = -np.inf  # would win if it counted
        if not alive:
            alive.append(genotypes[0].copy())
            values[0] = 1e300
        return values

    search = RegularizedEvolution(space, 10, 10, seed=0)
    initial = search.evolve(first_survives, 0)
    np.testing.assert_array_equal(np.isnan(initial.values[:, 0]), [False] + [True] * 9)
    assert initial.fronts.tolist() == [0] + [1] * 9
    children = search.evolve(first_survives, 400, batch=400).history.genotypes[10:]
    # A child's parent is the survivor whenever it was drawn: with probability 1 - 0.9 ** 10 = 0.65.
    of_survivor = ((children != alive[0]).sum(axis=1) == 1).mean()
    assert 0.58 < of_survivor < 0.72
    assert not evaluate(children).min() < 0


def test_an_error_of_evaluate_loses_nothing() -> None:
    space = plain_space(6, 4)
    evaluate = additive(space, 1)
    unbroken = RegularizedEvolution(space, 5, 2, seed=0).evolve(evaluate, 10)
    calls = 0

    def breaks(genotypes: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls in {1, 5}:
            raise RuntimeError("out of memory")
        return evaluate(genotypes)

    search = RegularizedEvolution(space, 5, 2, seed=0)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            search.evolve(breaks, 10)
    result = search.evolve(breaks, 8)  # the initial population and two children were kept
    np.testing.assert_array_equal(result.history.genotypes, unbroken.history.genotypes)
    np.testing.assert_array_equal(result.population, unbroken.population)


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (np.zeros(3), ValueError, r"one row for each of the 4 genotypes, got shape \[3\]"),
        (np.zeros((4, 2)), ValueError, r"evaluate must have shape \[n\] or \[n, 1\], got \[4, 2\]"),
        (np.zeros((4, 1, 1)), ValueError, r"got \[4, 1, 1\]"),
        (None, TypeError, "result of evaluate must be float64"),
    ],
)
def test_a_wrong_result_of_evaluate_is_named(returned: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RegularizedEvolution(plain_space(3, 3), 4, 2, seed=0).evolve(lambda genotypes: returned, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"population_size": 0}, ValueError, "population_size must be an integer >= 1, got 0"),
        ({"population_size": 2**31}, ValueError, r"between 1 and 2\^31 - 1, got 2147483648"),
        ({"sample_size": 0}, ValueError, "sample_size must be an integer >= 1, got 0"),
        ({"sample_size": 9}, ValueError, r"sample_size must be between 1 and population_size \(8\), got 9"),
        ({"seed": 2**64}, ValueError, "seed must be an integer"),
        ({"maximize": [True]}, TypeError, "maximize must be a bool"),
        ({"space": object()}, TypeError, "space must be a spaces.Space"),
    ],
)
def test_bad_options_are_named(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    options = {"space": plain_space(3, 3), "population_size": 8, "sample_size": 3, "seed": 0} | arguments
    with pytest.raises(error, match=message):
        RegularizedEvolution(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("cycles", "batch"), [(-1, 1), (3, 0), (3, -2)])
def test_bad_counts_are_named(cycles: int, batch: int) -> None:
    space = plain_space(3, 3)
    with pytest.raises(ValueError, match=f"must be an integer >= ., got {min(cycles, batch)}"):
        RegularizedEvolution(space, 8, 3, seed=0).evolve(additive(space, 1), cycles, batch)


def test_a_batch_too_large_for_memory_is_refused() -> None:
    space = plain_space(3, 3)
    search = RegularizedEvolution(space, 8, 3, seed=0)
    search.evolve(additive(space, 1), 0)
    with pytest.raises(ValueError, match=r"between 1 and 2\^31 - 1 rows, got 4611686018427387904"):
        search.evolve(additive(space, 1), cycles=2**62, batch=2**62)
