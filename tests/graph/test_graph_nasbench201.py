"""Canonical classes of all 15,625 cells of NAS-Bench-201 (arXiv:2001.00326)."""

import csv
import gzip
from pathlib import Path

from efficient_nas.graph import Architecture, ArchNode


def cell(text: str) -> Architecture:
    """The cell of a string like `|conv~0|+|none~0|skip_connect~1|+|...|`: an operation on every edge."""
    nodes, connections = [ArchNode("input", 16, 16)], []
    states = [0]
    for group in text.split("+"):
        incoming = []
        for token in group.strip("|").split("|"):
            operation, state = token.split("~")
            connections.append((states[int(state)], len(nodes)))
            incoming.append(len(nodes))
            nodes.append(ArchNode(operation, 16, 16))
        connections += [(i, len(nodes)) for i in incoming]
        states.append(len(nodes))
        nodes.append(ArchNode("sum", 16, 16))
    connections.append((states[-1], len(nodes)))
    nodes.append(ArchNode("output", 16, 16))
    return Architecture(nodes, connections, (16, 32, 32))


def test_classes_of_all_cells(data_dir: Path) -> None:
    path = data_dir / "nasbench201_accuracy" / "nats_bench_200epochs_cifar10.csv.gz"
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    graph, expression, unique = set(), set(), set()
    graph_and_expression, unique_and_expression = set(), set()
    for row in rows:
        arch = cell(row["ArchitectureString"])
        a, b, c = arch.canonical_bytes("graph"), arch.canonical_bytes("expression"), row["UniqueString"]
        graph.add(a)
        expression.add(b)
        unique.add(c)
        graph_and_expression.add((a, b))
        unique_and_expression.add((c, b))
    assert (len(rows), len(unique)) == (15_625, 6_466)
    assert len(graph) == 5_425
    assert len(expression) == 4_930
    assert len(graph_and_expression) == len(graph)  # each graph class lies in one expression class
    assert len(unique_and_expression) == len(unique)  # and so does each published string
