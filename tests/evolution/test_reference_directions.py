"""Das-Dennis directions against their definition, and against pymoo where installed."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from efficient_nas.evolution import reference_directions


@pytest.mark.parametrize(
    ("objectives", "partitions"), [(1, 1), (1, 5), (2, 1), (2, 99), (3, 12), (4, 7), (5, 6), (8, 3), (15, 2)]
)
def test_is_the_grid_of_the_simplex_in_order(objectives: int, partitions: int) -> None:
    directions = reference_directions(objectives, partitions)
    assert directions.dtype == np.float64
    assert directions.shape == (comb(partitions + objectives - 1, partitions), objectives)
    steps = np.rint(directions * partitions).astype(int)
    np.testing.assert_array_equal(directions, steps / partitions)
    np.testing.assert_array_equal(steps.sum(axis=1), partitions)
    assert [tuple(row) for row in steps] == sorted({tuple(row) for row in steps})
    if objectives == 3:
        grid = [row for row in product(range(partitions + 1), repeat=3) if sum(row) == partitions]
        assert [tuple(row) for row in steps] == grid


@pytest.mark.parametrize(
    ("objectives", "outer", "inner"), [(3, 4, 3), (8, 3, 2), (2, 4, 2), (3, 3, 3), (4, 2, 1)]
)
def test_an_inner_layer_is_a_grid_of_half_the_size_without_what_is_there(
    objectives: int, outer: int, inner: int
) -> None:
    both = reference_directions(objectives, outer, inner)
    first = reference_directions(objectives, outer)
    np.testing.assert_array_equal(both[: len(first)], first)
    shrunk = (reference_directions(objectives, inner) + 1 / objectives) / 2
    missing = [row for row in shrunk if np.abs(first - row).max(axis=1).min() > 1e-12]
    np.testing.assert_allclose(both[len(first) :], np.reshape(missing, (-1, objectives)), atol=1e-15)
    np.testing.assert_allclose(both.sum(axis=1), 1.0)
    if (objectives, outer, inner) == (2, 4, 2):
        assert len(both) == 5  # every inner point is an outer one


@pytest.mark.parametrize(("objectives", "partitions"), [(2, 10), (3, 12), (4, 5), (6, 3)])
def test_equals_pymoo(objectives: int, partitions: int) -> None:
    ref_dirs = pytest.importorskip("pymoo.util.ref_dirs", reason="pymoo is part of the `test` extra")
    theirs = ref_dirs.get_reference_directions("das-dennis", objectives, n_partitions=partitions)
    ours = reference_directions(objectives, partitions)
    np.testing.assert_allclose(ours, theirs[np.lexsort(theirs.round(9).T[::-1])], atol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "objectives must be an integer >= 1, got 0"),
        ((3, 0), "partitions must be an integer >= 1, got 0"),
        ((3, -2), "partitions must be an integer >= 1, got -2"),
        ((3, 4, -1), "inner_partitions must be an integer >= 0, got -1"),
        ((3.0, 4), "objectives must be an integer >= 1, got 3.0"),
        ((3, True), "partitions must be an integer >= 1, got True"),
        ((40, 40), "40 and 0 partitions of 40 objectives are more than 10000000 directions"),
        ((3, 4, 10**7), "4 and 10000000 partitions of 3 objectives are more"),
        ((10**7, 1), "1 and 0 partitions of 10000000 objectives are more"),
        ((2, 2**62), "partitions must be between 1 and 10000000, got 4611686018427387904"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reference_directions(*arguments)
