"""Sizes, restriction, architectures, pickling and the registry of spaces."""

from __future__ import annotations

import math
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from space_layouts import OPERATIONS, cell, paired_cell, stages

from efficient_nas import spaces
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces import Candidate, Choice, Option, Space


def build_chain(
    values: dict[str, Option], input_shape: tuple[int, int, int], num_classes: int, channels: int = 8
) -> Architecture:
    """A convolution, one optional pool, and a classifier."""
    c = input_shape[0]
    nodes = [ArchNode("input", c, c)]
    nodes.append(ArchNode("conv_bn_relu", c, channels, kernel_size=int(values["kernel"])))
    if values["pool"] != "none":
        nodes.append(ArchNode(f"{values['pool']}_pool_3x3", channels, channels, stride=2))
    nodes.append(ArchNode("global_avg_pool", channels, channels))
    nodes.append(ArchNode("linear", channels, num_classes))
    nodes.append(ArchNode("output", num_classes, num_classes))
    return Architecture(nodes, [(i, i + 1) for i in range(len(nodes) - 1)], input_shape)


def chain() -> Space:
    return Space([Choice("kernel", [1, 3]), Choice("pool", ["none", "max", "avg"])], build_chain, "chain")


def row(*values: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.array(values, dtype=np.uint8)


def test_sizes_of_large_spaces_are_exact() -> None:
    assert cell().size == 5**6
    pairs = math.comb(2, 2) * math.comb(3, 2) * math.comb(4, 2) * math.comb(5, 2)
    assert paired_cell().size == (pairs * 5**8) ** 2
    assert stages().size == (3 * (6**2 + 6**3 + 6**4)) ** 5
    assert Space([Choice(f"c{i}", list(range(255))) for i in range(100)]).size == 255**100


def test_size_of_a_long_chain_of_conditions() -> None:
    choices = [Choice("c0", ["stop", "go"])]
    choices += [Choice(f"c{i}", ["stop", "go"], when={f"c{i - 1}": "go"}) for i in range(1, 200)]
    assert Space(choices).size == 201


def test_restrict_masks_options_and_keeps_the_layout() -> None:
    space = stages()
    small = space.restrict(max_depth=3, max_width=16)
    assert small.base is space
    assert small.num_choices == space.num_choices
    np.testing.assert_array_equal(small.cardinalities, space.cardinalities)
    assert small.size == (6**2 + 6**3) ** 5
    rows = small.sample(1000, 0)
    assert space.validate(rows).all()
    assert not small.validate(space.sample(1000, 0)).all()
    assert small.validate(small.mutate(rows, 1, 3)).all()
    assert small.features(rows).shape == space.features(rows).shape
    assert "restricted" in repr(small)


def test_restricting_again_intersects() -> None:
    space = cell().restrict(operations=["none", "skip_connect", "avg_pool_3x3"])
    again = space.restrict(operations=["skip_connect", "nor_conv_1x1", "avg_pool_3x3"])
    assert again.allowed == ((1, 4),) * 6
    assert again.base.size == 5**6
    assert again.restrict().size == again.size


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (cell(), {"max_depth": 3}, "space cell has no choice of the role depth"),
        (stages(), {"operations": ["none"]}, "space stages has no choice of the role operation"),
        (
            cell(),
            {"operations": ["nor_conv_3x"]},
            r"unknown operation 'nor_conv_3x' \(did you mean nor_conv_3x3\?\)",
        ),
        (cell(), {"operations": []}, "leaves no option of choice op0; it has none, skip_connect"),
        (stages(), {"max_depth": 1}, "max_depth=1 leaves no option of choice stage0/depth; it has 2, 3, 4"),
        (stages(), {"max_depth": math.nan}, "max_depth=nan leaves no option"),
    ],
)
def test_impossible_restrictions_say_why(space: Space, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space.restrict(**options)
    with pytest.raises(TypeError, match="max_depth must be a number, got '3'"):
        space.restrict(max_depth="3")  # type: ignore[arg-type]


def test_keep_leaves_the_named_choices_these_options() -> None:
    space = stages()
    large = space.keep({"stage0/depth": [4, 3], "stage1/depth": [4]})
    assert large.base is space
    assert large.size == (6**3 + 6**4) * 6**4 * (space.size // (6**2 + 6**3 + 6**4) ** 2)
    assert large.keep({"stage0/depth": [2, 3]}).allowed[space.index("stage0/depth")] == (1,)
    with pytest.raises(ValueError, match=r"\[2\] leaves no option of choice stage1/depth; it has 4"):
        large.keep({"stage1/depth": [2]})
    with pytest.raises(ValueError, match="unknown option 5; options: 2, 3, 4"):
        space.keep({"stage0/depth": [5]})
    with pytest.raises(ValueError, match=r"unknown choice 'stage0/dept' \(did you mean stage0/depth\?\)"):
        space.keep({"stage0/dept": [4]})


def test_strided_rows_are_read_in_their_order() -> None:
    space = paired_cell()
    rows = space.sample(20, 0)
    fortran = np.asfortranarray(rows)
    np.testing.assert_array_equal(space.mutate(fortran, 1), space.mutate(rows, 1))
    np.testing.assert_array_equal(space.mutate(rows[::2], 1), space.mutate(rows[::2].copy(), 1))
    np.testing.assert_array_equal(space.neighbours(fortran[3]), space.neighbours(rows[3]))


def test_empty_batches_stay_empty() -> None:
    space = paired_cell()
    none = space.sample(0, 0)
    assert none.shape == space.mutate(none, 0).shape == space.crossover(none, none, 0).shape == (0, 32)
    assert space.validate(none).shape == (0,)
    assert space.canonical_bytes(none) == []
    assert space.canonical_hash(none).shape == space.deduplicate(none).shape == (0,)


def test_threads_share_a_space() -> None:
    space, results = stages(), {}
    threads = [
        threading.Thread(target=lambda i=i: results.update({i: space.mutate(space.sample(5000, i), i)}))
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        np.testing.assert_array_equal(results[i], space.mutate(space.sample(5000, i), i))


def test_text_of_an_inactive_choice_is_refused() -> None:
    space = Space([Choice("kind", ["plain", "conv"]), Choice("kernel", [1, 3], when={"kind": ["conv"]})])
    assert space.to_string(row(0, 0)) == "kind=plain"
    assert space.to_string(row(1, 1)) == "kind=conv,kernel=3"
    with pytest.raises(ValueError, match="choice kernel is inactive here"):
        space.from_string("kind=plain,kernel=1")


def test_a_user_space_builds_costs_and_compares_architectures() -> None:
    space = chain()
    rows = space.enumerate()
    costs = space.costs(rows, (1, 8, 8), 10, channels=4)
    for i, genotype in enumerate(rows):
        architecture = space.build(genotype, (1, 8, 8), 10, channels=4)
        assert {name: values[i] for name, values in costs.items()} == {
            "macs": architecture.macs,
            "params": architecture.params,
            "peak_activation_bytes": architecture.peak_activation_bytes,
        }
    assert {values.dtype for values in costs.values()} == {np.dtype(np.int64)}
    assert len(set(space.canonical_bytes(rows))) == len(rows)
    repeated = np.concatenate([rows, rows])
    assert space.deduplicate(repeated).tolist() == list(range(len(rows)))


def test_build_must_return_an_architecture() -> None:
    space = Space([Choice("a", [1])], build=lambda values, input_shape, num_classes: "network")  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="build must return an Architecture, got str"):
        space.build(row(0))


def test_covering_genotypes_show_every_operator() -> None:
    space = chain()
    every = {op for genotype in space.enumerate() for op in space.build(genotype).operators()}
    covering = space.covering_genotypes()
    assert {op for genotype in covering for op in space.build(genotype).operators()} == every
    assert len(covering) < space.size


def test_covering_genotypes_of_a_large_space_come_from_samples() -> None:
    space = Space(
        [
            Choice("kernel", [1, 3, 5, 7]),
            Choice("pool", ["none", "max", "avg"]),
            Choice("channels", [8, 16, 24]),
            *[Choice(f"unused{i}", [0, 1]) for i in range(8)],
        ],
        lambda values, input_shape, num_classes: build_chain(
            values, input_shape, num_classes, int(values["channels"])
        ),
    )
    assert space.size > 1024
    covering = space.covering_genotypes()
    every = {op for genotype in space.enumerate()[:: 2**8] for op in space.build(genotype).operators()}
    assert {op for genotype in covering for op in space.build(genotype).operators()} == every
    assert len(covering) <= len(every)


def test_spaces_and_candidates_can_be_pickled() -> None:
    space = stages().restrict(max_depth=3)
    copy = pickle.loads(pickle.dumps(space))
    assert copy.size == space.size
    assert copy.base.size == stages().size
    np.testing.assert_array_equal(copy.sample(10, 1), space.sample(10, 1))
    candidate = pickle.loads(pickle.dumps(Candidate(chain(), row(1, 2), (1, 8, 8), 10, {"channels": 4})))
    assert candidate.text == "kernel=3,pool=avg"
    assert candidate.architecture is candidate.architecture
    assert candidate.architecture.macs == chain().build(row(1, 2), (1, 8, 8), 10, channels=4).macs
    assert pickle.loads(pickle.dumps(candidate)).architecture.macs == candidate.architecture.macs


def test_a_candidate_must_be_valid() -> None:
    with pytest.raises(ValueError, match="space chain: genotype is not valid: kernel must hold one of"):
        Candidate(chain(), row(7, 0))


def test_registry_creates_what_was_registered() -> None:
    def operations_cell(edges: int = 6) -> Space:
        return Space([Choice(f"op{i}", OPERATIONS) for i in range(edges)], name="test_cell")

    spaces.register("test_cell", operations_cell)
    spaces.register("test_cell", operations_cell)
    assert "test_cell" in spaces.available()
    assert spaces.create("test_cell", edges=2).size == 25
    with pytest.raises(ValueError, match="'test_cell' is already registered"):
        spaces.register("test_cell", cell)
    with pytest.raises(
        ValueError, match=r"unknown space 'test_cel' \(did you mean test_cell\?\); available: "
    ):
        spaces.create("test_cel")
    with pytest.raises(ValueError, match=r"unknown option 'edge' \(did you mean edges\?\); options: edges"):
        spaces.create("test_cell", edge=2)
