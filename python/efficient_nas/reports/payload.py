"""The part of a report that its script draws, as compact JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from efficient_nas.reports.data import Finalist, ReportData
from efficient_nas.reports.display import Display, display, finite
from efficient_nas.reports.progress import Progress
from efficient_nas.reports.supernet_curves import supernet_payload
from efficient_nas.reports.values import column, completed, feasible, minimised, nondominated

MAX_POINTS = 5000
"""Trials drawn at most: beyond it the browser becomes slow; see `shown`."""

MAX_BINS = 60
TIME = "Evaluation time, summed"


def embed(payload: dict[str, Any]) -> str:
    """JSON that is safe inside a <script> element: no `<`, `>` or `&` is left to end or open anything."""
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def displays(data: ReportData) -> dict[str, Display]:
    """How to write every metric of the trials and the finalists."""
    values: dict[str, list[float | None]] = {m: column(data.trials, m).tolist() for m in data.metrics}
    for finalist in data.finalists:
        for metric, value in [*finalist.predicted.items(), *finalist.measured.items()]:
            values.setdefault(metric, []).append(value)
    return {metric: display(metric, numbers) for metric, numbers in values.items()}


def shown(data: ReportData) -> npt.NDArray[np.bool_]:
    """Rows of `data.trials` that the plot draws, bool [n].

    Every finished trial with a metric; beyond `MAX_POINTS`, the front of every arm and the finalists, and
    of the dominated rest every k-th in trial order.
    """
    trials = data.trials
    rows = completed(trials)
    if data.metrics:
        rows &= ~np.isnan(np.stack([column(trials, m) for m in data.metrics], axis=1)).all(axis=1)
    else:
        rows[:] = False
    if rows.sum() <= MAX_POINTS:
        return rows
    keep = rows & on_front(data)
    keep |= rows & main_rows(data) & trials["trial"].isin([f.trial for f in data.finalists]).to_numpy()
    rest = np.flatnonzero(rows & ~keep)
    room = max(MAX_POINTS - int(keep.sum()), 0)
    if room:
        keep[rest[np.linspace(0, len(rest) - 1, room).astype(int)]] = True
    return keep


def main_rows(data: ReportData) -> npt.NDArray[np.bool_]:
    """Rows of the main arm, bool [n]."""
    return data.trials["arm"].isin(data.main_arms).to_numpy()


def on_front(data: ReportData) -> npt.NDArray[np.bool_]:
    """Rows on the front of their arm, bool [n]: the main arm's as given, the control arms' computed."""
    trials = data.trials
    front = main_rows(data) & trials["trial"].isin(list(data.front)).to_numpy()
    for arm in data.control_arms:
        rows = np.flatnonzero((trials["arm"] == arm).to_numpy())
        front[rows] = nondominated(minimised(data, trials.iloc[rows], data.optimised))
    return front


def payload(data: ReportData, progress: Progress | None) -> dict[str, Any]:
    """Everything the script draws: trials column by column, curves, origins over time, measured pairs."""
    rows = shown(data)
    trials = data.trials[rows]
    written = displays(data)
    axes = [display("trial", trials["trial"]), *(written[m] for m in data.metrics)]
    return {
        "metrics": [
            {
                "name": d.name,
                **d.for_script(),
                "direction": data.directions.get(d.name),
                "limit": finite(data.limits.get(d.name)),
            }
            for d in axes
        ],
        "axes": _first_axes(data),
        "arms": [{"name": arm, "main": arm not in data.control_arms} for arm in data.arms],
        "origins": _names(trials["origin"]),
        "trials": {
            "arm": trials["arm"].map({arm: index for index, arm in enumerate(data.arms)}).tolist(),
            "origin": pd.factorize(trials["origin"].map(str), sort=True)[0].tolist(),
            "stage": trials["stage"].astype(int).tolist(),
            "text": trials["architecture"].map(str).tolist(),
            "feasible": feasible(data, data.trials)[rows].astype(int).tolist(),
            "front": on_front(data)[rows].astype(int).tolist(),
            "values": {d.name: _numbers(column(trials, d.name)) for d in axes},
        },
        "progress": _progress(data, progress, written),
        "stages": stage_starts(data),
        "history": _history(data),
        "supernet": supernet_payload(data.supernet) if data.supernet else None,
        "pairs": [_pair(d, data.finalists) for d in written.values() if has_pair(data, d.name)],
    }


def has_pair(data: ReportData, metric: str) -> bool:
    """Whether a cost was both predicted and measured. Accuracy is not predicted, it is trained for longer."""
    return data.is_cost(metric) and any(
        finite(f.predicted.get(metric)) is not None and finite(f.measured.get(metric)) is not None
        for f in data.finalists
    )


def stage_starts(data: ReportData) -> list[dict[str, float]]:
    """Where each later stage of the main arm begins: trials and seconds before it, and its number."""
    main = data.trials[main_rows(data)].sort_values("trial")
    stages = main["stage"].to_numpy()
    seconds = np.cumsum(np.nan_to_num(column(main, "seconds")))
    return [
        {"stage": int(stages[i]), "trials": int(i), "seconds": float(seconds[i - 1])}
        for i in range(1, len(stages))
        if stages[i] != stages[i - 1]
    ]


def _first_axes(data: ReportData) -> dict[str, str]:
    if data.axes and set(data.axes) <= set(data.metrics):
        return {"x": data.axes[0], "y": data.axes[1]}
    wanted = [*data.optimised, *(m for m in data.metrics if m not in data.optimised)]
    benefits = [m for m in wanted if data.directions.get(m) == "maximize"]
    y = (benefits or wanted or ["trial"])[0]
    costs = [m for m in wanted if m != y and data.directions.get(m) == "minimize"]
    others = [m for m in data.optimised if m != y]
    return {"x": (costs or others or ["trial"])[0], "y": y}


def _names(values: pd.Series[Any]) -> list[str]:
    return [str(v) for v in pd.factorize(values.map(str), sort=True)[1]]


def _numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Six digits are more than a plot can show; null where there is no number."""
    return [None if np.isnan(v) else float(f"{v:.6g}") for v in values]


def _progress(
    data: ReportData, progress: Progress | None, written: dict[str, Display]
) -> dict[str, Any] | None:
    if progress is None:
        return None
    scale = written[progress.metric] if progress.metric else None
    share = Display("hypervolume", "Hypervolume so far", "", 1, 4)
    return {
        **(scale.for_script(f"Best {scale.label.lower()} so far") if scale else share.for_script()),
        "minimize": progress.minimize,
        "time": display("seconds", (s for c in progress.curves for s in c.seconds)).for_script(TIME),
        "curves": [
            {
                "arm": data.arms.index(curve.arm),
                "trials": curve.trials,
                "seconds": [float(f"{s:.6g}") for s in curve.seconds],
                "values": [float(f"{v:.8g}") for v in curve.values],
            }
            for curve in progress.curves
        ],
    }


def _history(data: ReportData) -> dict[str, Any]:
    """How many proposals each origin of the main arm made, in at most `MAX_BINS` equal spans of trials."""
    main = data.trials[main_rows(data)].sort_values("trial")
    names = _names(main["origin"])
    width = max(1, -(-len(main) // MAX_BINS), min(5, len(main) // 12))  # a few trials make a share
    codes = pd.factorize(main["origin"].map(str), sort=True)[0]
    bins = np.arange(len(main)) // width
    counts = [np.bincount(bins[codes == c], minlength=bins.max(initial=-1) + 1) for c in range(len(names))]
    return {"width": width, "trials": len(main), "origins": names, "counts": [c.tolist() for c in counts]}


def _pair(scale: Display, finalists: Sequence[Finalist]) -> dict[str, Any]:
    points = []
    for f in finalists:
        predicted, measured = finite(f.predicted.get(scale.name)), finite(f.measured.get(scale.name))
        if predicted is not None and measured is not None:
            spread = finite(f.measured.get("spread_ms")) if scale.name == "latency_ms" else None
            points.append({"rank": f.rank, "predicted": predicted, "measured": measured, "spread": spread})
    return {**scale.for_script(), "points": points}
