"""Curves say what the front of the trials so far is worth, for every arm on the same scale."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas import pareto
from efficient_nas.reports import ReportData
from efficient_nas.reports.progress import progress

numbers = st.floats(-1e3, 1e3).map(lambda v: round(v, 3)) | st.just(float("nan"))


def data(
    main: list[tuple[float, float]], control: list[tuple[float, float]], limits: dict[str, float]
) -> ReportData:
    """Trials of two arms with metrics a (to maximise) and b (to minimise); NaN is a failed trial."""
    rows = [
        {
            "arm": arm,
            "trial": i,
            "stage": 0,
            "origin": "test",
            "architecture": str(i),
            "status": "failed" if np.isnan([a, b]).any() else "completed",
            "reason": None,
            "seconds": 0.5 + i,
            "a": a,
            "b": b,
        }
        for arm, values in (("main", main), ("random", control))
        for i, (a, b) in enumerate(values)
    ]
    frame = pd.DataFrame(rows)
    directions = {"a": "maximize", "b": "minimize"}
    return ReportData("t", {}, {}, {}, directions, limits, frame, [], ["random"], [])


arms = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=15)


@given(arms, arms, st.none() | st.floats(-500, 500))
def test_hypervolume_is_that_of_the_trials_so_far(
    main: list[tuple[float, float]], control: list[tuple[float, float]], bound: float | None
) -> None:
    limits = {} if bound is None else {"b": bound}
    result = progress(data(main, control, limits))
    usable = {
        arm: [v if not np.isnan(v).any() and (bound is None or v[1] <= bound) else None for v in values]
        for arm, values in (("main", main), ("random", control))
    }
    if not any(v for values in usable.values() for v in values):
        assert result is None
        return
    assert result is not None
    ideal = np.array([-result.ideal["a"], result.ideal["b"]])
    reference = np.array([-result.reference["a"], result.reference["b"]])
    assert (ideal < reference).all()
    for curve in result.curves:
        values = usable[curve.arm]
        assert curve.trials[-1] == len(values)
        assert curve.trials == sorted(set(curve.trials))
        assert curve.seconds == pytest.approx([sum(0.5 + i for i in range(n)) for n in curve.trials])
        for count in range(1, len(values) + 1):
            points = [v for v in values[:count] if v]
            if not points:
                assert curve.at(count) is None
                continue
            costs = np.array(points) * [-1, 1]
            inside = costs[(costs < reference).all(axis=1)]
            expected = 0.0
            if len(inside):
                expected = pareto.hypervolume((inside - ideal) / (reference - ideal), np.ones(2))
            assert curve.at(count) == pytest.approx(expected, abs=1e-12)
            assert 0 <= expected <= 1 + 1e-9


@given(arms, st.sampled_from(["maximize", "minimize"]))
def test_one_objective_shows_the_best_so_far(values: list[tuple[float, float]], direction: str) -> None:
    base = data(values, values[:1], {})
    single = ReportData("t", {}, {}, {}, {"a": direction}, {}, base.trials, [], ["random"], [])
    result = progress(single)
    best = max if direction == "maximize" else min
    done = [a if not np.isnan([a, b]).any() else None for a, b in values]
    if all(v is None for v in done):
        assert result is None
        return
    assert result is not None and result.metric == "a" and result.minimize == (direction == "minimize")
    main = next(c for c in result.curves if c.arm == "main")
    for count in range(1, len(done) + 1):
        known = [v for v in done[:count] if v is not None]
        assert main.at(count) == (best(known) if known else None)


def test_all_arms_share_one_box() -> None:
    result = progress(data([(0.5, 2.0)], [(0.9, 3.0), (0.1, 1.0)], {}))
    assert result is not None
    assert result.ideal == {"a": 0.9, "b": 1.0}
    assert result.reference["a"] == pytest.approx(0.1 - 0.08)
    assert result.reference["b"] == pytest.approx(3.2)
    assert result.curves[0].values[-1] == pytest.approx((0.48 / 0.88) * (1.2 / 2.2))


def test_a_front_of_one_point_is_measured_from_the_worst_trial() -> None:
    result = progress(data([(0.5, 3.0), (0.9, 1.0)], [], {}))
    assert result is not None
    assert result.reference == {"a": 0.5, "b": 3.0}
    assert result.curves[0].values == [0.0, 1.0]
