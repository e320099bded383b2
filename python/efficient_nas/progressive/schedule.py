"""Which part of a search space is open at which trial."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol


class RestrictableSpace(Protocol):
    """The part of `spaces.Space` that a schedule needs."""

    def restrict(
        self,
        max_depth: float | None = None,
        max_width: float | None = None,
        operations: Sequence[str] | None = None,
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: how long it lasts and which part of the space it opens.

    until: the share of the trials at which it ends, in (0, 1]; the last stage has 1.0.
    max_depth, max_width: largest option of the space's depth and width choices; None leaves them open.
    operations: names of the open operations; None opens all.
    """

    until: float
    max_depth: float | None = None
    max_width: float | None = None
    operations: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.until) or not 0 < self.until <= 1:
            raise ValueError(f"Stage: until must be a number in (0, 1], got {self.until!r}")
        for name in ("max_depth", "max_width"):
            value = getattr(self, name)
            if value is not None and (not _is_number(value) or not math.isfinite(value)):
                raise ValueError(f"Stage: {name} must be a finite number or None, got {value!r}")
        if self.operations is not None:
            if isinstance(self.operations, str) or not all(isinstance(o, str) for o in self.operations):
                raise TypeError(f"Stage: operations must be a list of names or None, got {self.operations!r}")
            if not self.operations:
                raise ValueError("Stage: operations must name at least one operation, or be None for all")
            object.__setattr__(self, "operations", tuple(self.operations))

    @property
    def limits(self) -> dict[str, Any]:
        """The options of `Space.restrict` that this stage sets; empty when the whole space is open."""
        options = {"max_depth": self.max_depth, "max_width": self.max_width, "operations": self.operations}
        return {name: value for name, value in options.items() if value is not None}


class ProgressiveSchedule:
    """A growing sequence of restricted spaces over a budget of trials.

    space: the whole space. stages: at least one, by increasing `until`, each containing the one before.
    trials: the budget; stage i ends before trial round(until_i * trials).
    Every stage must last at least one trial. A search that runs out of architectures in one stage goes on
    to the next.
    """

    def __init__(self, space: RestrictableSpace, stages: Sequence[Stage], trials: int) -> None:
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
            raise ValueError(f"ProgressiveSchedule: trials must be a positive int, got {trials!r}")
        if not stages:
            raise ValueError("ProgressiveSchedule: stages must hold at least one stage")
        for index, stage in enumerate(stages):
            if not isinstance(stage, Stage):
                raise TypeError(f"ProgressiveSchedule: stages[{index}] must be a Stage, got {stage!r}")
        if stages[-1].until != 1:
            raise ValueError(
                f"ProgressiveSchedule: stages[{len(stages) - 1}].until must be 1.0 (the last stage ends "
                f"with the budget), got {stages[-1].until!r}"
            )
        self.stages = tuple(stages)
        self.trials = trials
        self._ends = [math.floor(stage.until * trials + 0.5) for stage in stages]
        for index in range(1, len(stages)):
            _check_growth(index, stages[index - 1], stages[index])
        for index, (begin, end) in enumerate(zip([0, *self._ends], self._ends, strict=False)):
            if end <= begin:
                raise ValueError(
                    f"ProgressiveSchedule: stages[{index}] gets no trial: {trials} trials are too few for "
                    f"until = {stages[index].until!r}"
                )
        self._spaces: list[Any] = []
        for index, stage in enumerate(stages):
            try:
                opened = space.restrict(**stage.limits) if stage.limits else space
            except ValueError as error:
                raise ValueError(f"ProgressiveSchedule: stages[{index}]: {error}") from error
            self._spaces.append(opened)

    def stage_of(self, trial: int) -> int:
        """The index of the stage that proposes trial number `trial`, 0 <= trial < trials."""
        if not 0 <= trial < self.trials:
            raise ValueError(f"stage_of: trial must be in [0, {self.trials}), got {trial}")
        return bisect_right(self._ends, trial)

    def space_of(self, stage: int) -> Any:
        """The space that stage number `stage` opens; the whole space where the stage sets no limit."""
        if not 0 <= stage < len(self.stages):
            raise ValueError(f"space_of: stage must be in [0, {len(self.stages)}), got {stage}")
        return self._spaces[stage]


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_growth(index: int, before: Stage, after: Stage) -> None:
    """Refuses stage `index` where it does not contain the one before (`restrict` is monotone)."""
    where = f"ProgressiveSchedule: stages[{index}]"
    if after.until <= before.until:
        raise ValueError(f"{where}.until must be larger than {before.until!r} before it, got {after.until!r}")
    for name in ("max_depth", "max_width"):
        small, large = getattr(before, name), getattr(after, name)
        if large is not None and (small is None or large < small):
            raise ValueError(f"{where}.{name} must not shrink: {small!r} before it, got {large!r}")
    if after.operations is not None and before.operations is None:
        raise ValueError(f"{where}.operations must be None: all operations are open in the stage before it")
    if after.operations is not None and before.operations is not None:
        closed = [name for name in before.operations if name not in after.operations]
        if closed:
            raise ValueError(
                f"{where}.operations must contain those of the stage before it; it closes {', '.join(closed)}"
            )
