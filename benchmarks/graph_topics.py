"""Canonical hashes: of architectures that are built already, and of cells given as matrices."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt

from efficient_nas.graph import Architecture, ArchNode, dag_canonical_bytes, dag_canonical_hash
from harness import measure, ratio, table
from peers import installed, left_out

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def graphs(rounds: int) -> str:
    """Canonical hashes of `Architecture` objects, against the Weisfeiler-Lehman hash of networkx."""
    generator = random.Random(0)
    cells = [nasbench201_cell(generator.choices(OPERATIONS, k=6)) for _ in range(1000)]
    few = cells[:50]
    as_networkx = [networkx_graph(cell) for cell in few]
    symmetric = [parallel_branches(20, 3)]
    calls: dict[str, Callable[[], object]] = {
        "NAS-Bench-201 cell, graph": lambda: [cell.canonical_hash() for cell in cells],
        "NAS-Bench-201 cell, expression": lambda: [cell.canonical_hash("expression") for cell in cells],
        "NAS-Bench-201 cell, networkx": lambda: [
            nx.weisfeiler_lehman_graph_hash(graph, node_attr="operation") for graph in as_networkx
        ],
        "20 equal branches of 3, graph": lambda: [arch.canonical_hash() for arch in symmetric],
    }
    items = dict(zip(calls, (len(cells), len(cells), len(few), 1), strict=True))
    timings = measure(calls, items, rounds)
    peer = timings["NAS-Bench-201 cell, networkx"]
    rows = [
        [name, timing.items_per_second, f"{timing.spread:.0%}", f"{ratio(peer, timing):,.0f}x"]
        for name, timing in timings.items()
    ]
    note = (
        "Calls from Python on one core, simplification included. networkx hashes the graph as it is, dead "
        "nodes and all, and may confuse graphs; the canonical bytes behind our hash are exact."
    )
    return "\n".join([note, "", table(["graph", "hashes/s", "spread", "against networkx"], rows)])


def nasbench201_cell(operations: list[str]) -> Architecture:
    """A cell of four states (arXiv:2001.00326): one operation on every edge, in the benchmark's order."""
    nodes, connections, states = [ArchNode("input", 16, 16)], [], [0]
    chosen = iter(operations)
    for state in range(1, 4):
        edges = [(states[source], len(nodes) + source) for source in range(state)]
        nodes += [ArchNode(next(chosen), 16, 16) for _ in edges]
        connections += [*edges, *((edge, len(nodes)) for _, edge in edges)]
        states.append(len(nodes))
        nodes.append(ArchNode("output" if state == 3 else "sum", 16, 16))
    return Architecture(nodes, connections, (16, 32, 32))


def parallel_branches(branches: int, length: int) -> Architecture:
    """Many automorphisms: the worst case for a search without pruning."""
    nodes, connections = [ArchNode("input", 16, 16)], []
    output = 1 + branches * length
    for branch in range(branches):
        path = [0, *range(1 + branch * length, 1 + (branch + 1) * length), output]
        connections += itertools.pairwise(path)
    nodes += [ArchNode("nor_conv_3x3", 16, 16)] * (branches * length)
    return Architecture([*nodes, ArchNode("output", 16, 16)], connections, (16, 32, 32))


def networkx_graph(arch: Architecture) -> nx.DiGraph:
    graph = nx.DiGraph(arch.connections)
    nx.set_node_attributes(graph, {i: node.operation for i, node in enumerate(arch.nodes)}, "operation")
    return graph


def labelled_dags(rounds: int) -> str:
    """Canonical hashes of NAS-Bench-101 cells, against the benchmark's own and pynauty's."""
    if not installed("pynauty"):
        return left_out(["pynauty"]) + " Without it nothing is timed: its certificates tell the true classes."
    import pynauty

    n, few = 20_000, 300
    adjacency, labels = nasbench101_cells(n)
    matrices, ends = adjacency[:few].tolist(), labels[:few].tolist()
    pairs = list(zip(matrices, ends, strict=True))
    built = [pynauty_graph(pynauty, *pair) for pair in pairs]
    check_equal_classes(pynauty, adjacency[:5000], labels[:5000])
    calls: dict[str, Callable[[], object]] = {
        "dag_canonical_hash": lambda: dag_canonical_hash(adjacency, labels),
        "dag_canonical_hash, prune": lambda: dag_canonical_hash(adjacency, labels, prune=True),
        "dag_canonical_bytes": lambda: dag_canonical_bytes(adjacency, labels),
        "NAS-Bench-101's hash": lambda: [nasbench101_hash(*pair) for pair in pairs],
        "pynauty, with its graph": lambda: [
            pynauty.certificate(pynauty_graph(pynauty, *pair)) for pair in pairs
        ],
        "pynauty, graph given": lambda: [pynauty.certificate(graph) for graph in built],
    }
    items = {name: n if name.startswith("dag") else few for name in calls}
    timings = measure(calls, items, rounds)
    ours = timings["dag_canonical_hash"]
    rows = [
        [
            name,
            timing.items_per_second,
            timing.nanoseconds_per_item,
            f"{timing.spread:.0%}",
            "" if name.startswith("dag") else f"{ratio(timing, ours):,.0f}x",
        ]
        for name, timing in timings.items()
    ]
    note = (
        "Random cells of 7 vertices, up to 9 edges and 3 operations, all on paths from input to output. "
        "Targets: 200x NAS-Bench-101's own hash, 25x pynauty with building its graph. On 5,000 of the cells "
        "the classes of our bytes, our hash, NAS-Bench-101's hash and pynauty's certificates were found "
        "equal before. The peers get Python lists, which they read faster than arrays."
    )
    columns = ["call", "cells/s", "ns a cell", "spread", "dag_canonical_hash is faster"]
    return "\n".join([note, "", table(columns, rows)])


def nasbench101_cells(n: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """adjacency uint8 [n, 7, 7], upper triangular, and labels int32 [n, 7]: -1 input, -2 output, 0 to 2."""
    generator = np.random.default_rng(0)
    kept, found = [], 0
    while found < n:
        drawn = np.triu(generator.integers(0, 2, (4 * n, 7, 7), dtype=np.uint8), 1)
        full = drawn[:, :-1].any(2).all(1) & drawn[:, :, 1:].any(1).all(1)  # every vertex has both neighbours
        kept.append(drawn[full & (drawn.sum((1, 2)) <= 9)])
        found += len(kept[-1])
    labels = generator.integers(0, 3, (n, 7)).astype(np.int32)
    labels[:, 0], labels[:, -1] = -1, -2
    return np.ascontiguousarray(np.concatenate(kept)[:n]), labels


def nasbench101_hash(matrix: Sequence[Sequence[int]], labels: Sequence[int]) -> str:
    """Iterated hashing as NAS-Bench-101 deduplicates cells (Ying et al. 2019, arXiv:1902.09635, section 2.2).

    Every vertex starts from its degrees and label. As often as there are vertices, it takes up the hashes of
    the vertices before and behind it, sorted, by md5; the cell's hash is that of the sorted hashes.
    """
    vertices = range(len(labels))
    sources = [[u for u in vertices if matrix[u][v]] for v in vertices]
    targets = [[w for w in vertices if matrix[v][w]] for v in vertices]
    hashes = [md5(str((len(targets[v]), len(sources[v]), labels[v]))) for v in vertices]
    for _ in vertices:
        hashes = [
            md5(
                "|".join(
                    (
                        "".join(sorted([hashes[u] for u in sources[v]])),
                        "".join(sorted([hashes[w] for w in targets[v]])),
                        hashes[v],
                    )
                )
            )
            for v in vertices
        ]
    return md5(str(sorted(hashes)))


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def pynauty_graph(pynauty: Any, matrix: Sequence[Sequence[int]], labels: Sequence[int]) -> Any:
    """A coloured directed graph; certificates are comparable for equal numbers of each label."""
    edges = {v: [w for w, edge in enumerate(row) if edge] for v, row in enumerate(matrix)}
    colours: dict[int, set[int]] = {}
    for v, label in enumerate(labels):
        colours.setdefault(label, set()).add(v)
    coloring = [colours[label] for label in sorted(colours)]
    return pynauty.Graph(len(labels), directed=True, adjacency_dict=edges, vertex_coloring=coloring)


def check_equal_classes(
    pynauty: Any, adjacency: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]
) -> None:
    """RuntimeError unless our bytes and hash, NAS-Bench-101's hash and pynauty find the same cells equal."""
    pairs = list(zip(adjacency.tolist(), labels.tolist(), strict=True))
    keys: list[list[Any]] = [
        dag_canonical_bytes(adjacency, labels),
        dag_canonical_hash(adjacency, labels).tolist(),
        [nasbench101_hash(*pair) for pair in pairs],
        [(tuple(sorted(pair[1])), pynauty.certificate(pynauty_graph(pynauty, *pair))) for pair in pairs],
    ]
    classes = {len(set(column)) for column in [*keys, list(zip(*keys, strict=True))]}
    if len(classes) != 1:
        raise RuntimeError(f"the methods find different numbers of classes: {sorted(classes)}")
