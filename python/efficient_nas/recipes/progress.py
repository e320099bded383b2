"""What a search tells about itself while it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from efficient_nas.execution import Budget
from efficient_nas.supernet import EpochRecord
from efficient_nas.types import Result, Trial, TrialStatus

Values = tuple[float, ...]


class Progress:
    """One phase of a search, updated in place.

    phase: `costs`, the name of an arm, or e.g. `finalist 1`. done, total: measurements, trials or epochs so
    far and in all (None if something else limits the phase). metrics: names worth showing of the best trial.
    failed: failed trials. best: the trial that leads in the objective's first value. front: the values of the
    non-dominated feasible trials. epoch: the latest of a supernet's training.
    """

    def __init__(
        self,
        phase: str,
        total: int | None = None,
        budget: Budget | None = None,
        metrics: Sequence[str] = (),
        already: int = 0,
        elapsed: float = 0.0,
    ) -> None:
        self.phase, self.total, self.budget = phase, total, budget
        self.metrics = tuple(metrics)
        self.done = self.failed = 0
        self.best: Trial | None = None
        self.epoch: EpochRecord | None = None
        self.front: list[Values] = []
        self._least: Values = ()
        self._epochs = 0.0
        self._already, self._elapsed = already, elapsed
        self._mark()

    def step(self, done: int, total: int) -> None:
        """A step of a phase without trials."""
        self.done, self.total = done, total

    def add(self, trial: Trial, result: Result) -> None:
        """One told trial."""
        self.done += 1
        self._epochs += trial.metrics.get("epochs", 0.0)
        if trial.status is TrialStatus.FAILED:
            self.failed += 1
        else:
            self._compare(trial, result)
        if self.done <= self._already:  # told again on resume, which says nothing about the pace
            self._mark()

    def _compare(self, trial: Trial, result: Result) -> None:
        order = (result.violation, *result.values)
        if not self._least or order < self._least:
            self._least, self.best = order, trial
        if result.violation == 0 and not any(_dominates(point, result.values) for point in self.front):
            self.front = [point for point in self.front if not _dominates(result.values, point)]
            self.front.append(result.values)

    def share(self) -> float:
        """How much of the phase is done, in [0, 1], by the limit that is closest."""
        shares = [self.done / self.total] if self.total else []
        if self.budget and self.budget.epochs:
            shares.append(self._epochs / self.budget.epochs)
        if self.budget and self.budget.seconds:
            shares.append((self._elapsed + time.monotonic() - self._began) / self.budget.seconds)
        return min(1.0, max(shares, default=0.0))

    def seconds_left(self) -> float | None:
        """Estimated from the pace of this process; None before it has done a twentieth of the phase."""
        share = self.share()
        gained = share - self._marked_share
        return (time.monotonic() - self._marked) * (1 - share) / gained if gained >= 0.05 else None

    def _mark(self) -> None:
        self._marked = self._began = time.monotonic()
        self._marked_share = self.share()


class Observer(Protocol):
    """Shows progress, e.g. on a terminal."""

    def begin(self, progress: Progress) -> None: ...
    def update(self, progress: Progress) -> None: ...
    def note(self, text: str) -> None: ...


class Silent:
    """Shows nothing."""

    def begin(self, progress: Progress) -> None:
        """Nothing."""

    def update(self, progress: Progress) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def _dominates(a: Values, b: Values) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
