"""A resumed run keeps its config."""

from __future__ import annotations

from typing import Any

import pytest

from efficient_nas.errors import ConfigError
from efficient_nas.recipes.config import parse
from efficient_nas.recipes.resuming import check_unchanged

CONFIG: dict[str, Any] = {
    "seed": 1,
    "space": {"name": "x", "depths": [1, 2]},
    "budget": {"trials": 10, "seconds": 5.0},
    "execution": {"workers": 2, "timeout_seconds": 9.0},
}


def changed(**sections: Any) -> dict[str, Any]:
    return parse({**CONFIG, **sections}).resolved()


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"budget": {"trials": 11, "seconds": 5.0}},
        {"budget": {"trials": 10}},
        {"execution": {"workers": 0}},
        {"execution": {"workers": 8, "timeout_seconds": 1.0}},
    ],
)
def test_what_may_change(sections: dict[str, Any]) -> None:
    check_unchanged(changed(), changed(**sections))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"seed": 2}, "seed: was 1 in this run, got 2; a resumed run keeps its config"),
        ({"space": {"name": "y", "depths": [1, 2]}}, "space.name: was 'x' in this run, got 'y'"),
        ({"space": {"name": "x", "depths": [1]}}, "space.depths: was [1, 2] in this run, got [1]"),
        ({"space": {"name": "x"}}, "space.depths: was [1, 2] in this run, got absent"),
        ({"budget": {"trials": 9, "seconds": 5.0}}, "budget.trials: was 10 in this run, got 9"),
        ({"budget": {"trials": 9, "seconds": 5.0}}, "may raise its budget, not lower it"),
        ({"budget": {"trials": 10, "seconds": 5.0, "epochs": 3}}, "budget.epochs: was absent"),
        ({"execution": {"workers": 2, "parallelism": 2}}, "execution.parallelism: was 4 in this run, got 2"),
        ({"control_arms": ["random"]}, "control_arms: was [] in this run, got ['random']"),
        ({"devices": ["cpu"]}, "devices: was [] in this run, got ['cpu']"),
        ({"progressive": {"stages": [{"until": 1.0}]}}, "progressive.stages: was absent in this run"),
    ],
)
def test_what_may_not(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_unchanged(changed(), changed(**sections))
    assert message in str(error.value)
