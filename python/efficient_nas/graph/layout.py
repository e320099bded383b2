"""Where the nodes of a layered drawing go: layers from top to bottom, many of them wrapped into columns.

Sugiyama, Tagawa, Toda 1981, "Methods for visual understanding of hierarchical system structures": layers by
longest path, dummy vertices on long edges, barycenter ordering. Departures: the long edges of one node share
their dummies, so that they are drawn as one line that branches; coordinates are those of Brandes and Köpf in
place of the priority method; layers wrap into columns.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from efficient_nas.graph.coordinates import coordinates

LAYER_GAP = 26.0
NODE_GAP = 14.0
LANE = 7.0
DUMMY_WIDTH = 2.0
ONE_COLUMN_HEIGHT = 900.0
ASPECT = 1.5


@dataclass
class Layout:
    """Vertices 0 to n - 1 are the nodes, the rest dummies; every segment joins neighbouring layers.

    x, y: centres. half: half heights; a dummy is as high as its layer, which its line crosses upright.
    segments: pairs of vertices (upper, lower). bends: for the segments that go on in the next column, the
    points in between. width, height: of everything.
    """

    x: list[float]
    y: list[float]
    half: list[float]
    segments: list[tuple[int, int]]
    bends: dict[tuple[int, int], list[tuple[float, float]]] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0


def layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    order: Sequence[int],
    top: Sequence[int],
) -> Layout:
    """A layout of nodes of the given sizes (width, height) under acyclic edges.

    order: the nodes topologically. top: the nodes that stay in the first layer. Same input, same layout.
    """
    layer, segments = _with_dummies(_layers(len(sizes), edges, order, top), edges)
    above, below = _neighbours(len(layer), segments)
    rows = _ordered(layer, above, below)
    widths = [*(width for width, _ in sizes), *[DUMMY_WIDTH] * (len(layer) - len(sizes))]
    heights = [max((sizes[v][1] for v in row if v < len(sizes)), default=0.0) for row in rows]
    half = [sizes[v][1] / 2 if v < len(sizes) else heights[layer[v]] / 2 for v in range(len(layer))]
    result = Layout([0.0] * len(layer), [0.0] * len(layer), half, segments)
    starts = _columns(rows, heights, widths, above)
    columns = [rows[a:b] for a, b in zip(starts, [*starts[1:], len(rows)], strict=True)]
    for column in columns:
        _set_x(result.x, column, above, below, widths, len(sizes))
    _place(result, columns, starts, heights, widths, above)
    return result


def _layers(
    count: int, edges: Sequence[tuple[int, int]], order: Sequence[int], top: Sequence[int]
) -> list[int]:
    """Longest-path layers; then nodes with at most one predecessor sink towards their first successor.

    Sinking never makes the drawing's lines longer, as all lines that leave a node share one way down, and it
    leaves one long line where there would be one for each of a node's successors.
    """
    layer = [0] * count
    before: list[set[int]] = [set() for _ in range(count)]
    after: list[set[int]] = [set() for _ in range(count)]
    for a, b in edges:
        before[b].add(a)
        after[a].add(b)
    for a in order:
        for b in after[a]:
            layer[b] = max(layer[b], layer[a] + 1)
    for a in reversed(order):
        if after[a] and len(before[a]) <= 1 and a not in top:
            layer[a] = min(layer[b] for b in after[a]) - 1
    return layer


def _with_dummies(
    layer: list[int], edges: Sequence[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    layer = list(layer)
    segments: dict[tuple[int, int], None] = {}
    chains: dict[int, list[int]] = {}
    for a, b in edges:
        chain = chains.setdefault(a, [a])
        while len(chain) < layer[b] - layer[a]:
            layer.append(layer[a] + len(chain))
            segments[chain[-1], len(layer) - 1] = None
            chain.append(len(layer) - 1)
        segments[chain[layer[b] - layer[a] - 1], b] = None
    return layer, list(segments)


def _neighbours(count: int, segments: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for a, b in segments:
        above[b].append(a)
        below[a].append(b)
    return above, below


def _ordered(
    layer: Sequence[int], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]], passes: int = 8
) -> list[list[int]]:
    """The vertices of every layer from left to right; the best of several barycenter sweeps."""
    rows: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for vertex, row in enumerate(layer):
        rows[row].append(vertex)
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(passes):
        down = sweep % 2 == 0
        others = above if down else below
        sequence = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for index in sequence:
            fixed = {v: i for i, v in enumerate(rows[index - 1 if down else index + 1])}
            place = {v: i for i, v in enumerate(rows[index])}
            centre = {
                v: sum(fixed[u] for u in others[v]) / len(others[v]) if others[v] else float(place[v])
                for v in rows[index]
            }
            rows[index].sort(key=lambda v: (centre[v], place[v]))
        count = _crossings(rows, below)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
        if fewest == 0:
            break
    return best


def _crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    total = 0
    for upper, lower in pairwise(rows):
        place = {v: i for i, v in enumerate(lower)}
        seen: list[int] = []
        for a in upper:
            ends = sorted(place[b] for b in below[a])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _columns(
    rows: Sequence[Sequence[int]],
    heights: Sequence[float],
    widths: Sequence[float],
    above: Sequence[Sequence[int]],
) -> list[int]:
    """First layers of the columns, broken where few lines pass, for a drawing of pleasant proportions."""
    tops = [0.0]
    for height in heights:
        tops.append(tops[-1] + height + LAYER_GAP)
    if tops[-1] <= ONE_COLUMN_HEIGHT:
        return [0]
    width = max(sum(widths[v] + NODE_GAP for v in row) for row in rows)
    count = max(1, round(math.sqrt(ASPECT * tops[-1] / (width + 2 * LAYER_GAP))))
    lines = [len({u for v in row for u in above[v]}) for row in rows]
    starts = [0]
    for column in range(1, count):
        aim, slack = tops[-1] * column / count, 0.2 * tops[-1] / count
        near = [i for i in range(starts[-1] + 1, len(rows)) if abs(tops[i] - aim) <= slack]
        if near:
            starts.append(min(near, key=lambda i: (lines[i], abs(tops[i] - aim))))
    return starts


def _set_x(
    x: list[float],
    rows: Sequence[Sequence[int]],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    widths: Sequence[float],
    nodes: int,
) -> None:
    """Centres within one column. Vertices alone in their layer form a spine, what lies between is centred."""
    for v, value in coordinates(rows, above, below, widths, nodes, NODE_GAP).items():
        x[v] = value
    start = 0
    for index in range(len(rows) + 1):
        if index < len(rows) and len(rows[index]) > 1:
            continue
        block = [v for row in rows[start:index] for v in row]
        if block:
            middle = min(x[v] - widths[v] / 2 for v in block) + max(x[v] + widths[v] / 2 for v in block)
            for v in block:
                x[v] -= middle / 2
        if index < len(rows):
            x[rows[index][0]] = 0.0
        start = index + 1


def _place(
    result: Layout,
    columns: Sequence[Sequence[Sequence[int]]],
    starts: Sequence[int],
    heights: Sequence[float],
    widths: Sequence[float],
    above: Sequence[Sequence[int]],
) -> None:
    """Sets y, puts the columns side by side, and bends the lines from the end of one to the next."""
    passing = [list(dict.fromkeys(u for v in column[0] for u in above[v])) for column in columns[1:]]
    lanes = LANE * max((len(sources) for sources in passing), default=0)
    top = 1.0 + (lanes + LAYER_GAP / 2 if lanes else 0.0)
    edge, bottom = 1.0, 0.0
    for number, (column, start) in enumerate(zip(columns, starts, strict=True)):
        vertices = [v for row in column for v in row]
        shift = edge - min(result.x[v] - widths[v] / 2 for v in vertices)
        y = top
        for row, height in zip(column, heights[start:], strict=False):
            for v in row:
                result.x[v] += shift
                result.y[v] = y + height / 2
            y += height + LAYER_GAP
        edge = max(result.x[v] + widths[v] / 2 for v in vertices) + LAYER_GAP
        bottom = max(bottom, y - LAYER_GAP)
        if number < len(passing):
            # From left to right: lower below this column, further right beside it, lower above the next.
            sources = sorted(passing[number], key=lambda u: result.x[u])
            for rank, u in enumerate(sources):
                lane = LANE * (len(sources) - 1 - rank)
                low, over = y - LAYER_GAP / 2 + lane, top - LAYER_GAP / 2 - LANE * rank
                bottom = max(bottom, low)
                for v in columns[number + 1][0]:
                    if u in above[v]:
                        result.bends[u, v] = [(result.x[u], low), (edge + lane, low), (edge + lane, over)]
            edge += LANE * len(sources) + LAYER_GAP
    for (u, v), bend in result.bends.items():
        result.bends[u, v] = [*bend, (result.x[v], bend[-1][1])]
    result.width, result.height = edge - LAYER_GAP + 1.0, bottom + 1.0
