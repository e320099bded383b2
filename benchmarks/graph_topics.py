"""Canonical hashes of architectures that are built already: the general path, for any graph."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import networkx as nx

from efficient_nas.graph import Architecture, ArchNode
from harness import measure, ratio, table

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
