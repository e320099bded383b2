"""Canonical bytes against plain references: exact for any graph, whatever the order of nodes."""

import random
from collections import Counter
from collections.abc import Iterable

import networkx as nx
import pytest
from canonical_reference import expression, isomorphic, multigraph
from hypothesis import given, settings
from hypothesis import strategies as st
from random_architectures import architectures, cells, random_cell, relabel

from efficient_nas.graph import Architecture, ArchNode

INPUT, OUTPUT, SUM, SKIP = (ArchNode(name, 4, 4) for name in ("input", "output", "sum", "skip_connect"))
CONV, CONV3 = ArchNode("nor_conv_1x1", 4, 4), ArchNode("nor_conv_3x3", 4, 4)


def cell(nodes: Iterable[ArchNode], connections: Iterable[tuple[int, int]]) -> Architecture:
    return Architecture([INPUT, *nodes, OUTPUT], connections, (4, 4, 4))


def layers(counts: Iterable[int], edges: Iterable[tuple[tuple[int, int], tuple[int, int]]]) -> Architecture:
    """Convolutions in layers, edges between (layer, index); input and output are joined to the ends."""
    nodes, index = [], {}
    for layer, count in enumerate(counts):
        for i in range(count):
            nodes.append(CONV3)
            index[layer, i] = len(nodes)
    last = max(layer for layer, _ in index)
    connections = [(index[a], index[b]) for a, b in edges]
    connections += [(0, v) for (layer, _), v in index.items() if layer == 0]
    connections += [(v, len(nodes) + 1) for (layer, _), v in index.items() if layer == last]
    return cell(nodes, connections)


@given(architectures(), st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_order_of_nodes_and_connections_does_not_matter(arch: Architecture, seed: int) -> None:
    # The order of concatenated inputs does not matter either, so every connection may move.
    other = relabel(arch, seed)
    for kind in ("graph", "expression"):
        assert other.canonical_bytes(kind) == arch.canonical_bytes(kind)
        assert other.canonical_hash(kind) == arch.canonical_hash(kind)


def check_classes(population: list[Architecture]) -> None:
    """Native classes of a population against networkx and plain expressions."""
    interned: dict[object, int] = {}
    by_bytes: dict[bytes, nx.DiGraph] = {}
    by_invariant: dict[object, dict[bytes, nx.DiGraph]] = {}
    for arch in population:
        graph = multigraph(arch)
        key = arch.canonical_bytes("graph")
        if key in by_bytes:
            assert isomorphic(by_bytes[key], graph)
            continue
        by_bytes[key] = graph
        degrees = Counter((data["kind"], graph.degree(v)) for v, data in graph.nodes(data=True))
        others = by_invariant.setdefault(frozenset(degrees.items()), {})
        assert not any(isomorphic(other, graph) for other in others.values())
        others[key] = graph
    pairs = {(arch.canonical_bytes("expression"), expression(arch, interned)) for arch in population}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    nested = {(arch.canonical_bytes("graph"), arch.canonical_bytes("expression")) for arch in population}
    assert len(nested) == len(by_bytes)


@given(st.integers(0, 2**32 - 1), st.sampled_from((3, 5, 7)))
@settings(max_examples=15)
def test_classes_of_random_cells(seed: int, size: int) -> None:
    rng = random.Random(seed)
    few = ("nor_conv_3x3", "nor_conv_3x3", "skip_connect", "concat", "sum")
    population = [random_cell(rng, size, few) for _ in range(60)]
    check_classes(population + [relabel(arch, i) for i, arch in enumerate(population[:20])])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_classes_of_regular_graphs(seed: int) -> None:
    """Every vertex of a layer looks alike to colour refinement; only the search tells these apart."""
    rng = random.Random(seed)
    population = []
    for _ in range(12):
        edges = Counter()
        for _ in range(2):
            for i, j in enumerate(rng.sample(range(6), 6)):
                edges[(0, i), (1, j)] += 1
        population.append(layers((6, 6), edges.elements()))
    check_classes(population + [relabel(arch, i) for i, arch in enumerate(population)])


@given(cells())
def test_a_rewired_copy_is_told_apart_exactly(arch: Architecture) -> None:
    """All copies in which one connection comes from another node."""
    order = {node: i for i, node in enumerate(arch.topological_order)}
    population = [arch]
    for k, (_, target) in enumerate(arch.connections):
        for source, node in enumerate(arch.nodes):
            if order[source] < order[target] and node.output_channels == 4:
                changed = [*arch.connections[:k], (source, target), *arch.connections[k + 1 :]]
                try:
                    population.append(Architecture(arch.nodes, changed, arch.input_shape))
                except ValueError:
                    continue  # shapes no longer fit
    check_classes(population[:40])


def test_sharing_counts_for_graphs_only() -> None:
    shared = cell([CONV, CONV3, CONV3], [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)])
    twice = cell([CONV, CONV, CONV3, CONV3], [(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 5)])
    assert shared.canonical_bytes("expression") == twice.canonical_bytes("expression")
    assert shared.canonical_bytes("graph") != twice.canonical_bytes("graph")
    assert shared.canonical_bytes() == shared.canonical_bytes("graph")


def test_identities_sums_and_zeros_are_flattened_with_multiplicity() -> None:
    none = ArchNode("none", 4, 4)
    long = cell(
        [SKIP, SUM, none, SKIP, CONV], [(0, 1), (1, 2), (0, 2), (0, 3), (2, 4), (3, 4), (4, 5), (5, 6)]
    )
    short = cell([CONV], [(0, 1), (0, 1), (1, 2)])
    once = cell([CONV], [(0, 1), (1, 2)])
    for kind in ("graph", "expression"):
        assert long.canonical_bytes(kind) == short.canonical_bytes(kind)
        assert once.canonical_bytes(kind) != short.canonical_bytes(kind)


def test_every_attribute_counts() -> None:
    strided = [
        ArchNode("conv_bn", 4, 4, kernel_size=3),
        ArchNode("conv_bn", 4, 4, kernel_size=3, affine=False),
        ArchNode("conv_bn", 4, 4, kernel_size=5),
        ArchNode("conv_bn", 4, 4, kernel_size=3, stride=2),
        ArchNode("conv", 4, 4, kernel_size=3),
        ArchNode("mbconv", 4, 4, kernel_size=3),
        ArchNode("mbconv", 4, 4, kernel_size=3, expansion=2),
        ArchNode("skip_connect", 4, 4, stride=2),
    ]
    for kind in ("graph", "expression"):
        keys = {cell([node], [(0, 1), (1, 2)]).canonical_bytes(kind) for node in strided}
        assert len(keys) == len(strided)


def test_concat_takes_a_multiset_of_values() -> None:
    def concat(*values: list[int]) -> Architecture:
        """Convolutions 1 and 2, a sum for each value, their concatenation."""
        nodes, connections = [CONV, CONV3], [(0, 1), (0, 2)]
        for value in values:
            nodes.append(SUM)
            connections += [(term, len(nodes)) for term in value]
        nodes.append(ArchNode("concat", 4, 4 * len(values)))
        connections += [(3 + i, len(nodes)) for i in range(len(values))]
        nodes.append(ArchNode("nor_conv_1x1", 4 * len(values), 4))
        connections += [(len(nodes) - 1, len(nodes)), (len(nodes), len(nodes) + 1)]
        return cell(nodes, connections)

    same = [concat([1, 2], [1]), concat([1], [2, 1])]
    different = [concat([1, 2], [2]), concat([1, 1], [2]), concat([1], [1]), concat([1, 1], [1, 1])]
    for kind in ("graph", "expression"):
        assert len({arch.canonical_bytes(kind) for arch in same}) == 1
        assert len({arch.canonical_bytes(kind) for arch in same + different}) == 5


def parallel_branches(lengths: Iterable[int]) -> Architecture:
    nodes, connections = [], []
    for length in lengths:
        connections += [(0, len(nodes) + 1), (len(nodes) + length, -1)]
        connections += [(len(nodes) + i, len(nodes) + i + 1) for i in range(1, length)]
        nodes += [CONV3] * length
    output = len(nodes) + 1
    return cell(nodes, [(a, output if b < 0 else b) for a, b in connections])


def complete_layers(width: int, depth: int) -> Architecture:
    edges = [((k, i), (k + 1, j)) for k in range(depth - 1) for i in range(width) for j in range(width)]
    return layers([width] * depth, edges)


SYMMETRIC = {
    "20 branches of 3": lambda: parallel_branches([3] * 20),
    "21 branches of 3": lambda: parallel_branches([3] * 21),
    "100 branches of 3": lambda: parallel_branches([3] * 100),
    "200 twins": lambda: parallel_branches([1] * 200),
    "branches of 8 lengths": lambda: parallel_branches(list(range(1, 9)) * 3),
    "3 complete layers": lambda: complete_layers(20, 3),
    "6 complete layers": lambda: complete_layers(15, 6),
    "ring": lambda: layers((12, 12), [((0, i), (1, (i + d) % 12)) for i in range(12) for d in (0, 1)]),
    "cubic": lambda: layers((40, 40), [((0, i), (1, (i + d) % 40)) for i in range(40) for d in (0, 1, 3)]),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_graphs_are_canonical_and_quick(name: str) -> None:
    arch = SYMMETRIC[name]()
    keys = {relabel(arch, seed).canonical_bytes("graph") for seed in range(5)}
    assert keys == {arch.canonical_bytes("graph")}


def test_cycles_that_refinement_cannot_tell_apart() -> None:
    """One ring of 2n vertices against two of n, in bipartite layers: equal degrees, equal expressions."""

    def rings(*lengths: int) -> Architecture:
        edges, start = [], 0
        for n in lengths:
            edges += [((0, start + i), (1, start + (i + d) % n)) for i in range(n) for d in (0, 1)]
            start += n
        return layers((start, start), edges)

    population = [rings(12), rings(6, 6), rings(4, 8), rings(3, 9), rings(4, 4, 4), rings(3, 3, 3, 3)]
    assert len({arch.canonical_bytes("expression") for arch in population}) == 1
    assert len({arch.canonical_bytes("graph") for arch in population}) == len(population)
    large = [rings(40), rings(20, 20), rings(8, 32), rings(*[4] * 10)]
    assert len({relabel(arch, i).canonical_bytes() for arch in large for i in range(3)}) == len(large)


def as_layers(graph: nx.Graph) -> Architecture:
    """Two layers with an edge between (0, a) and (1, b) for neighbours a and b."""
    index = {v: i for i, v in enumerate(graph)}
    ends = [(index[a], index[b]) for a, b in graph.edges]
    return layers((len(index), len(index)), [((0, a), (1, b)) for a, b in ends + [(b, a) for a, b in ends]])


def test_unions_of_cubic_graphs() -> None:
    """Automorphisms that move the path to a node must not prune the node's branches."""

    def union(*parts: nx.Graph) -> Architecture:
        return as_layers(nx.disjoint_union_all(parts))

    petersen, prism, frucht, k4 = (
        nx.petersen_graph(),
        nx.circular_ladder_graph(5),
        nx.frucht_graph(),
        nx.complete_graph(4),
    )
    randoms = [nx.random_regular_graph(3, 8, seed=seed) for seed in range(8)]
    population = [
        union(petersen, petersen, prism, prism),
        union(petersen, prism, prism, prism),
        union(frucht, frucht, k4, k4),
        union(nx.cubical_graph(), petersen, k4, k4),
        *(union(a, a, b, b) for a, b in zip(randoms[::2], randoms[1::2], strict=True)),
        *(union(a, a, a, b) for a, b in zip(randoms[::2], randoms[1::2], strict=True)),
    ]
    parts: list[nx.DiGraph] = []  # one of each class; networkx would not finish on the unions
    expected = set()
    for arch in population:
        graph = multigraph(arch)
        graph.remove_nodes_from([0, "output"])
        kinds = Counter()
        for vertices in nx.weakly_connected_components(graph):
            component = graph.subgraph(vertices).copy()
            same = [i for i, other in enumerate(parts) if isomorphic(other, component)]
            kinds[same[0] if same else len(parts)] += 1
            parts += [] if same else [component]
        expected.add(frozenset(kinds.items()))
        assert len({relabel(arch, seed).canonical_bytes() for seed in range(12)}) == 1
    assert len({arch.canonical_bytes() for arch in population}) == len(expected) > 4


@pytest.mark.parametrize("kind", ["graph", "expression"])
def test_multiplicities_have_no_limit(kind: str) -> None:
    def doubled(times: int, last: int = 2) -> Architecture:
        """2 ** (times - 1) * last copies of the input, through sums of a sum with itself."""
        connections = [(i, i + 1) for i in range(times - 1)] * 2 + [(times - 1, times)] * last
        return cell([SUM] * times + [CONV], [*connections, (times, times + 1), (times + 1, times + 2)])

    def reference(times: int, last: int = 2) -> Counter[object]:
        graph = multigraph(doubled(times, last))
        return Counter(data["multiplicity"] for _, _, data in graph.edges(data=True))

    assert reference(70) == Counter([2**70, 1])
    sizes = [1, 2, 30, 31, 32, 33, 63, 64, 65, 100, 300]
    keys = [doubled(times, last).canonical_bytes(kind) for times in sizes for last in (2, 3)]
    assert len(set(keys)) == len(keys)
    assert doubled(66, 4).canonical_bytes(kind) == doubled(67, 2).canonical_bytes(kind)


def test_small_and_large_graphs_agree_on_equality() -> None:
    """64 vertices are the limit of the fixed-size representation."""
    for length in range(60, 68):
        arch = parallel_branches([length - 3, 1])
        assert relabel(arch, length).canonical_bytes() == arch.canonical_bytes()
        assert parallel_branches([length - 4, 2]).canonical_bytes() != arch.canonical_bytes()


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="kind must be 'graph' or 'expression', got 'tree'"):
        parallel_branches([1]).canonical_bytes("tree")
