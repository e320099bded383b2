"""Data that does not fit is refused with the field's name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest


def test_missing_columns_are_named(make_report: Any) -> None:
    good = make_report()
    trials = good.trials.drop(columns=["origin", "seconds"])
    with pytest.raises(ValueError, match=r"trials lacks the columns \['origin', 'seconds'\]"):
        dataclasses.replace(good, trials=trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directions": {"accuracy": "up"}}, r"directions\['accuracy'\] must be one of"),
        ({"objectives": ["speed"]}, "objective 'speed' has no entry in directions"),
        ({"control_arms": []}, r"one arm that is not a control arm, got \['main', 'random'\]"),
        ({"axes": ["accuracy"]}, r"axes must be two columns of trials or empty, got \['accuracy'\]"),
        ({"axes": ["accuracy", "speed"]}, "axes must be two columns of trials"),
        ({"front": [10_000]}, "front names trial 10000"),
    ],
)
def test_wrong_fields_are_named(make_report: Any, changes: dict[str, Any], message: str) -> None:
    good = make_report()
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(good, **changes)


def test_an_unknown_status_is_named(make_report: Any) -> None:
    good = make_report()
    trials = good.trials.assign(status="running")
    with pytest.raises(ValueError, match=r"status of a trial must be one of .* got 'running'"):
        dataclasses.replace(good, trials=trials)
