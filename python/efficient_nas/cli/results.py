"""The table at the end of a search."""

from __future__ import annotations

from rich.table import Table

from efficient_nas.recipes import Found, Run


def result_table(run: Run) -> Table:
    """The finalists, or the best of the front where there are none."""
    rows = run.finalists or run.front[:1]
    shown = list(dict.fromkeys([*run.objective.metrics, "latency_ms", "macs", "params"]))
    shown = [name for name in shown if any(name in found.predicted for found in rows)]
    measured = list(dict.fromkeys(name for found in rows for name in found.measured))
    extra = [name for name in measured if name not in {*shown, "loss", "epochs", "best_epoch", "spread_ms"}]
    table = Table(title=f"{run.name}: best of {len(run.trials)} trials", title_justify="left")
    table.add_column("trial", justify="right")
    for name in shown:
        table.add_column(f"{name}\n(search)" if name in measured else name, justify="right")
        if name in measured:
            table.add_column(f"{name}\n(final)", justify="right")
    for name in extra:
        table.add_column(name, justify="right")
    exported = any(found.exports for found in rows)
    if exported:
        table.add_column("exports")
    for found in rows:
        table.add_row(*_cells(found, shown, measured, extra), *([_exports(found)] if exported else []))
    return table


def shown_number(name: str, value: object) -> str:
    """A metric as text: whole numbers with separators, others with four digits."""
    if not isinstance(value, (int, float)):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if name.endswith("accuracy") else f"{value:.4g}"


def _cells(found: Found, shown: list[str], measured: list[str], extra: list[str]) -> list[str]:
    cells = [str(found.trial)]
    for name in shown:
        cells.append(shown_number(name, found.predicted.get(name, "")))
        if name in measured:
            cells.append(shown_number(name, found.measured.get(name, "")))
    return cells + [shown_number(name, found.measured.get(name, "")) for name in extra]


def _exports(found: Found) -> str:
    return ", ".join(f"{parity.format} {'ok' if parity.ok else 'DIFFERS'}" for parity in found.exports)
