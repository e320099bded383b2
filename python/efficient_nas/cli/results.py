"""The table at the end of a search."""

from __future__ import annotations

from rich import box
from rich.table import Table

from efficient_nas.recipes import Found, Run

DETAILS = {"loss", "epochs", "best_epoch", "spread_ms", "memory_bytes"}
"""Measured values that the report shows and the table leaves out."""


def result_table(run: Run) -> Table:
    """The finalists, or the best of the front where there are none; fits a terminal of 80 columns."""
    rows = run.finalists or run.front[:1]
    predicted = dict.fromkeys([*run.objective.metrics, "latency_ms", "params"])
    names = [name for name in predicted if any(name in found.predicted for found in rows)]
    measured = dict.fromkeys(name for found in rows for name in found.measured)
    names += [name for name in measured if name not in {*names, *DETAILS}]
    searched = int((run.trials["arm"] == "main").sum())
    table = Table(title=f"{run.name}: best of {searched} trials", title_justify="left", box=box.SIMPLE)
    table.add_column("trial", justify="right")
    for name in names:
        sides = ("predicted", "measured") if name.endswith("_ms") else ("search", "final")
        both = name in predicted and name in measured
        table.add_column(f"{name}\n{' > '.join(sides)}" if both else name, justify="right")
    table.add_column("exports")
    for found in rows:
        table.add_row(str(found.trial), *(_cell(found, name) for name in names), _exports(found))
    return table


def shown_number(name: str, value: object) -> str:
    """A metric as text: large numbers with separators, others with four digits."""
    if not isinstance(value, (int, float)):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if name.endswith("accuracy") else f"{value:.4g}"


def _cell(found: Found, name: str) -> str:
    values = [values[name] for values in (found.predicted, found.measured) if name in values]
    return " > ".join(shown_number(name, value) for value in values)


def _exports(found: Found) -> str:
    same = [parity.format for parity in found.exports if parity.ok]
    different = [f"{parity.format} DIFFERS" for parity in found.exports if not parity.ok]
    return ", ".join([*different, *([f"{' '.join(same)} ok"] if same else [])])
