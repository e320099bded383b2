"""All trials, progress and origins; a section is its HTML, or nothing where there is nothing to show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from efficient_nas.reports.data import ReportData
from efficient_nas.reports.display import Display
from efficient_nas.reports.markup import Cell, details, escape, lead, number, table, text
from efficient_nas.reports.payload import main_rows, on_front, shown, stage_starts
from efficient_nas.reports.progress import Progress
from efficient_nas.reports.result import front_table
from efficient_nas.reports.values import completed, feasible, minimised

Scales = Mapping[str, Display]


def trials(data: ReportData, scales: Scales) -> str:
    """The plot of all trials with its controls, and the front as a table."""
    drawn = shown(data)
    if not drawn.any():
        return ""
    finished = int(completed(data.trials).sum())
    note = "Every finished trial of every arm. "
    if len(data.optimised) > 1:
        note += "Large marks are an arm’s front; its line bounds what the front dominates."
    else:
        note += "Large marks are the best of an arm."
    if data.limits:
        bounds = (
            f"{scales[m].label if m in scales else m} "
            f"{'at least' if data.directions.get(m) == 'maximize' else 'at most'} "
            f"{scales[m].text(bound, unit=True) if m in scales else bound}"
            for m, bound in data.limits.items()
        )
        note += f" Limits: {', '.join(bounds)}; hollow marks break one."
        if not (feasible(data, data.trials) & main_rows(data)).any():
            note += " No trial of the main arm keeps them."
    if drawn.sum() < finished:
        note += (
            f" Drawn are {drawn.sum():,} of {finished:,} trials: every front and every finalist, "
            "and an even part of the dominated ones."
        )
    keys = "Hover for details, click to pin, drag to zoom. With the plot focused, arrow keys walk along the "
    keys += "fronts, Enter pins."
    parts = [
        lead(note),
        '<div class="controls"><div class="legend" id="pareto-legend"></div>',
        '<label>Across <select id="pareto-x"></select></label>',
        '<label>Up <select id="pareto-y"></select></label>',
        '<button type="button" id="pareto-front">Zoom to the front</button>',
        '<button type="button" id="pareto-all">Show all</button>',
        '<span class="muted" id="pareto-outside" aria-live="polite"></span></div>',
        '<div class="chart" id="pareto-chart"></div>',
        f'<p class="muted" id="pareto-keys">{keys}</p>',
        '<ul class="pins" id="pareto-pins" aria-label="Pinned trials"></ul>',
    ]
    if data.front:
        parts.append(details("The front as a table", front_table(data, scales)))
    return "\n".join(parts)


def curves(data: ReportData, scales: Scales, progress: Progress | None) -> str:
    """Progress against trials and against time, and its values as a table."""
    if progress is None:
        return ""
    if progress.metric is None:
        corner = "; ".join(
            f"{scales[m].label} {scales[m].text(progress.ideal[m])} to "
            f"{scales[m].text(progress.reference[m], unit=True)}"
            for m in progress.reference
        )
        note = (
            "Hypervolume of each arm’s front so far, as a share of the box from the ideal to the reference "
            f"point ({corner}). Ideal: the best value of all arms in each objective. Reference: the worst "
            "on the front of all arms together, moved outwards by a tenth of that front’s range. "
            "Failed trials and trials beyond a limit add nothing, but count as trials and time."
        )
    else:
        note = f"Best {scales[progress.metric].label.lower()} so far"
        note += " of the trials within the limits." if data.limits else "."
    note += " One run with one seed: small differences between arms may be chance."
    return "\n".join(
        [
            lead(note),
            '<div class="controls"><div class="legend" id="progress-legend"></div></div>',
            '<div class="columns"><div class="chart" id="progress-trials"></div>',
            '<div class="chart" id="progress-seconds"></div></div>',
            details("The curves as a table", _curve_table(progress, scales)),
        ]
    )


def _curve_table(progress: Progress, scales: Scales) -> str:
    last = max(curve.trials[-1] for curve in progress.curves)
    marks = sorted({max(1, round(last * share / 10)) for share in range(1, 11)})

    def cell(value: float | None) -> Cell:
        if progress.metric:
            return number(scales[progress.metric].text(value))
        return number("–" if value is None else f"{value:.4f}")

    rows = [
        [number(f"{n:,}")] + [cell(c.at(n) if n <= c.trials[-1] else None) for c in progress.curves]
        for n in marks
    ]
    heads = [Cell("Trials"), *(Cell(escape(c.arm)) for c in progress.curves)]
    return table("After so many trials", heads, rows)


def origins(data: ReportData, scales: Scales) -> str:
    """Which part of the controller proposed what, when, and with what success; and the stages."""
    main = data.trials[main_rows(data)]
    if main.empty:
        return ""
    front = pd.Series(on_front(data)[main_rows(data)], index=main.index)
    finished = pd.Series(completed(main), index=main.index)
    rows = []
    for origin, group in main.groupby(main["origin"].map(str)):
        rows.append(
            [
                text(origin),
                number(f"{len(group):,}"),
                number(f"{len(group) / len(main):.1%}"),
                number(f"{int((~finished[group.index]).sum()):,}"),
                number(f"{int(front[group.index].sum()):,}"),
                number(_best(data, scales, group)),
            ]
        )
    goal = scales[data.optimised[0]].heading if data.optimised else "value"
    heads = [text("Origin"), Cell("Proposals"), Cell("Share"), Cell("Failed"), Cell("On the front")]
    parts = [
        lead("Which part of the controller proposed the trials of the main arm, over the run and in sum."),
        '<div class="columns"><div><div class="legend" id="origin-legend"></div>',
        '<div class="chart" id="origin-chart"></div></div>',
        f"<div>{table('Origins', [*heads, Cell(escape(f'Best {goal}'))], rows)}",
        _stages(data, scales, main),
        "</div></div>",
    ]
    return "\n".join(parts)


def _stages(data: ReportData, scales: Scales, main: pd.DataFrame) -> str:
    if not stage_starts(data):
        return ""
    rows = [
        [
            number(str(stage)),
            number(f"{group['trial'].min()} to {group['trial'].max()}"),
            number(f"{len(group):,}"),
            number(_best(data, scales, group)),
        ]
        for stage, group in main.groupby("stage")
    ]
    goal = scales[data.optimised[0]].heading if data.optimised else "value"
    heads = [Cell("Stage"), Cell("Trials"), Cell("Number"), Cell(escape(f"Best {goal}"))]
    return table("Stages", heads, rows)


def _best(data: ReportData, scales: Scales, group: pd.DataFrame) -> str:
    if not data.optimised:
        return "–"
    first = data.optimised[0]
    values = minimised(data, group, [first])[:, 0]
    if np.isnan(values).all():
        return "–"
    best = float(np.nanmin(values))
    return scales[first].text(-best if data.directions[first] == "maximize" else best)
