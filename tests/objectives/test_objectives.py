"""Objectives: directions, values, violations, and every way to get them wrong."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas import objectives

METRICS = {"accuracy": 0.9, "latency_ms": 4.0, "energy_mj": 2.0, "macs": 1e6, "params": 100}
NUMBERS = st.floats(-1e6, 1e6)


@given(accuracy=st.floats(0, 1), latency=st.floats(0, 1e3), weight=st.floats(0, 10))
def test_weighted_is_the_negated_score(accuracy: float, latency: float, weight: float) -> None:
    objective = objectives.Weighted(accuracy=1.0, latency_ms=weight)
    values = objective.values({"accuracy": accuracy, "latency_ms": latency})
    assert values == pytest.approx((weight * latency - accuracy,))
    assert objective.violation({}) == 0
    assert objective.names == ("weighted",)
    assert objective.metrics == ("accuracy", "latency_ms")
    assert objective.limits == {}


def test_weighted_takes_directions_of_unknown_metrics() -> None:
    objective = objectives.Weighted(directions={"f1": "maximize"}, f1=2.0, loss=1.0)
    assert objective.directions == {"f1": "maximize", "loss": "minimize"}
    assert objective.values({"f1": 0.5, "loss": 0.25}) == (-0.75,)


@given(up=NUMBERS, down=NUMBERS)
def test_pareto_minimises_everything_in_the_order_of_names(up: float, down: float) -> None:
    objective = objectives.Pareto(maximize=["f1"], minimize=["latency_ms"])
    assert objective.values({"latency_ms": down, "f1": up, "other": math.nan}) == (-up, down)
    assert objective.names == objective.metrics == ("f1", "latency_ms")
    assert objective.directions == {"f1": "maximize", "latency_ms": "minimize"}


@given(
    accuracy=st.floats(0, 1), latency=st.floats(0, 1e3), floor=st.floats(0.01, 1), ceiling=st.floats(0.1, 1e3)
)
def test_violation_is_the_sum_of_relative_excess(
    accuracy: float, latency: float, floor: float, ceiling: float
) -> None:
    objective = objectives.Constrained(
        objectives.Weighted(accuracy=1.0), limits={"latency_ms": ceiling, "accuracy": floor}
    )
    metrics = {"accuracy": accuracy, "latency_ms": latency}
    expected = max(0, floor - accuracy) / floor + max(0, latency - ceiling) / ceiling
    assert objective.violation(metrics) == pytest.approx(expected)
    assert (objective.violation(metrics) == 0) == (accuracy >= floor and latency <= ceiling)
    assert objective.values(metrics) == (-accuracy,)
    assert objective.metrics == ("accuracy", "latency_ms")
    assert objective.limits == {"latency_ms": ceiling, "accuracy": floor}


def test_limits_of_zero_and_of_unknown_metrics() -> None:
    objective = objectives.Constrained(
        objectives.Pareto(maximize=["accuracy"]),
        limits={"drift": 0.0},
        directions={"drift": "minimize"},
    )
    assert objective.violation({"drift": 0.5}) == 0.5
    assert objective.violation({"drift": -0.5}) == 0
    assert objective.directions == {"accuracy": "maximize", "drift": "minimize"}


def test_numpy_numbers_are_metrics() -> None:
    metrics = {"accuracy": np.float32(0.5), "params": np.int64(7)}
    assert objectives.Pareto(["accuracy"], ["params"]).values(metrics) == (-0.5, 7.0)


@pytest.mark.parametrize("kind", objectives.available())
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_is_named(kind: str, value: float) -> None:
    objective = _example(kind)
    with pytest.raises(ValueError, match="metric 'accuracy' must be finite, got"):
        objective.values({**METRICS, "accuracy": value})


@pytest.mark.parametrize("kind", objectives.available())
def test_a_missing_metric_is_named_with_its_nearest(kind: str) -> None:
    metrics = {k: v for k, v in METRICS.items() if k != "accuracy"}
    with pytest.raises(ValueError, match=r"metric 'accuracy' is missing \(did you mean acuracy\?\)"):
        _example(kind).values({**metrics, "acuracy": 0.5})


def test_a_missing_limited_metric_is_named() -> None:
    with pytest.raises(ValueError, match=r"metric 'latency_ms' is missing \(have: accuracy\)"):
        _example("constrained").violation({"accuracy": 0.5})


@pytest.mark.parametrize("value", ["0.9", None, [0.9], True])
def test_a_metric_that_is_not_a_number_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match="metric 'accuracy' must be a number"):
        objectives.Weighted(accuracy=1.0).values({"accuracy": value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "at least one metric"),
        ({"accuracy": 0.0}, "at least one weight must be positive"),
        ({"accuracy": -1.0}, "weight of 'accuracy' must be >= 0"),
        ({"accuracy": math.nan}, "weight of 'accuracy' must be finite"),
        ({"accuracy": "high"}, "weight of 'accuracy' must be a number"),
        ({"latency": 1.0}, r"unknown metric 'latency' \(did you mean latency_ms\?\)"),
        ({"banana": 1.0}, r"unknown metric 'banana' \(known: accuracy"),
        ({"accuracy": 1.0, "directions": {"accuracy": "up"}}, "must be 'maximize' or 'minimize', got 'up'"),
        ({"accuracy": 1.0, "directions": {"f1": "maximize"}}, "'f1', which has no weight"),
        ({"accuracy": 1.0, "directions": "maximize"}, "must map metric names"),
    ],
)
def test_wrong_weights(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        objectives.Weighted(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "both empty"),
        ({"maximize": "accuracy"}, "must be a list of metric names, got 'accuracy'"),
        ({"maximize": 3}, "must be a list of metric names"),
        ({"maximize": [""]}, "non-empty strings"),
        ({"minimize": [3]}, "non-empty strings"),
        ({"maximize": ["accuracy", "accuracy"]}, "names 'accuracy' twice"),
        ({"maximize": ["accuracy"], "minimize": ["accuracy"]}, "in maximize and in minimize"),
    ],
)
def test_wrong_metric_lists(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        objectives.Pareto(**options)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "at least one metric"),
        ([], "at least one metric"),
        ({"latency_ms": math.nan}, "limit of 'latency_ms' must be finite"),
        ({"latency_ms": math.inf}, "limit of 'latency_ms' must be finite"),
        ({"latency_ms": "fast"}, "limit of 'latency_ms' must be a number"),
        ({"latency_ms": -1.0}, "limit of 'latency_ms' must be > 0, got -1.0"),
        ({"params": 0}, "limit of 'params' must be > 0"),
        ({"accuracy": 93.0}, r"limit of 'accuracy' must be in \[0, 1\] \(a share, not percent\), got 93.0"),
        ({"accuracy": -0.1}, "limit of 'accuracy' must be in"),
        ({"loss": -1}, "limit of 'loss' must be >= 0"),
        ({"latencyms": 1.0}, r"unknown metric 'latencyms' \(did you mean latency_ms\?\)"),
    ],
)
def test_impossible_limits(limits: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        objectives.Constrained(objectives.Weighted(accuracy=1.0), limits)


def test_constrained_takes_one_objective_and_directions_that_are_needed() -> None:
    inner = objectives.Constrained(objectives.Weighted(accuracy=1.0), {"macs": 1e6})
    with pytest.raises(TypeError, match="must be a Weighted or Pareto objective"):
        objectives.Constrained(inner, {"params": 1e6})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="already holds the direction of 'accuracy'"):
        objectives.Constrained(
            objectives.Weighted(accuracy=1.0), {"accuracy": 0.5}, directions={"accuracy": "minimize"}
        )
    with pytest.raises(ValueError, match="'f1', which has no limit"):
        objectives.Constrained(
            objectives.Weighted(accuracy=1.0), {"macs": 1e6}, directions={"f1": "maximize"}
        )


def test_create_makes_every_kind() -> None:
    assert objectives.available() == ["weighted", "pareto", "constrained"]
    assert isinstance(objectives.create("weighted", accuracy=1.0), objectives.Weighted)
    assert isinstance(objectives.create("pareto", maximize=["accuracy"]), objectives.Pareto)
    inner = {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["latency_ms"]}
    constrained = objectives.create("constrained", objective=inner, limits={"macs": 1e6})
    assert isinstance(constrained, objectives.Constrained)
    assert constrained.metrics == ("accuracy", "latency_ms", "macs")
    again = objectives.create("constrained", objective=objectives.Pareto(["accuracy"]), limits={"macs": 1})
    assert again.names == ("accuracy",)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("paretto", {}, "unknown kind 'paretto' (did you mean pareto?) (allowed: weighted, pareto"),
        (None, {}, "unknown kind None"),
        ("pareto", {"maximise": []}, "pareto has no option 'maximise' (did you mean maximize?)"),
        ("constrained", {"objective": {"kind": "pareto"}}, "constrained needs the option 'limits'"),
        ("constrained", {"limits": {}}, "constrained needs the option 'objective'"),
        ("constrained", {"objective": {}, "limits": {}}, "needs a 'kind'"),
    ],
)
def test_create_names_what_is_wrong(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        objectives.create(kind, **options)


def _example(kind: str) -> objectives.Weighted | objectives.Pareto | objectives.Constrained:
    options: dict[str, dict[str, Any]] = {
        "weighted": {"accuracy": 1.0, "latency_ms": 0.1},
        "pareto": {"maximize": ["accuracy"], "minimize": ["latency_ms"]},
        "constrained": {"objective": {"kind": "weighted", "accuracy": 1.0}, "limits": {"latency_ms": 5.0}},
    }
    return objectives.create(kind, **options[kind])
