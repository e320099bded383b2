"""The answer first: the finalists, their exports, and the best found when none was trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from efficient_nas.reports.data import Finalist, ReportData
from efficient_nas.reports.display import Display, finite
from efficient_nas.reports.markup import (
    Cell,
    architecture,
    details,
    escape,
    lead,
    number,
    table,
    text,
    verdict,
)
from efficient_nas.reports.values import column

MAX_FRONT_ROWS = 100
COMPUTED = ("peak_activation_bytes", "params", "macs")
MAIN = ("accuracy", "test_accuracy", "latency_ms", "energy_mj", "memory_bytes", "params", "macs")
"""The metrics of the finalists' table in its order; what was optimised joins them, the rest is folded."""

Scales = Mapping[str, Display]


def result(data: ReportData, scales: Scales) -> str:
    """The finalists' table and their exports; the front where a run has no finalists."""
    if data.finalists:
        return _finalists(data, scales) + _exports(data.finalists)
    if data.front:
        note = "This run trained no finalists; these are the best trials as the search saw them."
        return lead(note) + front_table(data, scales, limit=10)
    return lead("No trial finished within the limits, so there is no result. See the failed trials below.")


def front_table(data: ReportData, scales: Scales, limit: int = MAX_FRONT_ROWS) -> str:
    """The main arm's front, best first in the first objective, at most `limit` rows."""
    main = data.trials[data.trials["arm"].isin(data.main_arms)]
    rows = main[main["trial"].isin(list(data.front))]
    if data.optimised:
        first = data.optimised[0]
        rows = rows.sort_values([first, "trial"], ascending=[data.directions[first] == "minimize", True])
    caption = f"Front of the main arm: {len(rows)} trials"
    if len(rows) > limit:
        caption += f", the first {limit} of them"
        rows = rows.head(limit)
    columns = {m: column(rows, m) for m in data.metrics}
    body = [
        [
            number(str(trial)),
            *(number(scales[m].text(columns[m][i])) for m in data.metrics),
            text(origin),
            architecture(str(notation)),
        ]
        for i, (trial, origin, notation) in enumerate(
            zip(rows["trial"], rows["origin"], rows["architecture"], strict=True)
        )
    ]
    heads = [Cell("Trial"), *(Cell(escape(scales[m].heading)) for m in data.metrics)]
    return table(caption, [*heads, text("Origin"), text("Architecture")], body)


def _finalists(data: ReportData, scales: Scales) -> str:
    present = {
        name
        for f in data.finalists
        for side in (f.predicted, f.measured)
        for name, value in side.items()
        if finite(value) is not None and name != "spread_ms"
    }
    trained = any(finite(f.measured.get("accuracy")) is not None for f in data.finalists)
    looked_up = [] if trained else [n for f in data.finalists for n in f.measured if n not in data.metrics]
    wanted = dict.fromkeys((*MAIN, *data.optimised, *looked_up))
    first = [name for name in wanted if name in present]
    rest = [name for name in scales if name in present and name not in first]
    count = len(data.finalists)
    best = f"The best {f'{count} networks were' if count > 1 else 'network was'}"
    sides = (
        "“In search” and “predicted” are what the search decided on; “final” and “measured” came afterwards"
    )
    if trained:
        note = f"{best} trained longer and measured end to end. {sides}. "
        note += "Test accuracy was measured once, at the end; no decision used it."
    else:
        note = f"{best} not trained again. {sides}, and no decision used them."
    texts = [f.text for f in data.finalists]
    body = lead(note) + _finalist_table("Finalists", data, scales, first, texts)
    if rest:
        more = _finalist_table("More metrics of the finalists", data, scales, rest, [])
        body += details("More about the finalists", more)
    return body


def _finalist_table(
    caption: str, data: ReportData, scales: Scales, names: Sequence[str], texts: Sequence[str]
) -> str:
    """One row a finalist and one or two columns a metric; below each row its text, if given."""
    heads, groups = [Cell("Rank"), Cell("Trial")], [("", 2)]
    columns: list[list[Cell]] = []
    for name in names:
        sides = {"predicted": "in search", "measured": "final"}
        if name in COMPUTED:
            sides = {"predicted": "computed", "measured": "measured"}
        elif data.is_cost(name):
            sides = {"predicted": "predicted", "measured": "measured"}
        used = [s for s in sides if any(finite(getattr(f, s).get(name)) is not None for f in data.finalists)]
        groups.append((scales[name].heading, len(used)))
        for side in used:
            heads.append(text(sides[side], ""))
            columns.append(_column(data, scales[name], side))
    rows = []
    for i, f in enumerate(data.finalists):
        rows.append([number(str(f.rank)), number(str(f.trial)), *(c[i] for c in columns)])
        if texts:
            rows.append([Cell(architecture(texts[i]).html, "span", columns=len(heads))])
    return table(caption, heads, rows, groups)


def _column(data: ReportData, scale: Display, side: str) -> list[Cell]:
    values = [finite(getattr(f, side).get(scale.name)) for f in data.finalists]
    known = [v for v in values if v is not None]
    direction = data.directions.get(scale.name, "maximize" if scale.name.endswith("accuracy") else "")
    best = max(known) if direction == "maximize" else min(known) if direction == "minimize" else None
    cells = []
    for finalist, value in zip(data.finalists, values, strict=True):
        written = scale.text(value)
        spread = finite(finalist.measured.get("spread_ms"))
        if side == "measured" and scale.name == "latency_ms" and spread is not None and value is not None:
            written += f" ± {scale.text(spread)}"
        cells.append(number(written, best=value is not None and value == best and len(known) > 1))
    return cells


def _exports(finalists: Iterable[Finalist]) -> str:
    rows = []
    for finalist in finalists:
        for parity in finalist.exports:
            path = PurePath(parity.path)
            name = escape(path.name)
            relative = not path.is_absolute() and ".." not in path.parts
            link = f'<a href="{escape(path.as_posix())}">{name}</a>' if relative else name
            rows.append(
                [
                    number(str(finalist.rank)),
                    text(parity.format),
                    Cell(link, "left"),
                    number(f"{parity.max_abs_error:.2g}"),
                    number(f"{parity.tolerance:.2g}"),
                    verdict(parity),
                ]
            )
    if not rows:
        return ""
    heads = [Cell("Rank"), text("Format"), text("File"), Cell("Largest difference"), Cell("Allowed")]
    caption = "Exported files, reloaded and compared with the trained network on random images"
    return "<h3>Exports</h3>" + table(caption, [*heads, text("Verdict")], rows)
