"""The report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from efficient_nas import objectives, reports
from efficient_nas.ledger import storage_errors
from efficient_nas.recipes.run import Found, Run
from efficient_nas.recipes.supernet_training import RANKS
from efficient_nas.types import TrialStatus


def report_data(run: Run) -> reports.ReportData:
    """Everything that the report of a run shows; a weighted sum is a metric of its own, `weighted`."""
    goal = getattr(run.objective, "objective", run.objective)  # without the limits
    trials = run.trials[run.trials["arm"] != RANKS]  # that is no search; the supernet's part shows it
    directions = {**objectives.DIRECTIONS, **run.objective.directions}
    if goal.names != goal.metrics:
        completed = trials["status"] == TrialStatus.COMPLETED.value
        values: list[dict[str, float]] = [
            {str(name): float(value) for name, value in row.items()}
            for row in trials[completed].reindex(columns=goal.metrics).to_dict("records")
        ]
        sums = [-goal.values(row)[0] for row in values]
        trials = trials.assign(weighted=pd.Series(sums, index=trials.index[completed], dtype=float))
        directions["weighted"] = "maximize"
    return reports.ReportData(
        title=run.name,
        config=run.config,
        versions=run.versions,
        device=run.device,
        directions=directions,
        limits=run.objective.limits,
        trials=trials,
        front=[found.trial for found in run.front],
        control_arms=run.control_arms,
        finalists=[_finalist(found) for found in run.finalists],
        notes=run.notes,
        objectives=goal.names,
        axes=_axes(goal),
        supernet=run.supernet,
    )


def write_report(run: Run) -> Path:
    """Writes `report.html` into the run folder; returns its path."""
    with storage_errors(run.report_path):
        reports.write(report_data(run), run.report_path)
    return run.report_path


def _axes(goal: Any) -> tuple[str, ...]:
    """The first cost and the first gain of a weighted sum; other goals are axes themselves."""
    costs = [m for m in goal.metrics if goal.directions[m] == "minimize"]
    gains = [m for m in goal.metrics if goal.directions[m] == "maximize"]
    return (costs[0], gains[0]) if goal.names != goal.metrics and costs and gains else ()


def _finalist(found: Found) -> reports.Finalist:
    numbers = {k: float(v) for k, v in found.measured.items() if isinstance(v, (int, float))}
    return reports.Finalist(
        rank=found.rank or 0,
        trial=found.trial,
        architecture=found.architecture,
        text=found.text,
        predicted=found.predicted,
        measured=numbers,
        exports=found.exports,
    )
