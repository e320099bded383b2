"""The section on a supernet: how it learned, what it came to prefer, and whether that can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from efficient_nas.reports.display import MISSING, Display, display, finite
from efficient_nas.reports.markup import Cell, details, escape, lead, number, table, text, verdict
from efficient_nas.reports.supernet_curves import Chart, charts
from efficient_nas.reports.supernet_data import Alphas, SupernetData
from efficient_nas.supernet.diagnosis import POOL_NORMS, RankCorrelation
from efficient_nas.types import Parity

MAX_EPOCH_ROWS = 100
POOL_NORMS_NOTE = (
    "DARTS searches with norms behind pools and derives networks without, as published. The first row says "
    "how much that changes; the others compare without these norms."
)
NOTES = {
    "entropy": "Entropy is a share of its largest value: 100 % where alpha prefers nothing.",
    "eigenvalue": "The eigenvalue is the dominant one of the Hessian of the validation loss in alpha; "
    "where it rises, derived networks tend to fall behind.",
}


def supernet(data: SupernetData | None) -> str:
    """Curves by epoch, final alphas, rank correlation and equality of networks, as far as there are any."""
    if data is None or not data.records:
        return ""
    parts = [_training(data), _alphas(data), _reach(data.unreached)]
    return "\n".join([*parts, _ranks(data.ranks), _parity(data.parity)])


def _training(data: SupernetData) -> str:
    spent = sum(record.seconds for record in data.records)
    seconds = display("seconds", [spent]).text(spent, unit=True)
    epochs = f"{len(data.records)} epoch{'s' if len(data.records) > 1 else ''}"
    note = f"Supernet {data.kind}: {epochs} in {seconds}."
    if data.stopped:
        note += f" Stopped early: {data.stopped}."
    if data.returned_to is not None:
        note += f" The architecture is that of epoch {data.returned_to} (dotted line)."
    drawn = charts(data)
    notes = [NOTES[chart.key] for chart in drawn if chart.key in NOTES]
    hosts = "".join(
        f'<div><div class="legend" id="supernet-{chart.key}-legend"></div>'
        f'<div class="chart" id="supernet-{chart.key}"></div></div>'
        for chart in drawn
    )
    listing = details("The epochs as a table", _epoch_table(data, drawn))
    return f'{lead(" ".join([note, *notes]))}<div class="columns">{hosts}</div>{listing}'


def _epoch_table(data: SupernetData, drawn: Sequence[Chart]) -> str:
    """One row an epoch, evenly thinned out beyond `MAX_EPOCH_ROWS`, the last one always among them."""
    last = len(data.records) - 1
    stride = -(-len(data.records) // MAX_EPOCH_ROWS)
    rows = [
        [number(str(data.records[i].epoch))]
        + [number(chart.scale.text(curve.values[i])) for chart in drawn for curve in chart.curves]
        for i in range(last % stride, last + 1, stride)
    ]
    heads = [Cell("Epoch"), *(Cell(escape(curve.name)) for chart in drawn for curve in chart.curves)]
    groups = [("", 1), *((chart.scale.heading, len(chart.curves)) for chart in drawn)]
    return table("Training and diagnosis by epoch", heads, rows, groups)


def _alphas(data: SupernetData) -> str:
    if not data.alphas:
        return ""
    note = "Probability of each candidate at the end; the deeper the colour, the more an edge prefers it."
    tables = "".join(_heat_map(name, alphas) for name, alphas in data.alphas.items())
    return f'<h3>Architecture parameters</h3>{lead(note)}<div class="stack">{tables}</div>'


def _heat_map(name: str, alphas: Alphas) -> str:
    rows = [
        [text(edge), *_heat(values)] for edge, values in zip(alphas.edges, alphas.probabilities, strict=True)
    ]
    heads = [text("Edge"), *(Cell(escape(operation)) for operation in alphas.operations)]
    return f"<div>{table(f'Cell {name}' if name != 'cell' else 'The cell', heads, rows)}</div>"


def _heat(values: Sequence[float]) -> Iterable[Cell]:
    best = max(values)
    for value in values:
        digits = f'<span class="heat" style="--share: {value:.3f}">{value:.3f}</span>'
        yield Cell(digits, "best" if value == best else "")


def _reach(unreached: Sequence[str] | None) -> str:
    """Whether every candidate could learn; the names of those that could not."""
    if unreached is None:
        return ""
    if not unreached:
        note = "When last measured, a gradient reached every architecture parameter and every candidate."
        return f"<p>{escape(note)}</p>"
    note = f"No gradient reached {len(unreached)} architecture parameters or candidates when last measured."
    names = table("Not reached", [text("Name")], [[text(name)] for name in unreached])
    return f'<p class="note">{escape(note)}</p>' + details("Their names", names)


def _ranks(ranks: RankCorrelation | None) -> str:
    if ranks is None:
        return ""
    note = (
        f"Kendall’s tau {_tau(ranks.tau)}, {ranks.confidence:.0%} interval {_tau(ranks.low)} to "
        f"{_tau(ranks.high)} (bootstrap over {len(ranks.shared)} networks). 1: both rank alike; 0: one says "
        "nothing about the other."
    )
    scale = Display("accuracy", "Accuracy", "%", 100.0, 2)
    pairs = sorted(zip(ranks.stand_alone, ranks.shared, strict=True), reverse=True)
    rows = [[number(scale.text(alone)), number(scale.text(shared))] for alone, shared in pairs]
    heads = [Cell("Trained alone (%)"), Cell("With shared weights (%)")]
    return (
        "<h3>Shared weights against training alone</h3>"
        + lead(note)
        + '<div class="columns"><div class="chart" id="supernet-ranks"></div></div>'
        + details("The networks as a table", table("Accuracy of each network", heads, rows))
    )


def _tau(value: float) -> str:
    return f"{value:+.3f}" if finite(value) is not None else MISSING


def _parity(parities: Sequence[Parity]) -> str:
    if not parities:
        return ""
    rows = [
        [
            text(parity.format),
            number(f"{parity.max_abs_error:.2g}"),
            number(f"{parity.tolerance:.2g}"),
            text("left out, as published") if parity.format == POOL_NORMS else verdict(parity),
        ]
        for parity in parities
    ]
    heads = [text("Network"), Cell("Largest difference"), Cell("Allowed"), text("Verdict")]
    caption = "Logits of the searched network (one path of the supernet) against what became of it"
    note = lead(POOL_NORMS_NOTE) if any(parity.format == POOL_NORMS for parity in parities) else ""
    return "<h3>Searched, derived, exported</h3>" + note + table(caption, heads, rows)
