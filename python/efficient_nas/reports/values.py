"""Trials as numbers that can be compared: signs by direction, failed and infeasible ones left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from efficient_nas import pareto
from efficient_nas.reports.data import ReportData
from efficient_nas.types import TrialStatus

Floats = npt.NDArray[np.float64]


def completed(trials: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Rows that finished, bool [n]."""
    return (trials["status"].map(str) == TrialStatus.COMPLETED.value).to_numpy(dtype=bool, copy=True)


def column(trials: pd.DataFrame, name: str) -> Floats:
    """One numeric column, float64 [n]; NaN for whatever is not a finite number."""
    values = pd.to_numeric(trials[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def feasible(data: ReportData, trials: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Rows that finished and keep every limit, bool [n]; a trial without the limited metric does not."""
    ok = completed(trials)
    for metric, bound in data.limits.items():
        if metric in trials.columns:
            values = column(trials, metric)
            at_least = data.directions.get(metric) == "maximize"
            ok &= values >= bound if at_least else values <= bound
    return ok


def minimised(data: ReportData, trials: pd.DataFrame, metrics: Sequence[str]) -> Floats:
    """Values of `metrics` as costs, float64 [n, m]; NaN rows lack one or break a limit."""
    columns = [column(trials, m) * (-1 if data.directions[m] == "maximize" else 1) for m in metrics]
    values = np.stack(columns, axis=1) if columns else np.empty((len(trials), 0))
    values[~feasible(data, trials) | np.isnan(values).any(axis=1)] = np.nan
    return values


def nondominated(values: Floats) -> npt.NDArray[np.bool_]:
    """Rows of `minimised` values that no other row dominates, bool [n]; rows of NaN never are."""
    return pareto.is_nondominated(values) if values.shape[1] else np.zeros(len(values), dtype=bool)
