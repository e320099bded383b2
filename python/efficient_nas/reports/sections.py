"""The sections below the result; each returns its HTML, or nothing when a run has nothing to show there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import yaml

from efficient_nas.reports.data import ReportData
from efficient_nas.reports.display import Display, finite
from efficient_nas.reports.markup import Cell, architecture, details, escape, facts, lead, number, table, text
from efficient_nas.reports.payload import has_pair, main_rows, on_front, shown, stage_starts
from efficient_nas.reports.progress import Progress
from efficient_nas.reports.result import front_table
from efficient_nas.reports.values import completed, minimised

MAX_FAILED_ROWS = 200

Scales = Mapping[str, Display]


def trials(data: ReportData, scales: Scales) -> str:
    """The plot of all trials with its controls, and the front as a table."""
    drawn = shown(data)
    if not drawn.any():
        return ""
    finished = int(completed(data.trials).sum())
    note = "Every finished trial of every arm. The line bounds what the front dominates."
    if data.limits:
        bounds = (
            f"{scales[m].label if m in scales else m} "
            f"{'at least' if data.directions.get(m) == 'maximize' else 'at most'} "
            f"{scales[m].text(bound, unit=True) if m in scales else bound}"
            for m, bound in data.limits.items()
        )
        note += f" Limits: {', '.join(bounds)}; hollow marks break one."
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
        note = f"Best {scales[progress.metric].label.lower()} so far of the trials within the limits."
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


def drawings(data: ReportData) -> str:
    """The finalists' architectures, drawn."""
    drawn = [f for f in data.finalists if f.architecture is not None]
    if not drawn:
        return ""
    figures = [
        lead("Input at the top; long networks continue in columns. Dashed parts are dead: they do not run.")
    ]
    for f in drawn:
        assert f.architecture is not None
        caption = (
            '<label><input type="checkbox"> full size</label>'
            f"<strong>Rank {f.rank}</strong> (trial {f.trial}), {f.architecture.depth} layers deep"
        )
        figures.append(
            f'<figure><figcaption>{caption}<br><span class="architecture">{escape(f.text)}</span>'
            "</figcaption>"
            f'<div class="drawing" tabindex="0" role="region" aria-label="Drawing of rank {f.rank}">'
            f"{f.architecture.to_svg()}</div></figure>"
        )
    return "\n".join(figures)


def costs(data: ReportData, scales: Scales) -> str:
    """Predicted against measured costs of the finalists, with the error."""
    names = [name for name in scales if has_pair(data, name)]
    if not names:
        return ""
    charts, rows = [], []
    for index, name in enumerate(names):
        charts.append(f'<div class="chart" id="pair-{index}"></div>')
        for f in data.finalists:
            predicted, measured = finite(f.predicted.get(name)), finite(f.measured.get(name))
            if predicted is None or measured is None:
                continue
            error = f"{predicted / measured - 1:+.1%}" if measured else "–"
            rows.append(
                [
                    text(scales[name].heading),
                    number(str(f.rank)),
                    number(scales[name].text(predicted)),
                    number(scales[name].text(measured)),
                    number(error),
                ]
            )
    heads = [text("Cost"), Cell("Rank"), Cell("Predicted"), Cell("Measured"), Cell("Error of prediction")]
    note = (
        "The search decided on predictions that were fixed before its first trial; the finalists were then "
        "measured end to end. On the dashed line both agree. Bars show the spread of repeated measurements."
    )
    listing = table("Predicted and measured", heads, rows)
    return lead(note) + f'<div class="columns">{"".join(charts)}<div>{listing}</div></div>'


def failed(data: ReportData) -> str:
    """Failed trials by reason, then one by one."""
    rows = data.trials[~completed(data.trials)]
    if rows.empty:
        return ""
    reasons = rows["reason"].map(lambda r: str(r) if isinstance(r, str) and r else "no reason recorded")
    counts = [[number(f"{n:,}"), text(reason, "left wide")] for reason, n in reasons.value_counts().items()]
    listed = rows.head(MAX_FAILED_ROWS)
    every = [
        [text(arm), number(str(trial)), text(reason, "left wide"), architecture(str(notation))]
        for arm, trial, reason, notation in zip(
            listed["arm"], listed["trial"], reasons.loc[listed.index], listed["architecture"], strict=True
        )
    ]
    heads = [text("Arm"), Cell("Trial"), text("Reason"), text("Architecture")]
    caption = f"The first {MAX_FAILED_ROWS} of {len(rows):,}" if len(rows) > len(listed) else "All of them"
    note = f"{len(rows):,} of {len(data.trials):,} trials failed. A failure is a result: the search goes on."
    return (
        lead(note)
        + table("By reason", [Cell("Trials"), text("Reason")], counts)
        + details("One by one", table(caption, heads, every))
    )


def setup(data: ReportData) -> str:
    """Configuration, versions and device, and how to run it again."""
    config = yaml.safe_dump(dict(data.config), sort_keys=False, allow_unicode=True)
    version = data.versions.get("efficient_nas", data.versions.get("efficient-nas"))
    package = f"efficient-nas=={version}" if version else "efficient-nas"
    again = f'pip install "{package}"\nefficient-nas search config.yaml --output runs/again'
    return "\n".join(
        [
            f"<h3>Configuration</h3><pre>{escape(config)}</pre>",
            '<div class="columns"><div><h3>Versions</h3>',
            facts(data.versions.items()),
            "</div><div><h3>Device</h3>",
            facts(data.device.items()),
            "</div></div>",
            "<h3>Run it again</h3>",
            "<p>Save the configuration above as <code>config.yaml</code> (the run folder has it), then:</p>",
            f"<pre>{escape(again)}</pre>",
            '<p class="muted">The same seed, cost table and package version repeat the same trials with any '
            "number of workers, if the budget is in trials. What was measured on a device does not "
            "repeat.</p>",
        ]
    )


def notes(data: ReportData) -> str:
    """What the run wants to say about itself."""
    return "".join(f'<p class="note">{escape(note)}</p>' for note in data.notes)
