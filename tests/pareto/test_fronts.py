"""Fronts, crowding and ranks against their definitions, and against pymoo and moocore where installed."""

from __future__ import annotations

import numpy as np
import pareto_reference as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from efficient_nas import pareto

SPECIAL = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1.0, 2.0, 1e308, -1e308, 5e-324, np.inf, np.nan])


@st.composite
def value_arrays(draw: st.DrawFn, max_rows: int = 40) -> np.ndarray:
    shape = (draw(st.integers(0, max_rows)), draw(st.integers(1, 6)))
    return draw(arrays(np.float64, shape, elements=SPECIAL))


def grid(n: int, m: int, levels: int, seed: int = 0) -> np.ndarray:
    """Points on a coarse grid: many equal coordinates and equal rows."""
    return np.random.default_rng(seed).integers(0, levels, (n, m)).astype(np.float64)


@given(value_arrays())
def test_fronts_equal_the_definition(values: np.ndarray) -> None:
    fronts = pareto.nondominated_sort(values)
    assert fronts.dtype == np.int32
    np.testing.assert_array_equal(fronts, reference.nondominated_sort(values))
    has_nan = np.isnan(values).any(axis=1)
    np.testing.assert_array_equal(pareto.is_nondominated(values), (fronts == 0) & ~has_nan)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("levels", [2, 7, 10_000])
def test_fronts_of_sets_large_enough_to_be_divided(m: int, levels: int) -> None:
    values = grid(400, m, levels, seed=m)
    np.testing.assert_array_equal(pareto.nondominated_sort(values), reference.nondominated_sort(values))


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("kind", ["cube", "grid", "front", "chain", "infinite"])
def test_the_first_front_alone_is_that_of_the_sort(m: int, kind: str) -> None:
    random = np.random.default_rng(m)
    values = random.random((3000, m))
    if kind == "grid":
        values = np.floor(4 * values)
    if kind == "front":  # few are dominated, and only by few
        values = values / values.sum(axis=1, keepdims=True) + 0.01 * random.random((3000, 1))
    if kind == "chain":
        values = np.repeat(values[:, :1], m, axis=1)
    if kind == "infinite":
        values[random.random(values.shape) < 0.1] = -np.inf
        values[random.random(values.shape) < 0.1] = np.inf
    values[::7] = values[1::7][: len(values[::7])]  # equal rows
    values[5, 0] = np.nan
    expected = pareto.nondominated_sort(values) == 0
    np.testing.assert_array_equal(pareto.is_nondominated(values), expected)
    assert expected.any()


@pytest.mark.parametrize("m", [2, 3, 4, 5])
@pytest.mark.parametrize("levels", [3, 60, 10**6])
def test_fronts_equal_moocore_and_pymoo(m: int, levels: int) -> None:
    moocore = pytest.importorskip("moocore", reason="moocore is part of the `test` extra")
    pymoo = pytest.importorskip(
        "pymoo.util.nds.fast_non_dominated_sort", reason="pymoo is part of the `test` extra"
    )
    values = grid(5000, m, levels, seed=levels)
    fronts = pareto.nondominated_sort(values)
    np.testing.assert_array_equal(fronts, moocore.pareto_rank(values))
    np.testing.assert_array_equal(
        pareto.is_nondominated(values), moocore.is_nondominated(values, keep_weakly=True)
    )
    fronts = pareto.nondominated_sort(values[:300])
    for number, members in enumerate(pymoo.fast_non_dominated_sort(values[:300])):
        np.testing.assert_array_equal(np.flatnonzero(fronts == number), np.sort(members))


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_a_chain_has_as_many_fronts_as_points_and_an_antichain_one(m: int) -> None:
    chain = np.repeat(np.arange(1000.0)[:, None], m, axis=1)
    order = np.random.default_rng(m).permutation(1000)
    np.testing.assert_array_equal(pareto.nondominated_sort(chain[order]), order)
    if m > 1:
        antichain = chain.copy()
        antichain[:, 0] *= -1
        assert not pareto.nondominated_sort(antichain[order]).any()


@given(value_arrays(), st.randoms(use_true_random=False))
def test_fronts_and_crowding_follow_their_rows_through_a_shuffle(values: np.ndarray, random) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    np.testing.assert_array_equal(
        pareto.nondominated_sort(values)[order], pareto.nondominated_sort(values[order])
    )
    distinct = values[np.sort(np.unique(values, axis=0, return_index=True)[1])]
    order = list(range(len(distinct)))
    random.shuffle(order)
    # Sums over objectives are formed in the same order, so not even the rounding differs.
    np.testing.assert_array_equal(
        pareto.crowding_distance(distinct)[order], pareto.crowding_distance(distinct[order])
    )


@given(value_arrays(), st.data())
def test_maximising_is_minimising_the_negative(values: np.ndarray, data: st.DataObject) -> None:
    m = values.shape[1]
    flags = data.draw(st.lists(st.booleans(), min_size=m, max_size=m))
    flipped = np.where(flags, -values, values)
    expected = pareto.nondominated_sort(flipped)
    np.testing.assert_array_equal(pareto.nondominated_sort(values, maximize=flags), expected)
    np.testing.assert_array_equal(pareto.is_nondominated(values, flags), pareto.is_nondominated(flipped))
    np.testing.assert_array_equal(pareto.rank(values, maximize=flags), pareto.rank(flipped))
    np.testing.assert_array_equal(
        pareto.nondominated_sort(values, maximize=True), pareto.nondominated_sort(-values)
    )


@pytest.mark.parametrize("m", [2, 3, 5])
def test_crowding_equals_the_definition_and_pymoo(m: int) -> None:
    values = np.random.default_rng(m).random((200, m))
    distance = pareto.crowding_distance(values)
    np.testing.assert_allclose(distance, reference.crowding_distance(values), rtol=1e-12)
    crowding = pytest.importorskip(
        "pymoo.operators.survival.rank_and_crowding.metrics", reason="pymoo is part of the `test` extra"
    )
    # pymoo divides by the number of objectives.
    np.testing.assert_allclose(distance / m, crowding.calc_crowding_distance(values), rtol=1e-12)


def test_crowding_of_degenerate_fronts() -> None:
    inf, nan = np.inf, np.nan
    cases = [
        (np.empty((0, 2)), []),
        ([[3.0, 4.0]], [inf]),
        ([[3.0, 4.0], [4.0, 3.0]], [inf, inf]),
        ([[1.0, 2.0]] * 3, [inf, 0, 0]),
        ([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]], [inf, 2.0, inf]),
        ([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0], [1.0, 1.0]], [inf, 2.0, inf, 0.0]),
        ([[0.0, 2.0, 5.0], [1.0, 1.0, 5.0], [2.0, 0.0, 5.0]], [inf, 2.0, inf]),
        ([[0.0, 2.0], [nan, 1.0], [1.0, 1.0], [2.0, 0.0]], [inf, 0.0, 2.0, inf]),
        ([[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [inf, -inf]], [inf, 2.0, inf, inf]),
        ([[-1e308, 1e308], [0.0, 0.0], [1e308, -1e308]], [inf, 2.0, inf]),
        ([[0.0, 1e-323], [5e-324, 5e-324], [1e-323, 0.0]], [inf, 2.0, inf]),
        ([[-inf, 5e-324, 5e-324], [5e-324, 0.0, 5e-324], [5e-324, 5e-324, -inf]], [inf] * 3),
    ]
    for values, expected in cases:
        np.testing.assert_array_equal(pareto.crowding_distance(values), expected)


@st.composite
def populations(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = draw(value_arrays(max_rows=25))
    n = len(values)
    violation = draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, 1.0, np.inf])))
    return values, violation, draw(arrays(np.bool_, n))


@given(populations())
def test_rank_is_constrained_domination_then_crowding_then_index(
    population: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    values, violation, failed = population
    n = len(values)
    fails = failed | np.isnan(values).any(axis=1)
    keys: list[tuple[float, ...]] = [(0.0,)] * n
    for level in {float(v) for v in violation}:
        group = np.flatnonzero((violation == level) & ~fails)
        fronts = reference.nondominated_sort(values[group])
        for front in set(fronts.tolist()):
            members = group[fronts == front]
            for i, distance in zip(members, pareto.crowding_distance(values[members]), strict=True):
                keys[i] = (0.0, level, front, -distance, i)
    for i in np.flatnonzero(fails):
        keys[i] = (1.0, i)
    position = pareto.rank(values, violation, failed)
    assert position.dtype == np.int64
    assert np.argsort(position).tolist() == sorted(range(n), key=lambda i: keys[i])


def test_rank_defaults_to_feasible_and_finished() -> None:
    assert pareto.rank([[2.0], [1.0], [np.nan], [1.0]]).tolist() == [2, 0, 3, 1]
    assert pareto.rank(np.empty((0, 2))).tolist() == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pareto.nondominated_sort([1.0, 2.0]), ValueError, r"shape \[n, m\] with m >= 1, got \[2\]"),
        (lambda: pareto.is_nondominated(np.empty((3, 0))), ValueError, r"m >= 1, got \[3, 0\]"),
        (lambda: pareto.nondominated_sort([["a", "b"]]), TypeError, "must be float64"),
        (lambda: pareto.crowding_distance(np.ones((2, 2), complex)), TypeError, "dtype complex128"),
        (lambda: pareto.nondominated_sort(np.ones((2, 2), bool)), TypeError, "dtype bool"),
        (lambda: pareto.nondominated_sort([[None, 1.0]]), TypeError, "dtype object"),
        (
            lambda: pareto.nondominated_sort([[1.0, 2.0]], maximize=[True]),
            ValueError,
            r"maximize .*\[2\].*\[1\]",
        ),
        (
            lambda: pareto.nondominated_sort([[1.0, 2.0]], maximize=[1, 0]),
            TypeError,
            "maximize must be bools",
        ),
        (lambda: pareto.rank([[1.0]], violation=[0.0, 0.0]), ValueError, r"violation .*\[1\].*\[2\]"),
        (lambda: pareto.rank([[1.0]], violation=[-1.0]), ValueError, "violation must be at least 0, got -1"),
        (
            lambda: pareto.rank([[1.0]], violation=[np.nan]),
            ValueError,
            "violation must be at least 0, got nan",
        ),
        (lambda: pareto.rank([[1.0]], failed=[0.0]), TypeError, "failed must be bool"),
        (lambda: pareto.rank([[1.0]], failed=[True, False]), ValueError, r"failed .*\[1\].*\[2\]"),
    ],
)
def test_bad_arguments_are_named(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_any_layout_and_exact_dtype_is_accepted_and_left_alone() -> None:
    values = grid(50, 3, 10)
    expected = pareto.nondominated_sort(values)
    kept = values.copy()
    for same in (
        np.asfortranarray(values),
        values.astype(np.float32),
        values.astype(np.int32),
        values.tolist(),
    ):
        np.testing.assert_array_equal(pareto.nondominated_sort(same), expected)
    pareto.nondominated_sort(values, maximize=True)
    np.testing.assert_array_equal(values, kept)
