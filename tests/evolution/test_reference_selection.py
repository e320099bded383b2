"""Survivors of NSGA-III against its rules, and against pymoo where installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from efficient_nas import pareto
from efficient_nas.evolution import ReferenceSelection, reference_directions

SPECIAL = st.sampled_from([-1e308, -1.0, -0.0, 0.0, 0.3, 0.7, 1.0, 5.0, 5e-324, 1e308, np.nan, np.inf])


def spanning(values: np.ndarray) -> np.ndarray:
    """`values` scaled so that the first front reaches from 0 to 1 in every objective."""
    front = values[pareto.is_nondominated(values)]
    return (values - front.min(axis=0)) / (front.max(axis=0) - front.min(axis=0))


def population(kind: str, n: int, m: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "cube":
        return spanning(random.random((n, m)))
    radius = 1 + random.random((n, 1)) * 0.3
    direction = np.abs(random.normal(size=(n, m)))
    return spanning(radius * direction / np.linalg.norm(direction, axis=1, keepdims=True))


class PymooSelection:
    """pymoo's survival with the interface of ours."""

    def __init__(self, directions: np.ndarray) -> None:
        nsga3 = pytest.importorskip("pymoo.algorithms.moo.nsga3", reason="pymoo is part of the `test` extra")
        self.survival = nsga3.ReferenceDirectionSurvival(directions)

    def select(self, values: np.ndarray, count: int, seed: int) -> np.ndarray:
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem

        rows = Population.new("F", values, "X", np.arange(len(values))[:, None])
        problem = Problem(n_var=1, n_obj=values.shape[1])
        random = np.random.default_rng(seed)
        survivors = self.survival.do(problem, rows, n_survive=count, random_state=random)
        return survivors.get("X")[:, 0]


@pytest.mark.parametrize(
    ("kind", "n", "m", "partitions", "count"),
    [("sphere", 60, 3, 5, 30), ("cube", 80, 3, 4, 20), ("sphere", 70, 4, 3, 35), ("sphere", 60, 2, 3, 20)],
)
def test_equals_pymoo_up_to_random_choices(kind: str, n: int, m: int, partitions: int, count: int) -> None:
    directions = reference_directions(m, partitions)
    before, values = population(kind, n, m, 1), population(kind, n, m, 2)
    draws = 150
    frequency = {}
    for library in (PymooSelection, ReferenceSelection):
        chosen = np.zeros((2, n))
        for seed in range(draws):
            selection = library(directions)
            chosen[0, selection.select(before, count, seed)] += 1
            chosen[1, selection.select(values, count, seed)] += 1  # with the extreme points of `before`
        frequency[library] = chosen / draws
    ours, theirs = frequency[ReferenceSelection], frequency[PymooSelection]
    # What is certain in one is certain in the other; the rest is drawn as often, to 4 standard errors.
    np.testing.assert_array_equal(ours == 1, theirs == 1)
    np.testing.assert_array_equal(ours == 0, theirs == 0)
    np.testing.assert_allclose(ours, theirs, atol=4 * np.sqrt(2 * 0.25 / draws))
    assert ((ours > 0) & (ours < 1)).any()


@given(
    arrays(np.float64, st.tuples(st.integers(0, 30), st.integers(1, 4)), elements=SPECIAL),
    st.integers(0, 35),
    st.integers(0, 2**64 - 1),
)
def test_survivors_are_the_best_fronts_and_failures_come_last(
    values: np.ndarray, count: int, seed: int
) -> None:
    n, m = values.shape
    selection = ReferenceSelection(reference_directions(m, 3))
    survivors = selection.select(values, count, seed)
    assert survivors.dtype == np.int64
    assert len(set(survivors.tolist())) == len(survivors) == min(count, n)
    fails = ~np.isfinite(values).all(axis=1)
    fronts = pareto.nondominated_sort(np.where(fails[:, None], np.nan, values))
    assert fronts[survivors].tolist() == sorted(fronts)[: len(survivors)]
    again = ReferenceSelection(reference_directions(m, 3)).select(values, count, seed)
    np.testing.assert_array_equal(survivors, again)


@given(st.integers(0, 1000), st.lists(st.integers(-40, 40), min_size=3, max_size=3))
def test_units_and_directions_of_objectives_do_not_matter(seed: int, powers: list[int]) -> None:
    values = np.random.default_rng(seed).integers(0, 64, (40, 3)).astype(np.float64)
    directions = reference_directions(3, 4)
    expected = ReferenceSelection(directions).select(values, 15, seed)
    scaled = values * 2.0 ** np.array(powers)
    np.testing.assert_array_equal(ReferenceSelection(directions * 4).select(scaled, 15, seed), expected)
    flags = [True, False, True]
    flipped = np.where(flags, -scaled, scaled)
    selection = ReferenceSelection(directions, maximize=flags)
    np.testing.assert_array_equal(selection.select(flipped, 15, seed), expected)


def test_every_direction_that_has_a_member_keeps_its_nearest() -> None:
    directions = reference_directions(3, 6)
    near = np.abs(np.random.default_rng(0).normal(size=(len(directions), 3))) * 1e-3
    exact = directions + 1e-9  # the corners are extremes: the scale is that of the directions
    values = np.vstack([directions + near, exact])
    survivors = ReferenceSelection(directions).select(values, len(directions), 0)
    assert sorted(survivors) == list(range(len(directions), 2 * len(directions)))


def test_the_scale_remembers_ideal_and_extreme_points() -> None:
    corners, values = [[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.3], [0.3, 0.5], [0.4, 0.4]]

    def survivor(generations: list[list[list[float]]], seed: int) -> int:
        selection = ReferenceSelection([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        return [int(selection.select(rows, 1, seed)[0]) for rows in generations][-1]

    # Alone they span the scale, and each is the only one of its direction.
    assert {survivor([values], seed) for seed in range(30)} == {0, 1, 2}
    # On the scale of the corners all belong to the middle, and the last is nearest.
    assert {survivor([corners, values], seed) for seed in range(30)} == {2}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ReferenceSelection([1.0, 2.0]), ValueError, r"shape \[number, m\] with .*got \[2\]"),
        (lambda: ReferenceSelection(np.empty((0, 2))), ValueError, r"number >= 1 .*got \[0, 2\]"),
        (lambda: ReferenceSelection(np.empty((2, 0))), ValueError, r"m >= 1, got \[2, 0\]"),
        (lambda: ReferenceSelection([[1.0, -1.0]]), ValueError, "at least 0, got -1.* in row 0"),
        (lambda: ReferenceSelection([[1.0, 0.0], [np.nan, 0]]), ValueError, "got nan in row 1"),
        (lambda: ReferenceSelection([[np.inf, 0]]), ValueError, "finite .*got inf in row 0"),
        (lambda: ReferenceSelection([[1.0, 0.0], [0.0, 0.0]]), ValueError, "positive coordinate.* row 1"),
        (lambda: ReferenceSelection([["a"]]), TypeError, "directions must be float64"),
        (lambda: ReferenceSelection([[1.0, 1.0]], maximize=[True]), ValueError, "maximize must have shape"),
        (
            lambda: ReferenceSelection([[1.0, 1.0]]).select([[1.0]], 1, 0),
            ValueError,
            r"\[n, 2\].*got \[1, 1\]",
        ),
        (lambda: ReferenceSelection([[1.0]]).select([[1.0]], -1, 0), ValueError, "count must be .*got -1"),
        (lambda: ReferenceSelection([[1.0]]).select([[1.0]], 1, -1), ValueError, "seed must be .*got -1"),
    ],
)
def test_bad_arguments_are_named(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
