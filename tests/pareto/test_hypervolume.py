"""Hypervolume against an exact grid decomposition, inclusion-exclusion, and moocore where installed."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pareto_reference as reference
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from efficient_nas import pareto


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    m = draw(st.integers(1, 5))
    shape = (draw(st.integers(0, 6 if m > 3 else 10)), m)
    values = draw(arrays(np.float64, shape, elements=st.integers(-4, 6).map(lambda i: i / 4)))
    return values, draw(arrays(np.float64, m, elements=st.sampled_from([0.5, 1.0, 1.25])))


@settings(deadline=None)
@given(problems())
def test_equals_the_exact_grid_decomposition(problem: tuple[np.ndarray, np.ndarray]) -> None:
    values, bound = problem
    # Quarters: every product and sum of the computation is exact in float64, so equality is exact.
    assert Fraction(pareto.hypervolume(values, bound)) == reference.hypervolume(values, bound)


def counted_cells(values: np.ndarray, side: int) -> int:
    """Hypervolume of integer values, the reference `side` everywhere: the cells that some row dominates."""
    inside = np.zeros((side,) * values.shape[1], dtype=bool)
    for row in values.astype(int):
        inside[tuple(slice(max(low, 0), None) for low in row)] = True
    return int(inside.sum())


@settings(deadline=None)
@given(st.data())
def test_equals_counted_cells_on_many_rows(data: st.DataObject) -> None:
    m, side = data.draw(st.sampled_from([(2, 30), (3, 12), (4, 7), (5, 5), (6, 4), (7, 3), (8, 3), (9, 3)]))
    n, seed = data.draw(st.integers(0, 120)), data.draw(st.integers(0, 2**32))
    flat = data.draw(st.integers(0, m - 1))  # so many objectives have one value: boxes of equal length
    values = np.random.default_rng(seed).integers(0, side + (m < 6), (n, m)).astype(np.float64)
    values[:, :flat] = values[:1, :flat]
    assert pareto.hypervolume(values, np.full(m, float(side))) == counted_cells(values, side)


@pytest.mark.parametrize("m", [4, 5])
def test_parts_much_smaller_than_the_bounding_box_are_exact(m: int) -> None:
    # Long and thin in different objectives: the volume is 1e-9 or less of the box around all of them.
    thin = 1.0 - 1e-4 * (1.0 + np.random.default_rng(m).random((8, m)))
    for i in range(len(thin)):
        thin[i, i % m] = i / 100
    exact = reference.hypervolume(thin, np.ones(m))
    assert pareto.hypervolume(thin, np.ones(m)) == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_equals_inclusion_exclusion(m: int) -> None:
    values = np.random.default_rng(m).random((9, m))
    total = 0.0
    for size in range(1, len(values) + 1):
        for subset in combinations(values, size):
            total -= (-1) ** size * np.prod(1.0 - np.max(subset, axis=0))
    assert pareto.hypervolume(values, np.ones(m)) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(500, 1), (500, 2), (500, 3), (500, 4), (200, 5), (60, 6), (30, 7)])
@pytest.mark.parametrize("kind", ["cube", "sphere", "grid"])
def test_equals_moocore(n: int, m: int, kind: str) -> None:
    moocore = pytest.importorskip("moocore", reason="moocore is part of the `test` extra")
    values = np.random.default_rng(n).random((n, m))
    if kind == "sphere":
        values = 1.0 - values / np.linalg.norm(values, axis=1, keepdims=True)
    if kind == "grid":
        values = np.round(values * 6) / 6
    bound = np.full(m, 1.1)
    expected = moocore.hypervolume(values, ref=bound)
    assert pareto.hypervolume(values, bound) == pytest.approx(expected, rel=1e-12)
    flipped = pareto.hypervolume(-values, -bound, maximize=[True] * m)
    assert flipped == pareto.hypervolume(values, bound)


@given(arrays(np.float64, (12, 3), elements=st.floats(0, 2)), st.permutations(range(12)))
def test_order_copies_and_dominated_points_do_not_matter(values: np.ndarray, order: list[int]) -> None:
    bound = np.ones(3)
    volume = pareto.hypervolume(values, bound)
    assert pareto.hypervolume(values[order], bound) == pytest.approx(volume, rel=1e-12)
    assert pareto.hypervolume(np.vstack([values, values]), bound) == pytest.approx(volume, rel=1e-12)
    front = values[pareto.is_nondominated(values)]
    assert pareto.hypervolume(front, bound) == pytest.approx(volume, rel=1e-12)


def test_a_new_nondominated_point_adds_exactly_its_own_part() -> None:
    values = np.array([[0.25, 0.5, 0.5, 0.5], [0.5, 0.25, 0.5, 0.5]])
    new = np.array([[0.5, 0.5, 0.25, 0.25]])
    before = pareto.hypervolume(values, np.ones(4))
    # Alone it dominates 0.5 * 0.5 * 0.75 * 0.75, of which the others hold 0.5 ** 4.
    assert pareto.hypervolume(np.vstack([values, new]), np.ones(4)) - before == 0.25 * 0.5625 - 0.0625


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_special_values(m: int) -> None:
    ones, row = np.ones(m), np.full(m, 0.5)
    assert pareto.hypervolume(np.empty((0, m)), ones) == 0.0
    assert pareto.hypervolume([row], ones) == 0.5**m
    on_the_edge, failed, worse = row.copy(), row.copy(), row.copy()
    on_the_edge[-1], failed[0], worse[0] = 1.0, np.nan, np.inf
    assert pareto.hypervolume([on_the_edge, failed, worse], ones) == 0.0
    assert pareto.hypervolume([row, on_the_edge, failed, worse], ones) == 0.5**m
    endless = row.copy()
    endless[0] = -np.inf
    assert pareto.hypervolume([row, endless], ones) == np.inf
    # Huge in one objective and tiny in the next: no overflow or underflow on the way.
    scale = np.array([1e300, 1e-300, 1e300, 1e-300, 1.0])[:m]
    assert pareto.hypervolume([-scale, -0.5 * scale], np.zeros(m)) == pytest.approx(np.prod(scale))


@pytest.mark.parametrize(
    ("values", "bound", "error", "message"),
    [
        ([[1.0, 2.0]], [1.0], ValueError, r"reference must have shape \[2\].*got \[1\]"),
        ([[1.0, 2.0]], 1.0, ValueError, r"reference must have shape \[2\].*got \[\]"),
        ([[1.0, 2.0]], [1.0, np.nan], ValueError, "reference must be finite, got nan at position 1"),
        ([[1.0, 2.0]], [np.inf, 1.0], ValueError, "reference must be finite, got inf at position 0"),
        ([[1.0, 2.0]], ["a", "b"], TypeError, "reference must be float64"),
        ([1.0, 2.0], [1.0, 1.0], ValueError, r"values must have shape \[n, m\]"),
    ],
)
def test_bad_arguments_are_named(values, bound, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pareto.hypervolume(values, bound)
