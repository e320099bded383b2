"""Canonical forms as docs/design/architectures.md defines them, written plainly, without native code."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass

import networkx as nx
from cost_reference import sources_of

from efficient_nas.graph import Architecture, ArchNode


def is_identity(node: ArchNode) -> bool:
    return node.operation in ("sum", "output") or (node.operation == "skip_connect" and node.stride == 1)


@dataclass
class Simplified:
    """Vertices by node index ("concat value" vertices by name), each a type and a multiset of vertices."""

    types: dict[object, object]
    terms: dict[object, Counter[object]]


def simplify(arch: Architecture) -> Simplified:
    """Recursively from the output, so that only what reaches it is seen."""
    sources = sources_of(arch)
    graph = Simplified({}, {})
    values: dict[int, Counter[object]] = {}

    def received(node: int) -> Counter[object]:
        total: Counter[object] = Counter()
        for source in sources[node]:
            total.update(value(source))
        return total

    def value(node: int) -> Counter[object]:
        if node not in values:
            values[node] = compute(node)
        return values[node]

    def compute(node: int) -> Counter[object]:
        attributes = arch.nodes[node]
        if attributes.operation == "none":
            return Counter()
        if is_identity(attributes):
            return received(node)
        terms: Counter[object] = Counter()
        if attributes.operation == "concat":
            parts = [value(source) for source in sources[node]]
            if not any(parts):
                return Counter()
            for i, part in enumerate(parts):
                graph.types[node, i] = "value of a concat"
                graph.terms[node, i] = part
                terms[node, i] += 1
        elif attributes.operation != "input":
            terms = received(node)
            if not terms:
                return Counter()
        graph.types[node] = astuple(attributes)
        graph.terms[node] = terms
        return Counter([node])

    output = next(i for i, node in enumerate(arch.nodes) if node.operation == "output")
    graph.terms["output"] = value(output)
    graph.types["output"] = astuple(arch.nodes[output])
    kept, stack = set(), ["output"]
    while stack:
        vertex = stack.pop()
        if vertex not in kept:
            kept.add(vertex)
            stack.extend(graph.terms[vertex])
    return Simplified({v: graph.types[v] for v in kept}, {v: graph.terms[v] for v in kept})


def expression(arch: Architecture, interned: dict[object, int]) -> int:
    """A number that two architectures share exactly when their expressions are equal."""
    graph = simplify(arch)
    numbers: dict[object, int] = {}

    def number(vertex: object) -> int:
        if vertex not in numbers:
            terms: Counter[int] = Counter()
            for term, multiplicity in graph.terms[vertex].items():
                terms[number(term)] += multiplicity
            key = (graph.types[vertex], frozenset(terms.items()))
            numbers[vertex] = interned.setdefault(key, len(interned))
        return numbers[vertex]

    return number("output")


def multigraph(arch: Architecture) -> nx.DiGraph:
    graph = simplify(arch)
    result = nx.DiGraph()
    for vertex, kind in graph.types.items():
        result.add_node(vertex, kind=kind)
    for vertex, terms in graph.terms.items():
        for term, multiplicity in terms.items():
            result.add_edge(term, vertex, multiplicity=multiplicity)
    return result


def isomorphic(a: nx.DiGraph, b: nx.DiGraph) -> bool:
    matcher = nx.algorithms.isomorphism.DiGraphMatcher(
        a,
        b,
        node_match=lambda x, y: x["kind"] == y["kind"],
        edge_match=lambda x, y: x["multiplicity"] == y["multiplicity"],
    )
    return bool(matcher.is_isomorphic())
