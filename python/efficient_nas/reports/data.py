"""What a report is made of: plain data, so that a page can be rendered from a run folder at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from efficient_nas.graph import Architecture
from efficient_nas.reports.supernet_data import SupernetData
from efficient_nas.types import Parity, TrialStatus

COLUMNS = ("arm", "trial", "stage", "origin", "architecture", "status", "reason", "seconds")
"""The columns of `ReportData.trials` that are not metrics."""

DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True, eq=False)
class Finalist:
    """One of the best networks after its final training and its measurement end to end.

    trial: number in the main arm. text: the architecture in the space's notation. predicted: what the search
    saw (e.g. accuracy after short training, latency_ms from the operator table). measured: the same names
    for the trained and measured network, with test_accuracy, and spread_ms beside latency_ms. exports: paths
    relative to the report become links.
    """

    rank: int
    trial: int
    architecture: Architecture | None
    text: str
    predicted: Mapping[str, float | None] = field(default_factory=dict)
    measured: Mapping[str, float | None] = field(default_factory=dict)
    exports: Sequence[Parity] = ()


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything a report shows.

    directions: metric -> "maximize" | "minimize", for every metric that has one. objectives: the metrics
    that the search optimised, which decide front and progress; all of `directions` when empty. limits:
    metric -> bound, an upper one for metrics to minimise, a lower one for metrics to maximise. trials: one
    row per trial of every arm in trial order, columns `COLUMNS`, then one column per metric (NaN where a
    trial has none); a weighted sum that was optimised is a metric, too. front: trial numbers of the main
    arm, the one arm that is not in `control_arms`. axes: the metrics across and up when the page opens,
    chosen from `objectives` when empty. supernet: how the supernet of the run was trained, if it had one.
    Raises ValueError naming the field that does not fit.
    """

    title: str
    config: Mapping[str, Any]
    versions: Mapping[str, Any]
    device: Mapping[str, Any]
    directions: Mapping[str, str]
    limits: Mapping[str, float]
    trials: pd.DataFrame
    front: Sequence[int]
    control_arms: Sequence[str]
    finalists: Sequence[Finalist]
    notes: Sequence[str] = ()
    objectives: Sequence[str] = ()
    axes: Sequence[str] = ()
    supernet: SupernetData | None = None

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.trials.columns]
        if missing:
            raise ValueError(f"report: trials lacks the columns {missing}")
        known = {status.value for status in TrialStatus}
        if odd := sorted(set(self.trials["status"].map(str)) - known):
            raise ValueError(f"report: status of a trial must be one of {sorted(known)}, got {odd[0]!r}")
        for metric, direction in self.directions.items():
            if direction not in DIRECTIONS:
                raise ValueError(
                    f"report: directions[{metric!r}] must be one of {DIRECTIONS}, got {direction!r}"
                )
        for metric in self.objectives:
            if metric not in self.directions:
                raise ValueError(f"report: objective {metric!r} has no entry in directions")
        if len(self.axes) not in {0, 2} or any(m not in self.trials.columns for m in self.axes):
            raise ValueError(f"report: axes must be two columns of trials or empty, got {list(self.axes)}")
        arms = self.main_arms
        if len(arms) > 1:
            raise ValueError(f"report: trials must have one arm that is not a control arm, got {arms}")
        numbers = set(self.trials.loc[self.trials["arm"].isin(arms), "trial"])
        if unknown := [t for t in self.front if t not in numbers]:
            raise ValueError(f"report: front names trial {unknown[0]}, which the main arm does not have")

    @property
    def main_arms(self) -> list[str]:
        """The arm that is not a control arm, in a list; empty when no trial was run yet."""
        return [arm for arm in self.trials["arm"].unique() if arm not in self.control_arms]

    @property
    def arms(self) -> list[str]:
        """Main arm first, then the control arms, those without a trial included."""
        return [*self.main_arms, *self.control_arms]

    @property
    def metrics(self) -> list[str]:
        """Metric columns of the trials that hold at least one number."""
        rest = [c for c in self.trials.columns if c not in COLUMNS]
        return [c for c in rest if pd.to_numeric(self.trials[c], errors="coerce").notna().any()]

    def is_cost(self, metric: str) -> bool:
        """Whether it is something that a device spends: minimised, and no loss of training."""
        return self.directions.get(metric) == "minimize" and not metric.endswith("loss")

    @property
    def optimised(self) -> list[str]:
        """The metrics that decide front and progress and that some trial has."""
        present = set(self.metrics)
        return [m for m in (self.objectives or self.directions) if m in present]
