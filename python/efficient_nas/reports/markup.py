"""Small pieces of HTML. Every text that comes from data passes through `escape`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from efficient_nas.types import Parity


def escape(value: object) -> str:
    """Text that is safe in an element and in a quoted attribute."""
    return html.escape(str(value), quote=True)


@dataclass(frozen=True)
class Cell:
    """A table cell over so many columns: `html` is markup that is already escaped."""

    html: str
    css: str = ""
    columns: int = 1


def text(value: object, css: str = "left") -> Cell:
    """A cell with plain text."""
    return Cell(escape(value), css)


def number(value: str, best: bool = False) -> Cell:
    """A cell with a formatted number, set off when it is the best of its column."""
    return Cell(escape(value), "best" if best else "")


def architecture(value: str) -> Cell:
    """A cell with an architecture in its space's notation."""
    return Cell(f'<span class="architecture">{escape(value)}</span>', "left wide")


def table(
    caption: str,
    heads: Sequence[Cell],
    rows: Iterable[Sequence[Cell]],
    groups: Sequence[tuple[str, int]] = (),
) -> str:
    """A table in a box that scrolls sideways. groups: a first header row of (text, columns)."""
    label = escape(caption)
    lines = [
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">',
        f"<table><caption>{label}</caption><thead>",
    ]
    if groups:
        lines.append(_row(f'<th colspan="{n}" scope="colgroup">{escape(name)}</th>' for name, n in groups))
    lines.append(_row(f'<th{_attributes(c)} scope="col">{c.html}</th>' for c in heads))
    lines.append("</thead><tbody>")
    lines.extend(_row(f"<td{_attributes(c)}>{c.html}</td>" for c in row) for row in rows)
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _attributes(cell: Cell) -> str:
    span = f' colspan="{cell.columns}"' if cell.columns > 1 else ""
    return (f' class="{cell.css}"' if cell.css else "") + span


def verdict(parity: Parity) -> Cell:
    """A cell that says whether two networks are the same function."""
    css, words = ("yes", "✓ same") if parity.ok else ("no", "✗ differs")
    return Cell(f'<span class="{css}">{words}</span>', "left")


def facts(values: Iterable[tuple[str, Any]]) -> str:
    """A list of names and values."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in values)
    return f'<dl class="facts">{rows}</dl>'


def details(summary: str, content: str) -> str:
    """Content that is folded away until it is asked for."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def lead(content: str) -> str:
    """The sentence under a heading; plain text."""
    return f'<p class="lead">{escape(content)}</p>'
