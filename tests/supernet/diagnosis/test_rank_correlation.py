"""Kendall's tau against scipy, ties included, and its bootstrap interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.supernet.diagnosis import kendall, rank_correlation

stats = pytest.importorskip("scipy.stats")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40))
def test_tau_is_scipys_with_many_ties(pairs: list[tuple[int, int]]) -> None:
    a, b = zip(*pairs, strict=True)
    expected = stats.kendalltau(a, b).statistic
    found = kendall(a, b)
    assert math.isnan(found) if math.isnan(expected) else found == pytest.approx(expected, abs=1e-12)


def test_more_architectures_than_a_block() -> None:
    generator = np.random.default_rng(0)
    a = generator.normal(size=1500)
    b = np.round(a + generator.normal(size=1500), 1)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)


def test_the_interval_is_that_of_resampled_architectures() -> None:
    generator = np.random.default_rng(1)
    a = generator.normal(size=24)
    b = np.round(a + generator.normal(size=24), 1)
    found = rank_correlation(a, b, seed=5, resamples=2000, confidence=0.9)
    assert found.tau == kendall(a, b) and found.shared == tuple(a)
    rows = generator.integers(24, size=(2000, 24))
    taus = [stats.kendalltau(a[row], b[row]).statistic for row in rows]
    low, high = np.quantile(taus, [0.05, 0.95])
    # Bounds from two independent sets of 2,000 resamples differ by about 0.01.
    assert abs(found.low - low) < 0.04 and abs(found.high - high) < 0.04
    assert found == rank_correlation(a, b, seed=5, resamples=2000, confidence=0.9)
    assert found != rank_correlation(a, b, seed=6, resamples=2000, confidence=0.9)


def test_a_wide_interval_for_few_architectures_and_none_for_a_constant_score() -> None:
    few = rank_correlation([1, 2, 3, 4], [1, 3, 2, 4], seed=0)
    assert few.low < few.tau < few.high
    flat = rank_correlation([1, 1, 1], [1, 2, 3], seed=0)
    assert all(math.isnan(v) for v in (flat.tau, flat.low, flat.high))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 2], [1, 2, 3], r"shapes \[2\] and \[3\]"),
        ([1], [1], "n >= 2"),
        ([1, math.nan], [1, 2], "finite"),
    ],
)
def test_scores_that_do_not_fit(a: list[float], b: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kendall(a, b)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="resamples must be an int >= 1, got 0"):
        rank_correlation([1, 2], [1, 2], seed=0, resamples=0)
    with pytest.raises(ValueError, match="confidence must be a number > 0 and < 1, got 1"):
        rank_correlation([1, 2], [1, 2], seed=0, confidence=1)
