"""Stages: when they open, what they open, and schedules that cannot be meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.progressive import ProgressiveSchedule, Stage


@dataclass(frozen=True)
class Restricted:
    """Remembers how it was restricted."""

    max_depth: float | None = None
    max_width: float | None = None
    operations: tuple[str, ...] | None = None

    def restrict(
        self,
        max_depth: float | None = None,
        max_width: float | None = None,
        operations: Sequence[str] | None = None,
    ) -> Restricted:
        if operations is not None and "conv" not in operations:
            raise ValueError("restrict: unknown operation")
        return Restricted(max_depth, max_width, None if operations is None else tuple(operations))


SPACE = Restricted()


def test_stages_open_in_turn() -> None:
    stages = [
        Stage(until=0.25, max_depth=2, operations=("conv",)),
        Stage(until=0.5, max_depth=3),
        Stage(until=1.0),
    ]
    schedule = ProgressiveSchedule(SPACE, stages, trials=10)
    assert [schedule.stage_of(t) for t in range(10)] == [0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
    assert schedule.space_of(0) == Restricted(max_depth=2, operations=("conv",))
    assert schedule.space_of(1) == Restricted(max_depth=3)
    assert schedule.space_of(2) is SPACE


@given(
    ends=st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True).map(sorted),
    trials=st.integers(100, 1000),
)
def test_stage_of_never_goes_back_and_every_stage_lasts(ends: list[int], trials: int) -> None:
    stages = [Stage(until=end / 100) for end in ends] + [Stage(until=1.0)]
    schedule = ProgressiveSchedule(Restricted(), stages, trials)
    seen = [schedule.stage_of(t) for t in range(trials)]
    assert seen == sorted(seen)
    assert set(seen) == set(range(len(stages)))
    for stage, end in enumerate(ends):
        assert abs(sum(s <= stage for s in seen) - end / 100 * trials) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": 0.0}, r"until must be a number in \(0, 1\], got 0.0"),
        ({"until": 1.5}, "until must be"),
        ({"until": float("nan")}, "until must be"),
        ({"until": "half"}, "until must be"),
        ({"until": 1.0, "max_depth": "2"}, "max_depth must be a finite number"),
        ({"until": 1.0, "max_width": float("nan")}, "max_width must be a finite number"),
        ({"until": 1.0, "operations": "conv"}, "operations must be a list of names"),
        ({"until": 1.0, "operations": [1]}, "operations must be a list of names"),
        ({"until": 1.0, "operations": []}, "at least one operation"),
    ],
)
def test_wrong_stages(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Stage(**options)


@pytest.mark.parametrize(
    ("stages", "trials", "message"),
    [
        ([], 10, "at least one stage"),
        ([{"until": 1.0}], 10, r"stages\[0\] must be a Stage"),
        ([Stage(1.0)], 0, "trials must be a positive int"),
        ([Stage(1.0)], 10.0, "trials must be a positive int"),
        ([Stage(0.5)], 10, r"stages\[0\].until must be 1.0"),
        ([Stage(0.6), Stage(0.5), Stage(1.0)], 10, r"stages\[1\].until must be larger than 0.6"),
        ([Stage(0.01), Stage(1.0)], 10, r"stages\[0\] gets no trial"),
        ([Stage(0.99), Stage(1.0)], 10, r"stages\[1\] gets no trial"),
        ([Stage(0.5, max_depth=3), Stage(1.0, max_depth=2)], 10, r"stages\[1\].max_depth must not shrink"),
        ([Stage(0.5), Stage(1.0, max_width=2)], 10, r"stages\[1\].max_width must not shrink: None"),
        (
            [Stage(0.5, operations=("conv", "skip")), Stage(1.0, operations=("conv",))],
            10,
            r"stages\[1\].operations must contain .* closes skip",
        ),
        ([Stage(0.5), Stage(1.0, operations=("conv",))], 10, "all operations are open in the stage before"),
        ([Stage(0.5, operations=("pool",)), Stage(1.0)], 10, r"stages\[0\]: restrict: unknown operation"),
    ],
)
def test_wrong_schedules(stages: Any, trials: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        ProgressiveSchedule(SPACE, stages, trials)


def test_trials_and_stages_outside_the_schedule() -> None:
    schedule = ProgressiveSchedule(SPACE, [Stage(1.0)], trials=10)
    with pytest.raises(ValueError, match=r"trial must be in \[0, 10\), got 10"):
        schedule.stage_of(10)
    with pytest.raises(ValueError, match=r"stage must be in \[0, 1\), got -1"):
        schedule.space_of(-1)
