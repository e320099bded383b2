"""Drawings are valid XML that says everything about every node; boxes never overlap or leave the canvas."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas.graph import Architecture, ArchNode, operations
from efficient_nas.graph.drawing import FAMILIES, family
from efficient_nas.graph.layout import layout

SVG = "{http://www.w3.org/2000/svg}"
CELL_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def cell_network(genes: list[int], cells: int) -> Architecture:
    """A chain of NAS-Bench-201 cells on 8 channels: genes are the operations of the six edges."""
    nodes = [ArchNode("input", 3, 3), ArchNode("conv_bn", 3, 8, kernel_size=3)]
    connections = [(0, 1)]

    def add(node: ArchNode, *sources: int) -> int:
        nodes.append(node)
        connections.extend((source, len(nodes) - 1) for source in sources)
        return len(nodes) - 1

    current = 1
    for _ in range(cells):
        states, gene = [current], iter(genes)
        for count in (1, 2, 3):
            made = [add(ArchNode(CELL_OPERATIONS[next(gene)], 8, 8), states[i]) for i in range(count)]
            states.append(add(ArchNode("sum", 8, 8), *made))
        current = states[-1]
    pooled = add(ArchNode("global_avg_pool", 8, 8), current)
    add(ArchNode("output", 10, 10), add(ArchNode("linear", 8, 10), pooled))
    return Architecture(nodes, connections, (3, 16, 16))


def chain(length: int) -> Architecture:
    blocks = [ArchNode("mbconv", 8, 8, kernel_size=5, expansion=6) for _ in range(length)]
    nodes = [ArchNode("input", 8, 8), *blocks, ArchNode("output", 8, 8)]
    return Architecture(nodes, [(i, i + 1) for i in range(len(nodes) - 1)], (8, 16, 16))


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of every node."""
    found = []
    for group in root.findall(f"{SVG}g"):
        rect, circle = group.find(f"{SVG}rect"), group.find(f"{SVG}circle")
        if rect is not None:
            x, y, w, h = (float(rect.attrib[k]) for k in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
        else:
            assert circle is not None
            x, y, r = (float(circle.attrib[k]) for k in ("cx", "cy", "r"))
            found.append((x - r, y - r, x + r, y + r))
    return found


def assert_tidy(root: ET.Element, nodes: int) -> None:
    found = boxes(root)
    assert len(found) == nodes
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    for left, top, right, bottom in found:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
    for i, a in enumerate(found):
        for b in found[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], "two boxes overlap"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=6, max_size=6), st.integers(1, 4))
def test_cells_are_drawn_tidily(genes: list[int], cells: int) -> None:
    architecture = cell_network(genes, cells)
    text = architecture.to_svg()
    root = ET.fromstring(text)
    assert_tidy(root, len(architecture.nodes))
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    for node, title, shape, alive in zip(
        architecture.nodes, titles, architecture.shapes, architecture.alive, strict=True
    ):
        assert title.startswith(f"{node.operation}: {node.input_channels} to {node.output_channels}")
        assert " × ".join(map(str, shape)) in title
        assert title.endswith("dead") == (not alive)
    dashed = [g for g in root.findall(f"{SVG}g") if any("stroke-dasharray" in part.attrib for part in g)]
    assert len(dashed) == architecture.alive.count(False)
    assert text == Architecture.from_json(architecture.to_json()).to_svg()


def test_a_network_of_a_hundred_nodes_continues_in_columns() -> None:
    architecture = cell_network([3, 1, 3, 2, 0, 4], cells=12)
    assert len(architecture.nodes) > 110
    root = ET.fromstring(architecture.to_svg())
    assert_tidy(root, len(architecture.nodes))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert 0.5 < width / height < 3


def test_long_chains_keep_the_size_of_their_labels() -> None:
    root = ET.fromstring(chain(100).to_svg())
    assert_tidy(root, 102)
    labels = [text for text in root.iter(f"{SVG}text") if (text.text or "").startswith("mbconv")]
    assert {text.text for text in labels} == {"mbconv 5×5 e6"}
    assert {text.attrib["font-size"] for text in labels} == {"11.5"}
    ordered = boxes(root)  # down the columns, column after column
    assert all(b[1] > a[1] or b[0] > a[2] for a, b in pairwise(ordered))


def test_repeated_connections_are_counted() -> None:
    nodes = [ArchNode("input", 3, 3), ArchNode("sum", 3, 3), ArchNode("output", 3, 3)]
    root = ET.fromstring(Architecture(nodes, [(0, 1), (0, 1), (0, 1), (1, 2)], (3, 4, 4)).to_svg())
    assert [t.text for t in root.iter(f"{SVG}text") if (t.text or "").startswith("×")] == ["×3"]


def test_nothing_in_the_drawing_refers_to_anything_else() -> None:
    text = cell_network([3, 1, 0, 2, 4, 4], 2).to_svg()
    for forbidden in ("<script", "<style", "href", "url(", " id=", "<?xml"):
        assert forbidden not in text


def test_every_operation_has_a_family() -> None:
    assert {family(name) for name in operations()} <= set(FAMILIES)
    assert family("nor_conv_3x3") == family("conv_bn_relu") == "convolution"
    assert family("mbconv") == family("sep_conv_5x5") == "depthwise"


@st.composite
def dags(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    count = draw(st.integers(2, 40))
    edges = {
        (a, b)
        for b in range(1, count)
        for a in draw(st.lists(st.integers(max(0, b - draw(st.integers(1, 12))), b - 1), max_size=3))
    }
    return count, sorted(edges)


@settings(max_examples=60, deadline=None)
@given(dags())
def test_any_dag_has_a_layout_without_overlaps(dag: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = dag
    sizes = [(40.0 + 13 * (i % 5), 36.0) for i in range(count)]
    placed = layout(sizes, edges, range(count), [0])
    reached = {(a, b) for a, b in placed.segments if a < count and b < count}
    assert reached <= set(edges)
    assert {b for _, b in placed.segments if b < count} == {b for _, b in edges}
    spans = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for x, y, (w, h) in zip(placed.x, placed.y, sizes, strict=False)
    ]
    for i, a in enumerate(spans):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= placed.width and a[3] <= placed.height
        for b in spans[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for a, b in placed.segments:
        bend = placed.bends.get((a, b))
        if bend is None:
            assert placed.y[a] + placed.half[a] < placed.y[b] - placed.half[b]
        else:
            assert all(0 <= x <= placed.width and 0 <= y <= placed.height for x, y in bend)
