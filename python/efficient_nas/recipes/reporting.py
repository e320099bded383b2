"""The report of a run."""

from __future__ import annotations

from pathlib import Path

from efficient_nas import objectives, reports
from efficient_nas.ledger import storage_errors
from efficient_nas.recipes.run import Found, Run


def report_data(run: Run) -> reports.ReportData:
    """Everything that the report of a run shows."""
    return reports.ReportData(
        title=run.name,
        config=run.config,
        versions=run.versions,
        device=run.device,
        directions={**objectives.DIRECTIONS, **run.objective.directions},
        limits=run.objective.limits,
        trials=run.trials,
        front=[found.trial for found in run.front],
        control_arms=run.control_arms,
        finalists=[_finalist(found) for found in run.finalists],
        notes=run.notes,
        objectives=getattr(run.objective, "objective", run.objective).metrics,
    )


def write_report(run: Run) -> Path:
    """Writes `report.html` into the run folder; returns its path."""
    with storage_errors(run.report_path):
        reports.write(report_data(run), run.report_path)
    return run.report_path


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
