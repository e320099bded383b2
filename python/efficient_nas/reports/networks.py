"""The finalists as networks: how they look, and what they cost against what was predicted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from efficient_nas.reports.data import ReportData
from efficient_nas.reports.display import Display, finite
from efficient_nas.reports.markup import Cell, escape, lead, number, table, text
from efficient_nas.reports.payload import has_pair

PAGE_WIDTH = 1000

Scales = Mapping[str, Display]


def drawings(data: ReportData) -> str:
    """The finalists' architectures, drawn."""
    drawn = [f for f in data.finalists if f.architecture is not None]
    if not drawn:
        return ""
    figures = []
    for f in drawn:
        assert f.architecture is not None
        drawing = f.architecture.to_svg()
        width = int(re.findall(r'width="(\d+)"', drawing)[0])
        zoom = '<label><input type="checkbox"> full size</label>' if width > PAGE_WIDTH else ""
        figures.append(
            f'<figure style="flex-basis: {min(max(width + 30, 260), PAGE_WIDTH)}px"><figcaption>{zoom}'
            f"<strong>Rank {f.rank}</strong> (trial {f.trial}), {f.architecture.depth} layers deep<br>"
            f'<span class="architecture">{escape(f.text)}</span></figcaption>'
            f'<div class="drawing" tabindex="0" role="region" aria-label="Drawing of rank {f.rank}">'
            f"{drawing}</div></figure>"
        )
    note = "Input at the top; long networks continue in columns. Dashed parts are dead: they do not run."
    return lead(note) + f'<div class="figures">{"".join(figures)}</div>'


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
