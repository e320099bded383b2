"""The front and the finalists that are chosen from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.objectives import Constrained, Pareto, Weighted
from efficient_nas.recipes.choosing import choose, front
from efficient_nas.types import Trial, TrialStatus

TWO = Pareto(maximize=["accuracy"], minimize=["latency_ms"])


def trial(number: int, accuracy: float | None, latency: float = 1.0) -> Trial:
    failed = accuracy is None
    return Trial(
        "main", number, 0, "random", np.zeros(2, np.uint8), str(number), number,
        TrialStatus.FAILED if failed else TrialStatus.COMPLETED,
        "broken" if failed else None,
        {} if accuracy is None else {"accuracy": accuracy, "latency_ms": latency},
        1.0,
    )  # fmt: skip


POINTS = st.lists(st.tuples(st.none() | st.integers(0, 9), st.integers(1, 9)), max_size=25)


def trials_of(points: list[tuple[int | None, int]]) -> list[Trial]:
    return [trial(i, None if a is None else a / 10, float(b)) for i, (a, b) in enumerate(points)]


@given(POINTS)
def test_front_is_what_nothing_dominates(points: list[tuple[int | None, int]]) -> None:
    found = front(trials_of(points), TWO)
    done = [i for i, (a, _) in enumerate(points) if a is not None]
    values = {i: (-(points[i][0] or 0), points[i][1]) for i in done}
    dominated = {
        i for i in done for j in done if values[j] != values[i] and all(map(int.__le__, values[j], values[i]))
    }
    assert sorted(found) == [i for i in done if i not in dominated]
    assert [values[i] for i in found] == sorted(values[i] for i in found)


@given(POINTS, st.integers(0, 8))
def test_chosen_are_distinct_and_prefer_the_front(points: list[tuple[int | None, int]], top: int) -> None:
    trials = trials_of(points)
    chosen, members = choose(trials, TWO, top), front(trials, TWO)
    assert len(set(chosen)) == len(chosen) == min(top, sum(a is not None for a, _ in points))
    assert set(chosen) <= set(members) or set(members) <= set(chosen)
    if chosen:
        assert chosen[0] == members[0]


def test_choice_spreads_over_the_front() -> None:
    # Nine points crowd at the accurate end; a choice of three must not take them all there.
    crowd = [(0.90 - i * 0.001, 9.0 - i * 0.01) for i in range(9)]
    trials = [trial(i, *point) for i, point in enumerate([*crowd, (0.7, 4.0), (0.2, 1.0)])]
    assert choose(trials, TWO, 3) == [0, 9, 10]


def test_one_objective_takes_the_best_in_order() -> None:
    trials = [trial(i, accuracy) for i, accuracy in enumerate([0.2, 0.9, None, 0.5, 0.8])]
    assert choose(trials, Weighted(accuracy=1.0), 3) == [1, 4, 3]
    assert front(trials, Weighted(accuracy=1.0)) == [1]


@pytest.mark.parametrize(("limit", "expected"), [(5.0, [1, 2]), (1.0, [2]), (0.5, [])])
def test_constraints_come_first(limit: float, expected: list[int]) -> None:
    objective: Any = Constrained(TWO, limits={"latency_ms": limit})
    trials = [trial(0, 0.9, 8.0), trial(1, 0.7, 4.0), trial(2, 0.3, 1.0)]
    assert front(trials, objective) == expected == choose(trials, objective, 3)


def test_nothing_completed() -> None:
    assert front([trial(0, None)], TWO) == [] == choose([trial(0, None)], TWO, 3)
