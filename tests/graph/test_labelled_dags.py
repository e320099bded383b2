"""Canonical bytes of labelled DAGs: equal exactly when pynauty says so; published numbers of classes."""

from __future__ import annotations

import itertools
import os
import random

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_dag_population import Dags, permuted, population, pynauty_keys

from efficient_nas.graph import Architecture, ArchNode, dag_canonical_bytes, dag_canonical_hash

COUNT = int(os.environ.get("EFFICIENT_NAS_DAGS", "24000"))  # CONTRIBUTING.md: a million
CHUNK = 100_000


def test_classes_are_those_of_pynauty() -> None:
    pynauty = pytest.importorskip("pynauty", reason="the reference for isomorphism")
    ours: dict[bytes, object] = {}
    reference: dict[object, bytes] = {}
    for seed, start in enumerate(range(0, COUNT, CHUNK)):
        dags = population(min(CHUNK, COUNT - start), seed)
        keys = dag_canonical_bytes(*dags)
        for key, expected in zip(keys, pynauty_keys(dags, pynauty), strict=True):
            assert ours.setdefault(key, expected) == expected
            assert reference.setdefault(expected, key) == key
    assert 0.1 * COUNT < len(ours) < 0.5 * COUNT


def matrices(vertices: int) -> npt.NDArray[np.uint8]:
    """Every upper triangular matrix of so many vertices, uint8 [n, v, v]."""
    above = np.triu_indices(vertices, 1)
    found = np.zeros((1 << len(above[0]), vertices, vertices), np.uint8)
    for bit, (a, b) in enumerate(zip(*above, strict=True)):
        found[:, a, b] = np.arange(len(found)) >> bit & 1
    return found


@pytest.mark.parametrize(("vertices", "classes"), list(enumerate((1, 1, 2, 6, 31, 302, 5984))))
def test_number_of_unlabelled_dags(vertices: int, classes: int) -> None:
    """OEIS A003087."""
    adjacency = matrices(vertices)
    keys = dag_canonical_bytes(adjacency, np.zeros(adjacency.shape[:2], np.int32))
    assert len(set(keys)) == classes


def test_number_of_nasbench101_cells() -> None:
    """423,624 (Ying et al. 2019, section 2.2): up to 7 vertices, 9 edges and 3 operations, pruned.

    Isomorphic cells with equal labels have isomorphic unlabelled graphs, so that one of each suffices.
    """
    adjacency = matrices(7)
    adjacency = adjacency[adjacency.sum((1, 2)) <= 9]
    ends = np.array([-1, 0, 0, 0, 0, 0, -2], np.int32)
    labels = np.broadcast_to(ends, adjacency.shape[:2])
    one_of_each = dict(
        zip(dag_canonical_bytes(adjacency, labels, prune=True), range(len(adjacency)), strict=True)
    )
    assert one_of_each.pop(b"\0") >= 0  # no path from input to output
    operations = np.array(list(itertools.product(range(3), repeat=5)), np.int32)
    labels = np.tile(ends, (len(operations), 1))
    labels[:, 1:-1] = operations
    cells: set[bytes] = set()
    for index in one_of_each.values():
        same = np.broadcast_to(adjacency[index], (len(labels), 7, 7))
        cells.update(dag_canonical_bytes(same, labels, prune=True))
    assert len(cells) == 423_624


@st.composite
def labelled_dags(draw: st.DrawFn) -> Dags:
    """One DAG of up to 64 vertices, and any labels."""
    size = draw(st.integers(0, 64))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    edges = np.triu(rng.random((size, size)) < draw(st.floats(0, 1)), 1).astype(np.uint8)
    some = draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=4))
    labels = rng.choice(np.array(some, np.int32), size)
    return Dags(edges[None], labels[None], np.array([size]))


@given(labelled_dags(), st.integers(0, 2**32 - 1))
def test_order_and_padding_do_not_matter_and_every_entry_does(dag: Dags, seed: int) -> None:
    rng = np.random.default_rng(seed)
    other = permuted(dag, rng)
    keys = dag_canonical_bytes(*dag)
    assert dag_canonical_bytes(*other) == keys == dag_canonical_bytes(*dag[:2])
    assert dag_canonical_hash(*other)[0] == dag_canonical_hash(*dag)[0]
    size = int(dag.sizes[0])
    room = 64 - size
    padded = np.pad(other.adjacency, ((0, 0), (0, room), (0, room)), constant_values=1)
    assert dag_canonical_bytes(padded, np.pad(other.labels, ((0, 0), (0, room))), dag.sizes) == keys
    if size >= 2:  # one edge more or less is another DAG, and so is one label
        a, b = sorted(rng.choice(size, 2, replace=False))
        changed = dag.adjacency.copy()
        changed[0, a, b] ^= 1
        assert dag_canonical_bytes(changed, dag.labels) != keys
        labels = dag.labels.copy()
        labels[0, a] ^= 1
        assert dag_canonical_bytes(dag.adjacency, labels) != keys


@given(labelled_dags(), st.integers(0, 2**32 - 1))
def test_pruning_keeps_what_lies_on_paths(dag: Dags, seed: int) -> None:
    size = int(dag.sizes[0])
    graph = nx.from_numpy_array(dag.adjacency[0], create_using=nx.DiGraph)
    kept: list[int] = []
    if size > 0 and nx.has_path(graph, 0, size - 1):
        kept = sorted(({0} | nx.descendants(graph, 0)) & ({size - 1} | nx.ancestors(graph, size - 1)))
    left = dag.adjacency[:, kept][:, :, kept], dag.labels[:, kept]
    assert dag_canonical_bytes(*dag, prune=True) == dag_canonical_bytes(*left)


def layers(width: int, offsets: tuple[int, ...], depth: int = 2) -> nx.DiGraph:
    """Vertex i of a layer feeds the vertices i + offset of the next one, around."""
    pairs = [
        ((k, i), (k + 1, (i + d) % width)) for k in range(depth - 1) for i in range(width) for d in offsets
    ]
    return nx.DiGraph(pairs)


def branches(count: int, length: int) -> nx.DiGraph:
    graph = nx.DiGraph()
    for branch in range(count):
        nx.add_path(graph, ["in", *((branch, i) for i in range(length)), "out"])
    return graph


def projective_plane(order: int) -> nx.DiGraph:
    """Points of the plane over a prime field, and the lines that hold them."""
    field = range(order)
    points = [(1, a, b) for a in field for b in field] + [(0, 1, a) for a in field] + [(0, 0, 1)]
    on_line = [(p, q) for p in points for q in points if sum(map(int.__mul__, p, q)) % order == 0]
    return nx.DiGraph([(("point", p), ("line", q)) for p, q in on_line])


def doubled(graph: nx.Graph) -> nx.DiGraph:
    """Two layers with an edge between the first a and the second b for neighbours a and b."""
    return nx.DiGraph([((0, a), (1, b)) for a, b in graph.to_directed().edges])


def incidence(graph: nx.Graph) -> nx.DiGraph:
    """Every vertex leads to its edges."""
    return nx.DiGraph([(("vertex", v), ("edge", *edge)) for edge in graph.edges for v in edge])


def hadamard(size: int) -> nx.DiGraph:
    """Rows and columns of Sylvester's matrix, joined where it is positive."""
    pairs = itertools.product(range(size), repeat=2)
    return nx.DiGraph([((0, a), (1, b)) for a, b in pairs if (a & b).bit_count() % 2 == 0])


def shrikhande() -> nx.Graph:
    """Strongly regular with the parameters of the rook's graph on 4 x 4 squares, and not isomorphic to it."""
    squares, steps = itertools.product(range(4), repeat=2), ((0, 1), (1, 0), (1, 1))
    return nx.Graph([((i, j), ((i + a) % 4, (j + b) % 4)) for i, j in squares for a, b in steps])


SYMMETRIC = {
    "no edges": nx.empty_graph(64, nx.DiGraph),
    "32 twins in each of two layers": layers(32, tuple(range(32))),
    "4 complete layers": layers(16, tuple(range(16)), 4),
    "complete layers but for a matching": layers(32, tuple(range(1, 32))),
    "32 pairs": layers(32, (0,)),
    "20 branches of 3": branches(20, 3),
    "10 branches of 6": branches(10, 6),
    "ring": layers(32, (0, 1)),
    "two rings": layers(32, (0, 2)),
    "four rings": layers(32, (0, 4)),
    "cubic": layers(32, (0, 1, 3)),
    "torus of 4 layers": layers(16, (0, 1), 4),
    "projective plane of order 3": projective_plane(3),
    "projective plane of order 5": projective_plane(5),
    "Hadamard matrix of 32 rows": hadamard(32),
    "Shrikhande graph": incidence(shrikhande()),
    "rook's graph": incidence(nx.line_graph(nx.complete_bipartite_graph(4, 4))),
    "hypercube": doubled(nx.hypercube_graph(5)),
}


def as_arrays(graph: nx.DiGraph) -> Dags:
    adjacency = nx.to_numpy_array(graph, dtype=np.uint8)[None]
    return Dags(adjacency, np.zeros(adjacency.shape[:2], np.int32), np.array([len(graph)]))


def test_symmetric_dags_are_canonical_and_do_not_explode() -> None:
    rng = np.random.default_rng(0)
    keys = {name: dag_canonical_bytes(*as_arrays(graph)) for name, graph in SYMMETRIC.items()}
    for name, graph in SYMMETRIC.items():
        for _ in range(5):
            assert dag_canonical_bytes(*permuted(as_arrays(graph), rng)) == keys[name], name
    assert len({key for (key,) in keys.values()}) == len(SYMMETRIC)


OPERATIONS = ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def random_cell(rng: random.Random) -> tuple[Architecture, npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """An architecture whose nodes all compute, and the same as matrix and labels, padded in the middle."""
    size, labels = rng.randint(2, 8), np.full(8, -3, np.int32)
    adjacency = np.zeros((8, 8), np.uint8)
    place = [*range(size - 1), 7]
    for target in range(1, size):
        for source in rng.sample(range(target), rng.randint(1, min(target, 2))):
            adjacency[place[source], place[target]] = 1
    chosen = [rng.choice((0, 0, 1, 2)) for _ in range(size - 2)]
    labels[place] = [-1, *chosen, -2]
    nodes = [ArchNode(name, 4, 4) for name in ("input", *(OPERATIONS[i] for i in chosen), "output")]
    connections = [(place.index(a), place.index(b)) for a, b in np.argwhere(adjacency).tolist()]
    return Architecture(nodes, connections, (4, 4, 4)), adjacency, labels


def test_architectures_have_the_same_classes() -> None:
    rng = random.Random(5)
    cells = [random_cell(rng) for _ in range(max(2000, COUNT // 20))]
    adjacency, labels = np.stack([cell[1] for cell in cells]), np.stack([cell[2] for cell in cells])
    keys = dag_canonical_bytes(adjacency, labels, prune=True)
    pairs = {(key, cell[0].canonical_bytes("graph")) for key, cell in zip(keys, cells, strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) < 0.6 * len(cells)


def test_any_integers_and_layouts() -> None:
    dags = population(60, 3)
    keys, hashes = dag_canonical_bytes(*dags), dag_canonical_hash(*dags)
    assert hashes.dtype == np.uint64
    for kind in (np.bool_, np.int64, np.uint16):
        transposed = np.asfortranarray(dags.adjacency.astype(kind))
        strided = np.repeat(dags.labels.astype(np.int64), 2, axis=1)[:, ::2]
        assert dag_canonical_bytes(transposed, strided, dags.sizes.astype(np.uint8)) == keys
        assert (dag_canonical_hash(transposed, strided, dags.sizes.tolist()) == hashes).all()
    assert dag_canonical_bytes(np.zeros((0, 7, 7), np.uint8), np.zeros((0, 7), np.int32)) == []
    assert len(dag_canonical_hash(np.zeros((3, 0, 0), np.uint8), np.zeros((3, 0), np.int32))) == 3
    assert dag_canonical_bytes([[[0, 1], [0, 0]]], [[5, -5]]) == dag_canonical_bytes(
        [[[0, 0], [1, 0]]], [[-5, 5]]
    )


EDGES, LABELS = np.triu(np.ones((4, 3, 3), np.uint8), 1), np.zeros((4, 3), np.int32)
CYCLE = EDGES.copy()
CYCLE[2, 2, 1] = 1
LOOP = EDGES.copy()
LOOP[3, 0, 0] = 1
TWO = EDGES.copy()
TWO[1, 0, 0] = 2


@pytest.mark.parametrize("function", [dag_canonical_bytes, dag_canonical_hash], ids=["bytes", "hash"])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((CYCLE, LABELS), ValueError, "row 2: adjacency has a cycle"),
        ((LOOP, LABELS), ValueError, "row 3: adjacency has a cycle"),
        ((CYCLE, LABELS, None, True), ValueError, "row 2: adjacency has a cycle"),
        ((TWO, LABELS), ValueError, "row 1: adjacency must be 0 or 1, got 2"),
        ((TWO.astype(int) * 200, LABELS), ValueError, "adjacency must be 0 or 1, got 400 in row 1"),
        ((-TWO.astype(int), LABELS), ValueError, "adjacency must be 0 or 1, got -2 in row 1"),
        ((EDGES[0], LABELS), ValueError, r"adjacency must have shape \[n, v, v\], got \[3, 3\]"),
        ((EDGES[:, :2], LABELS), ValueError, r"shape \[n, v, v\] with v <= 64, got \[4, 2, 3\]"),
        ((np.zeros((1, 65, 65), int), np.zeros((1, 65), int)), ValueError, r"v <= 64, got \[1, 65, 65\]"),
        ((EDGES.astype(float), LABELS), TypeError, r"adjacency must be integers \[n, v, v\].* float64"),
        (([[[0, 1], [0]]], LABELS), ValueError, r"adjacency must be integers \[n, v, v\]"),
        ((EDGES, LABELS[:3]), ValueError, r"labels must have shape \[4, 3\] .*, got \[3, 3\]"),
        ((EDGES, LABELS * np.nan), TypeError, r"labels must be integers \[n, v\].* float64"),
        ((EDGES, LABELS.astype(bool)), TypeError, r"labels must be integers \[n, v\].* bool"),
        (
            (EDGES, LABELS.astype(int) + 2**31),
            ValueError,
            r"labels must be in \[-2\^31, 2\^31\), got 2147483648 in row 0",
        ),
        ((EDGES, LABELS, [1, 2, 4, 3]), ValueError, "row 2: sizes must be between 0 and 3, got 4"),
        ((EDGES, LABELS, [1, -2, 3, 3]), ValueError, "row 1: sizes must be between 0 and 3, got -2"),
        ((EDGES, LABELS, [1, 2]), ValueError, r"sizes must have shape \[4\] .*, got \[2\]"),
        ((EDGES, LABELS, [1.0, 2.0, 3.0, 3.0]), TypeError, r"sizes must be integers \[n\].* float64"),
        ((EDGES, LABELS, None, 1), TypeError, "prune must be a bool, got 1"),
    ],
)
def test_bad_input(function, arguments, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=f"{function.__name__}: .*{message}"):
        function(*arguments)
