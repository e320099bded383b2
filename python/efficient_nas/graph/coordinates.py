"""Horizontal coordinates of an ordered layered drawing: long edges straight, nodes between their neighbours.

Brandes, Köpf 2001, "Fast and simple horizontal coordinate assignment": four alignments of every vertex with
a median neighbour (upper or lower, leftmost or rightmost), each compacted, then averaged. Departures:
compaction is a longest path over blocks with the vertices' own widths, then a pull towards the right
neighbours; and as repeated cells drift apart in all four, vertices then move to the mean of their neighbours
as far as they can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

Rows = Sequence[Sequence[int]]
SWEEPS = 40
Neighbours = Mapping[int, Sequence[int]]


def coordinates(
    rows: Rows,
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    widths: Sequence[float],
    nodes: int,
    gap: float,
) -> dict[int, float]:
    """Centres of the vertices in `rows` that keep their order and `gap` between neighbours.

    above, below: every vertex's neighbours in the layers next to it; those outside `rows` do not count.
    Vertices from `nodes` on are dummies.
    """
    inside = {v for row in rows for v in row}
    upper, lower = ({v: [u for u in side[v] if u in inside] for v in inside} for side in (above, below))
    crossed = _crossed(rows, upper, nodes)
    candidates = []
    for upward in (False, True):
        for mirrored in (False, True):
            view = [row[::-1] if mirrored else row for row in (rows[::-1] if upward else rows)]
            root = _aligned(view, lower if upward else upper, crossed)
            x = _compacted(view, root, widths, gap)
            candidates.append({v: -value for v, value in x.items()} if mirrored else x)
    spans = [(min(x.values()), max(x.values())) for x in candidates]
    low, high = min(spans, key=lambda span: span[1] - span[0])
    shifts = [high - span[1] if i % 2 else low - span[0] for i, span in enumerate(spans)]
    balanced = {
        v: sum(sorted(x[v] + shift for x, shift in zip(candidates, shifts, strict=True))[1:3]) / 2
        for v in inside
    }
    return _gathered(balanced, rows, (upper, lower), widths, nodes, gap)


def _crossed(rows: Rows, above: Neighbours, nodes: int) -> set[tuple[int, int]]:
    """Segments that cross one between two dummies; they give way, so that long edges stay straight."""
    crossed = set()
    for upper, lower in pairwise(rows):
        place = {v: i for i, v in enumerate(upper)}
        left, scan = 0, 0
        for index, v in enumerate(lower):
            inner = [u for u in above[v] if u >= nodes and v >= nodes]
            if not inner and index < len(lower) - 1:
                continue
            right = place[inner[0]] if inner else len(upper) - 1
            for w in lower[scan : index + 1]:
                for u in above[w]:
                    if not left <= place[u] <= right and not (u >= nodes and w >= nodes):
                        crossed.add((u, w))
            left, scan = right, index + 1
    return crossed


def _aligned(view: Rows, near: Neighbours, crossed: set[tuple[int, int]]) -> dict[int, int]:
    """The first vertex of the block that each vertex belongs to; a block is drawn on one vertical line."""
    root = {v: v for row in view for v in row}
    place = {v: i for row in view for i, v in enumerate(row)}
    for row in view:
        last = -1
        for v in row:
            others = sorted(near[v], key=place.__getitem__)
            for u in others[(len(others) - 1) // 2 : len(others) // 2 + 1]:
                free = (u, v) not in crossed and (v, u) not in crossed
                if root[v] == v and last < place[u] and free:
                    root[v] = root[u]
                    last = place[u]
    return root


def _compacted(view: Rows, root: Mapping[int, int], widths: Sequence[float], gap: float) -> dict[int, float]:
    """Centres of all vertices: every block as far left as it can be, then next to its right neighbours."""
    after: dict[int, dict[int, float]] = {root[v]: {} for row in view for v in row}
    waiting = dict.fromkeys(after, 0)
    for row in view:
        for a, b in pairwise(row):
            apart = (widths[a] + widths[b]) / 2 + gap
            if root[b] not in after[root[a]]:
                waiting[root[b]] += 1
            after[root[a]][root[b]] = max(apart, after[root[a]].get(root[b], 0.0))
    order = [block for block, count in waiting.items() if count == 0]
    x = dict.fromkeys(after, 0.0)
    for block in order:  # grows while it is read
        for other, apart in after[block].items():
            x[other] = max(x[other], x[block] + apart)
            waiting[other] -= 1
            if waiting[other] == 0:
                order.append(other)
    for block in reversed(order):
        if after[block]:
            x[block] = max(x[block], min(x[other] - apart for other, apart in after[block].items()))
    return {v: x[block] for v, block in root.items()}


def _gathered(
    x: dict[int, float],
    rows: Rows,
    sides: tuple[Neighbours, Neighbours],
    widths: Sequence[float],
    nodes: int,
    gap: float,
) -> dict[int, float]:
    """The centres after `SWEEPS` rounds in which every vertex moves to the mean of its neighbours.

    A straight run of dummies moves as one, so it stays straight; order and gaps are kept throughout.
    """
    upper, lower = sides
    unit: dict[int, list[int]] = {}
    for v in (v for row in rows for v in row):
        before = upper[v][0] if v >= nodes and upper[v] else -1
        straight = before >= nodes and abs(x[before] - x[v]) < 1e-6
        unit[v] = unit[before] if straight else []
        unit[v].append(v)
    left = {b: a for row in rows for a, b in pairwise(row)}
    right = {a: b for b, a in left.items()}
    units = [members for v, members in unit.items() if members[0] == v]
    near = []
    for members in units:
        up = [(u, _pull(u, v, sides)) for v in members for u in upper[v] if unit[u] is not members]
        down = [(u, _pull(v, u, sides)) for v in members for u in lower[v] if unit[u] is not members]
        near.append(up + down)
    for sweep in range(SWEEPS):
        for members, others in list(zip(units, near, strict=True))[:: 1 if sweep % 2 else -1]:
            if not others:
                continue
            wish = sum(x[u] * pull for u, pull in others) / sum(pull for _, pull in others)
            for v in members:
                if v in right:
                    wish = min(wish, x[right[v]] - (widths[v] + widths[right[v]]) / 2 - gap)
            for v in members:
                if v in left:
                    wish = max(wish, x[left[v]] + (widths[v] + widths[left[v]]) / 2 + gap)
            for v in members:
                x[v] = wish
    return x


def _pull(a: int, b: int, sides: tuple[Neighbours, Neighbours]) -> float:
    """The weight of the segment from `a` down to `b`: high where they have only each other, as in a chain."""
    upper, lower = sides
    return 5.0 if len(lower[a]) == 1 and len(upper[b]) == 1 else 1.0
