"""Native canonical forms of the built-in spaces: the classes of the built architectures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from builtin_cases import SPACES, make
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas import _core, spaces

KINDS = ("graph", "expression")


def partition(keys: Sequence[Any]) -> list[int]:
    """For each key the index of its first occurrence: equal for equal partitions."""
    first: dict[Any, int] = {}
    return [first.setdefault(key, i) for i, key in enumerate(keys)]


@pytest.fixture(scope="module")
def nasbench201() -> spaces.Space:
    return spaces.create("nasbench201")


@pytest.fixture(scope="module")
def darts() -> spaces.Space:
    return spaces.create("darts")


def test_cells_of_nasbench201_have_the_classes_of_their_whole_networks(nasbench201: spaces.Space) -> None:
    rows = nasbench201.enumerate()
    networks = [nasbench201.build(row, (3, 8, 8), channels=2, cells_per_stage=1) for row in rows]
    parts = {}
    for kind, classes in zip(KINDS, (5425, 4930), strict=True):
        parts[kind] = partition(nasbench201.canonical_bytes(rows, kind))
        assert len(set(parts[kind])) == classes
        assert parts[kind] == partition([network.canonical_bytes(kind) for network in networks])
    graph, expression = parts["graph"], parts["expression"]
    assert all(expression[first] == expression[i] for i, first in enumerate(graph)), (
        "graph nests in expression"
    )


def test_deep_networks_have_the_same_classes(nasbench201: spaces.Space) -> None:
    rows = nasbench201.sample(250, 7)
    rows[:, 1:3] %= 2  # few operations there, so that classes have several members
    for kind in KINDS:
        assert len(set(partition(nasbench201.canonical_bytes(rows, kind)))) < len(rows)
        whole = [nasbench201.build(row).canonical_bytes(kind) for row in rows]
        assert partition(nasbench201.canonical_bytes(rows, kind)) == partition(whole)


def test_no_expression_class_splits_a_published_class(nasbench201: spaces.Space, data_dir: Any) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(data_dir / "nasbench201_accuracy" / "nats_bench_200epochs_cifar10.csv.gz")
    rows = np.array([nasbench201.from_string(text) for text in table["ArchitectureString"]])
    assert [nasbench201.to_string(row) for row in rows] == list(table["ArchitectureString"])
    published = partition(list(table["UniqueString"]))
    ours = nasbench201.canonical_bytes(rows, "expression")
    assert len(set(published)) == 6466
    assert all(ours[first] == ours[i] for i, first in enumerate(published))


def orders(cell: np.ndarray) -> list[np.ndarray]:
    """The same DARTS cell with its nodes in every possible order, and inputs of a node sorted again."""
    variants = []
    for order in itertools.permutations(range(4)):  # order[new] = old
        number = {0: 0, 1: 1} | {2 + old: 2 + new for new, old in enumerate(order)}
        nodes = [sorted((number[p], o) for p, o in cell.reshape(4, 2, 2)[old].tolist()) for old in order]
        if all(p < 2 + new for new, node in enumerate(nodes) for p, _ in node):
            variants.append(np.array(nodes, dtype=np.uint8).reshape(-1))
    return variants


@given(seed=st.integers(0, 2**32), allowed=st.sampled_from(["all", "two", "one"]))
@settings(max_examples=25)
def test_darts_cells_have_the_classes_of_their_whole_networks(
    darts: spaces.Space, seed: int, allowed: str
) -> None:
    few = {"all": None, "two": ["skip_connect", "sep_conv_3x3"], "one": ["sep_conv_3x3"]}[allowed]
    space = darts if few is None else darts.restrict(operations=few)
    base = space.sample(1, seed)[0]
    rows = [base]
    for half in (slice(0, 16), slice(16, 32)):
        for variant in orders(base[half])[:4]:
            row = base.copy()
            row[half] = variant
            rows.append(row)
    batch = np.concatenate([np.array(rows), space.mutate(np.array(rows), seed)])
    assert darts.validate(batch).all()
    for kind in KINDS:
        keys = darts.canonical_bytes(batch, kind)
        assert set(keys[: len(rows)]) == {keys[0]}, "the order of nodes does not matter"
        assert partition(keys) == partition([darts.build(row).canonical_bytes(kind) for row in batch])


def test_darts_tells_normal_from_reduction_cells_and_one_input_from_the_other(darts: spaces.Space) -> None:
    separable = "('sep_conv_3x3', 0), ('sep_conv_3x3', 1)"
    pooled = "('sep_conv_3x3', 0), ('max_pool_3x3', 1)"
    swapped = "('max_pool_3x3', 0), ('sep_conv_3x3', 1)"

    def row(normal: str, reduce: str) -> np.ndarray:
        cells = [", ".join([node] * 4) for node in (normal, reduce)]
        return darts.from_string(
            f"Genotype(normal=[{cells[0]}], normal_concat=range(2, 6), "
            f"reduce=[{cells[1]}], reduce_concat=range(2, 6))"
        )

    pairs = [(separable, pooled), (pooled, separable), (separable, swapped), (separable, separable)]
    rows = np.array([row(*pair) for pair in pairs])
    for kind in KINDS:
        assert len(set(darts.canonical_bytes(rows, kind))) == 4


def test_worst_darts_cell_is_decided_too(darts: spaces.Space) -> None:
    """Four equal nodes: as many ties as the search for the smallest encoding can meet."""
    node = [0, 3, 1, 3]
    rows = np.array([node * 8, node * 7 + [0, 3, 1, 4]], dtype=np.uint8)
    assert len(set(darts.canonical_bytes(rows))) == 2
    assert len(set(darts.canonical_bytes(rows, "expression"))) == 2


def test_nasbench_macro_drops_identities() -> None:
    space = spaces.create("nasbench_macro")
    rows = space.enumerate()
    keys = space.canonical_bytes(rows)
    assert len(set(keys)) == 3969
    some = np.random.default_rng(0).choice(len(rows), 700, replace=False)
    for kind in KINDS:
        whole = [space.build(rows[i]).canonical_bytes(kind) for i in some]
        assert partition([keys[i] for i in some]) == partition(whole)


def test_mbconv_merges_what_different_stages_build_alike() -> None:
    stage = {"widths": [8], "depths": [1, 2], "kernels": [3, 5], "expansions": [2]}
    space = spaces.create("mbconv", stem_channels=8, stages=[stage, stage], head_channels=8)
    rows = space.enumerate()
    keys = space.canonical_bytes(rows)
    assert len(set(keys)) == 2**2 + 2**3 + 2**4 < len(rows)
    assert partition(keys) == partition([space.build(row).canonical_bytes("graph") for row in rows])


@pytest.mark.parametrize("case", list(SPACES))
def test_mutants_have_the_classes_of_their_networks(case: str) -> None:
    space = make(case)
    parents = space.sample(20, 2)
    rows = np.concatenate([parents, space.mutate(parents, 3), parents])
    for kind in KINDS:
        keys = space.canonical_bytes(rows, kind)
        assert partition(keys) == partition([space.build(row).canonical_bytes(kind) for row in rows])
        hashes = space.canonical_hash(rows, kind)
        assert hashes.dtype == np.uint64
        assert np.array_equal(hashes, _core.hash_keys(keys))
    assert space.canonical_bytes(rows[:0]) == [] and len(space.canonical_hash(rows[:0])) == 0
    with pytest.raises(ValueError, match="unknown kind 'graf'"):
        space.canonical_bytes(rows, "graf")
    with pytest.raises(ValueError, match="unknown kind 'graf'"):
        space.canonical_hash(rows, "graf")
