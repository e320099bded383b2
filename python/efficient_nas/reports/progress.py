"""How good an arm was after each of its trials: the best value, or the hypervolume of its front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from efficient_nas import pareto
from efficient_nas.reports.data import ReportData
from efficient_nas.reports.values import Floats, column, minimised, nondominated


@dataclass(frozen=True, eq=False)
class Curve:
    """One arm's steps: after `trials[i]` trials, which took `seconds[i]` in sum, it had reached `values[i]`.

    Holds the points where the value changes, and the end of the arm.
    """

    arm: str
    trials: list[int]
    seconds: list[float]
    values: list[float]

    def at(self, trials: int) -> float | None:
        """The value after that many trials; None before the first feasible one."""
        index = int(np.searchsorted(self.trials, trials, side="right")) - 1
        return self.values[index] if index >= 0 else None


@dataclass(frozen=True, eq=False)
class Progress:
    """The curves of all arms.

    metric: of the best value, None for hypervolume. minimize: lower is better. reference, ideal: the corners
    of the hypervolume's box, by metric, in the metric's own sign.
    """

    metric: str | None
    minimize: bool
    curves: list[Curve]
    reference: Mapping[str, float]
    ideal: Mapping[str, float]


def progress(data: ReportData) -> Progress | None:
    """Progress of every arm; None when no arm has a feasible trial.

    One objective: the best value so far. Several: the hypervolume so far as a share of the box between the
    ideal point and the reference point, both taken from the front of all arms together, so that arms are
    measured alike: ideal = its best value in every objective; reference = its worst (nadir), moved outwards
    by a tenth of the front's range so that the front's ends count too (Ishibuchi et al. 2018, "How to
    specify a reference point in hypervolume calculation", Evolutionary Computation 26(3)). Where the front
    has no range, the worst of all feasible trials stands in.
    """
    metrics = data.optimised
    arms = {arm: data.trials[data.trials["arm"] == arm].sort_values("trial") for arm in data.arms}
    values = {arm: minimised(data, trials, metrics) for arm, trials in arms.items()}
    seconds = {arm: np.cumsum(np.nan_to_num(column(trials, "seconds"))) for arm, trials in arms.items()}
    if not arms or not metrics:
        return None
    known = np.concatenate([v[~np.isnan(v).any(axis=1)] for v in values.values()])
    if not len(known):
        return None
    if len(metrics) == 1:
        maximize = data.directions[metrics[0]] == "maximize"
        curves = [_best(arm, values[arm], seconds[arm], -1 if maximize else 1) for arm in arms]
        return Progress(metrics[0], not maximize, [c for c in curves if c.trials], {}, {})
    ideal, reference = _box(known)
    curves = [_hypervolume(arm, values[arm], seconds[arm], ideal, reference) for arm in arms]
    signs = [-1 if data.directions[m] == "maximize" else 1 for m in metrics]
    return Progress(
        None,
        False,
        [c for c in curves if c.trials],
        {m: float(s * v) for m, s, v in zip(metrics, signs, reference, strict=True)},
        {m: float(s * v) for m, s, v in zip(metrics, signs, ideal, strict=True)},
    )


def _box(known: Floats) -> tuple[Floats, Floats]:
    front = known[nondominated(known)]
    ideal, nadir, worst = front.min(axis=0), front.max(axis=0), known.max(axis=0)
    margin = 0.1 * (nadir - ideal)
    reference = np.where(nadir > ideal, nadir + margin, worst)
    flat = reference <= ideal  # all trials are equal in this objective: any box will do
    return ideal, np.where(flat, ideal + np.maximum(0.1 * np.abs(ideal), 1e-12), reference)


def _best(arm: str, values: Floats, seconds: Floats, sign: int) -> Curve:
    curve = Curve(arm, [], [], [])
    best = np.inf
    for i, value in enumerate(values[:, 0]):
        if value < best:  # false for NaN
            best = float(value)
            _add(curve, i + 1, seconds[i], sign * best)
    return _end(curve, len(values), seconds)


def _hypervolume(arm: str, values: Floats, seconds: Floats, ideal: Floats, reference: Floats) -> Curve:
    curve = Curve(arm, [], [], [])
    scaled = (values - ideal) / (reference - ideal)
    one = np.ones(scaled.shape[1])
    front = np.empty((0, scaled.shape[1]))
    for i, row in enumerate(scaled):
        if np.isnan(row).any():
            continue
        if not curve.trials:
            _add(curve, i + 1, seconds[i], 0.0)
        if (row >= 1).any() or (front <= row).all(axis=1).any():
            continue
        front = np.vstack([front[~(row <= front).all(axis=1)], row])
        _add(curve, i + 1, seconds[i], pareto.hypervolume(np.ascontiguousarray(front), one))
    return _end(curve, len(values), seconds)


def _add(curve: Curve, trials: int, seconds: float, value: float) -> None:
    if curve.trials and curve.trials[-1] == trials:
        curve.values[-1] = value
        return
    curve.trials.append(trials)
    curve.seconds.append(float(seconds))
    curve.values.append(float(value))


def _end(curve: Curve, trials: int, seconds: Floats) -> Curve:
    if curve.trials:
        _add(curve, trials, seconds[-1], curve.values[-1])
    return curve
