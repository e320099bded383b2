"""Architectures as SVG: one box a node, coloured by the family of its operation, from input to output."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from efficient_nas.graph.layout import Layout, layout
from efficient_nas.graph.node import ArchNode

if TYPE_CHECKING:
    from efficient_nas.graph.architecture import Architecture

# Fill and outline. Boxes are light and their text dark, lines are mid-grey: readable on white and on black.
FAMILIES: dict[str, tuple[str, str]] = {
    "end": ("#e2e6ea", "#6b7785"),
    "convolution": ("#cfe3fb", "#3b7dd0"),
    "depthwise": ("#cdeee0", "#2b9168"),
    "pooling": ("#fde3c4", "#cf8224"),
    "shortcut": ("#e6ddf8", "#8463c9"),
    "block": ("#d6dcfa", "#5563cf"),
    "join": ("#f3f4f6", "#6b7785"),
    "normalisation": ("#fbf0bd", "#a98d17"),
    "head": ("#fad7e6", "#c94c86"),
    "dead": ("#eceef0", "#8b939c"),
}
PREFIXES = {
    "input": "end",
    "output": "end",
    "sep_conv": "depthwise",
    "dil_conv": "depthwise",
    "mbconv": "depthwise",
    "max_pool": "pooling",
    "avg_pool": "pooling",
    "skip_connect": "shortcut",
    "factorized_reduce": "shortcut",
    "gate": "shortcut",
    "resnet": "block",
    "sum": "join",
    "concat": "join",
    "bn_relu": "normalisation",
    "global_avg_pool": "head",
    "linear": "head",
    "none": "dead",
}
LINE = "#7f8996"
TEXT, SMALL_TEXT = "#1b2026", "#4a535e"
SIZE, SMALL_SIZE = 11.5, 10.0
WIDE = 0.64  # of the font size: a generous mean width of a letter in sans-serif fonts


def to_svg(architecture: Architecture) -> str:
    """A drawing as SVG text, from the input on top to the output; long networks continue in columns.

    A box says operation, kernel size, expansion (e) and stride (s), and the output shape; its tooltip says
    everything. A circled plus is a sum. Dead nodes are grey and dashed. The text is valid XML without
    scripts, styles, ids or references, so it can stand alone or inside a page; same architecture, same text.
    """
    nodes, shapes, alive = architecture.nodes, architecture.shapes, architecture.alive
    multiplicity = Counter(architecture.connections)
    inputs = [i for i, node in enumerate(nodes) if node.operation == "input"]
    sizes = [_size(node, shape) for node, shape in zip(nodes, shapes, strict=True)]
    placed = layout(sizes, list(multiplicity), architecture.topological_order, inputs)
    parts = _lines(placed, alive, multiplicity)
    for i, node in enumerate(nodes):
        parts.append(_box(node, shapes[i], sizes[i], (placed.x[i], placed.y[i]), alive[i]))
    width, height = f"{placed.width:.0f}", f"{placed.height:.0f}"
    label = f"Network of {len(nodes)} nodes, {architecture.params} parameters, {architecture.macs} MACs"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'font-family="system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif" text-anchor="middle">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def family(operation: str) -> str:
    """The family of an operation, a key of `FAMILIES`."""
    return next((name for start, name in PREFIXES.items() if operation.startswith(start)), "convolution")


def _label(node: ArchNode) -> str:
    parts = [node.operation]
    if node.kernel_size is not None:
        parts.append(f"{node.kernel_size}×{node.kernel_size}")
    if node.operation == "mbconv":
        parts.append(f"e{node.expansion}")
    if node.stride > 1:
        parts.append(f"s{node.stride}")
    return " ".join(parts)


def _dimensions(shape: tuple[int, int, int]) -> str:
    return " × ".join(map(str, shape))


def _size(node: ArchNode, shape: tuple[int, int, int]) -> tuple[float, float]:
    if node.operation == "sum":
        return 20.0, 20.0
    letters = max(len(_label(node)) * SIZE, len(_dimensions(shape)) * SMALL_SIZE)
    return round(letters * WIDE + 16), 36.0


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _box(
    node: ArchNode,
    shape: tuple[int, int, int],
    size: tuple[float, float],
    centre: tuple[float, float],
    alive: bool,
) -> str:
    fill, outline = FAMILIES[family(node.operation) if alive else "dead"]
    x, y = centre
    text, small = (TEXT, SMALL_TEXT) if alive else (SMALL_TEXT, SMALL_TEXT)
    style = f'fill="{fill}" stroke="{outline}"' + ("" if alive else ' stroke-dasharray="4 3"')
    title = f"<title>{escape(_tooltip(node, shape, alive))}</title>"
    if node.operation == "sum":
        x1, x2, y1, y2 = (_number(v) for v in (x - 5, x + 5, y - 5, y + 5))
        cx, cy = _number(x), _number(y)
        plus = f'<path d="M{x1} {cy}H{x2}M{cx} {y1}V{y2}" stroke="{text}" stroke-width="1.5"/>'
        return f'<g>{title}<circle cx="{cx}" cy="{cy}" r="9.5" {style}/>{plus}</g>'
    left, top = _number(x - size[0] / 2), _number(y - size[1] / 2)
    return (
        f'<g>{title}<rect x="{left}" y="{top}" width="{_number(size[0])}" height="{_number(size[1])}" '
        f'rx="6" {style}/>'
        f'<text x="{_number(x)}" y="{_number(y - 3)}" font-size="{SIZE}" font-weight="600" fill="{text}">'
        f"{escape(_label(node))}</text>"
        f'<text x="{_number(x)}" y="{_number(y + 11)}" font-size="{SMALL_SIZE}" fill="{small}">'
        f"{_dimensions(shape)}</text></g>"
    )


def _tooltip(node: ArchNode, shape: tuple[int, int, int], alive: bool) -> str:
    parts = [f"{node.operation}: {node.input_channels} to {node.output_channels} channels"]
    parts += [f"kernel {node.kernel_size}"] if node.kernel_size is not None else []
    parts += [f"expansion {node.expansion}"] if node.operation == "mbconv" else []
    parts += [f"stride {node.stride}", f"output {_dimensions(shape)}"]
    parts += [] if node.affine else ["batch norm without weights"]
    return ", ".join(parts if alive else [*parts, "dead"])


def _lines(placed: Layout, alive: list[bool], multiplicity: Counter[tuple[int, int]]) -> list[str]:
    """The connections; those of a dead node are dashed, an arrow marks where each arrives."""
    count = len(alive)
    origin = {v: v for v in range(count)}
    for a, b in placed.segments:
        if b >= count:
            origin[b] = origin[a]  # segments of a chain come in order, so `a` is known
    below: dict[int, list[int]] = {}
    for a, b in placed.segments:
        below.setdefault(a, []).append(b)

    carries = [*alive, *[False] * (len(placed.x) - count)]
    for v in range(len(carries) - 1, count - 1, -1):  # a dummy's successors have higher numbers
        carries[v] = any(carries[b] for b in below[v])

    parts = []
    for a, b in sorted(placed.segments, key=lambda s: alive[origin[s[0]]] and carries[s[1]]):
        live = alive[origin[a]] and carries[b]
        start = (placed.x[a], placed.y[a] + placed.half[a])
        end = (placed.x[b], placed.y[b] - placed.half[b] - (1 if b < count else 0))
        dash = "" if live else ' stroke-dasharray="3 3" stroke-opacity="0.7"'
        path = _path(start, end, placed.bends.get((a, b), []))
        if b >= count:
            path += f"V{_number(placed.y[b] + placed.half[b])}"
        parts.append(f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.4"{dash}/>')
        if b < count:
            x, y = end
            head = f"M{_number(x - 3.5)} {_number(y - 6)}H{_number(x + 3.5)}L{_number(x)} {_number(y)}Z"
            parts.append(f'<path d="{head}" fill="{LINE}"/>')
            times = multiplicity[origin[a], b]
            if times > 1:
                at = f'x="{_number(x + 6)}" y="{_number(y - 3)}" text-anchor="start"'
                parts.append(f'<text {at} font-size="{SMALL_SIZE}" fill="{LINE}">×{times}</text>')
    return parts


def _path(start: tuple[float, float], end: tuple[float, float], bends: list[tuple[float, float]]) -> str:
    """A straight line where the ends are above each other, a curve otherwise, corners through `bends`."""
    (x1, y1), (x2, y2) = start, end
    here = f"M{_number(x1)} {_number(y1)}"
    if bends:
        return here + "".join(f"L{_number(x)} {_number(y)}" for x, y in [*bends, end])
    if abs(x1 - x2) < 0.5:
        return f"{here}L{_number(x2)} {_number(y2)}"
    middle = _number((y1 + y2) / 2)
    return f"{here}C{_number(x1)} {middle} {_number(x2)} {middle} {_number(x2)} {_number(y2)}"
