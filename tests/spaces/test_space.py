"""Construction, restriction, text, architectures and error messages of spaces."""

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "a=b", "options": [1]}, "name must be a string without commas, equals signs and spaces"),
        ({"name": "", "options": [1]}, "name must be"),
        ({"name": "a", "options": []}, "choice a: options must be a sequence of 1 to 255 values"),
        ({"name": "a", "options": "abc"}, "choice a: options must be a sequence"),
        ({"name": "a", "options": range(256)}, "choice a: options must be a sequence of 1 to 255"),
        ({"name": "a", "options": [1, 1]}, "options must be distinct"),
        ({"name": "a", "options": [1, 1.0]}, "options must be distinct"),
        ({"name": "a", "options": [1, "1"]}, "options must be distinct"),
        ({"name": "a", "options": [math.nan]}, "must be finite, got nan"),
        ({"name": "a", "options": ["x,y"]}, "must not be empty, hold commas"),
        (
            {"name": "a", "options": ["x"], "role": "operatoin"},
            r"unknown role 'operatoin' \(did you mean operation\?\)",
        ),
        ({"name": "a", "options": ["x"], "role": "depth"}, "options of role depth must be numbers"),
        ({"name": "a", "options": ["x"], "when": {"b": []}}, r"when\['b'\] is empty"),
    ],
)
def test_wrong_choices_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Choice(**arguments)


A, B = Choice("a", [1, 2, 3]), Choice("b", [1, 2, 3])


@pytest.mark.parametrize(
    ("choices", "ordered", "message"),
    [
        ([], [], "at least one choice is needed"),
        ([A, A], [], "two choices are named 'a'"),
        ([Choice("x", [1], when={"a": 1}), A], [], "choice x: when must name earlier choices, got 'a'"),
        ([A, Choice("x", [1], when={"a": 4})], [], "choice a: unknown option 4; options: 1, 2, 3"),
        ([A, B], [("a", "c")], "unknown choice 'c'"),
        ([A, B], [("b", "a")], "ordered pair b, a: the first must come before the second"),
        ([A, B], [("a", "a")], "ordered pair a, a: the first must come before the second"),
        ([A, B, Choice("c", [1, 2, 3])], [("a", "b"), ("b", "c")], "a choice is in two pairs"),
        ([A, Choice("c", [1, 2])], [("a", "c")], "ordered pair a, c: the options differ"),
        ([A, B, Choice("c", [1, 2, 3], when={"a": 1})], [("b", "c")], "the conditions differ"),
        ([Choice("x", [1]), Choice("y", [1])], [("x", "y")], "no increasing options are allowed"),
    ],
)
def test_wrong_spaces_are_refused(
    choices: list[Choice], ordered: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Space(choices, ordered=ordered)


def test_a_choice_must_be_a_choice() -> None:
    with pytest.raises(TypeError, match=r"choices must be spaces\.Choice objects, got 'a'"):
        Space(["a"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="choice a: an option must be a string, int or float, got None"):
        Choice("a", [None])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "method", ["mutate", "validate", "crossover", "features", "costs", "canonical_bytes", "active"]
)
@pytest.mark.parametrize(
    ("genotypes", "error", "message"),
    [
        (
            np.zeros((2, 6), dtype=np.float32),
            TypeError,
            r"must be a uint8 array \[n, 6\], got float32 \[2, 6\]",
        ),
        (np.zeros((2, 6), dtype=np.int64), TypeError, r"got int64 \[2, 6\]"),
        (np.zeros((2, 6), dtype=bool), TypeError, r"got bool \[2, 6\]"),
        ([[0] * 6], TypeError, r"must be a uint8 array \[n, 6\], got list"),
        (None, TypeError, "got NoneType"),
        (np.zeros((2, 5), dtype=np.uint8), ValueError, r"must have shape \[n, 6\], got uint8 \[2, 5\]"),
        (np.zeros(6, dtype=np.uint8), ValueError, r"must have shape \[n, 6\], got uint8 \[6\]"),
        (np.zeros((1, 2, 6), dtype=np.uint8), ValueError, r"got uint8 \[1, 2, 6\]"),
    ],
)
def test_wrong_arrays_are_refused(method: str, genotypes: Any, error: type[Exception], message: str) -> None:
    arguments = {"mutate": (genotypes, 0), "crossover": (genotypes, genotypes, 0)}.get(method, (genotypes,))
    with pytest.raises(error, match=message):
        getattr(cell(), method)(*arguments)


@pytest.mark.parametrize(
    "method", ["mutate", "crossover", "features", "costs", "canonical_bytes", "deduplicate"]
)
def test_rows_that_are_not_valid_are_named_with_the_reason(method: str) -> None:
    bad = np.zeros((3, 6), dtype=np.uint8)
    bad[1, 2] = 5
    good = np.zeros((3, 6), dtype=np.uint8)
    arguments = {"mutate": (bad, 0), "crossover": (good, bad, 0)}.get(method, (bad,))
    with pytest.raises(ValueError, match=r"row 1 is not valid: op2 must hold one of 0 \(none\), .*, got 5"):
        getattr(cell(), method)(*arguments)


@pytest.mark.parametrize(
    ("genotype", "reason"),
    [
        ((3, 0, 0, 0), "kind must hold one of 0 (plain), 1 (conv), got 3"),
        ((0, 1, 0, 0), "kernel is inactive and must hold 0, got 1"),
        ((1, 0, 2, 1), "second must hold more than first, which holds 2, got 1"),
        ((1, 2, 0, 2), None),
    ],
)
def test_why_invalid_names_choice_and_value(genotype: tuple[int, ...], reason: str | None) -> None:
    when = {"kind": "conv"}
    pair = [Choice("first", [1, 2, 3]), Choice("second", [1, 2, 3])]
    space = Space(
        [Choice("kind", ["plain", "conv"]), Choice("kernel", [1, 3, 5], when), *pair],
        ordered=[("first", "second")],
    )
    assert space.why_invalid(row(*genotype)) == reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.sample(-1, 0), "sample: n must be an integer >= 0, got -1"),
        (lambda s: s.sample(1.0, 0), r"sample: n must be an integer >= 0, got 1\.0"),
        (lambda s: s.sample(1, -1), r"sample: seed must be an integer in \[0, 2\^64\), got -1"),
        (lambda s: s.sample(1, 2**64), "seed must be an integer"),
        (lambda s: s.sample(1, None), "seed must be an integer"),
        (lambda s: s.sample(1, True), "seed must be an integer"),
        (lambda s: s.mutate(s.sample(1, 0), 0, 0), "mutate: mutations must be an integer >= 1, got 0"),
        (lambda s: s.crossover(s.sample(1, 0), s.sample(2, 0), 0), "same number of rows, got 1 and 2"),
        (lambda s: s.enumerate(100), "has 15625 genotypes, more than limit 100"),
        (lambda s: s.option_mask(row(*[0] * 6), 6), "index must be below 6, got 6"),
        (lambda s: s.option_mask(row(*[9] * 6), 2), "prefix: op0 cannot hold 9 here"),
        (lambda s: s.features(s.sample(1, 0), "one-hot"), "unknown kind 'one-hot'; kinds: onehot"),
        (
            lambda s: s.canonical_bytes(s.sample(1, 0), "grap"),
            r"unknown kind 'grap' \(did you mean graph\?\)",
        ),
        (lambda s: s.neighbours(row(*[9] * 6)), "neighbours: genotype is not valid: op0 must hold"),
        (
            lambda s: s.build(row(*[0] * 6)),
            "space cell cannot build architectures: it was made without build=",
        ),
    ],
)
def test_wrong_arguments_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(cell())


def test_a_sample_too_large_for_memory_is_an_error() -> None:
    for n in (2**50, 2**60, 2**63 - 1):
        with pytest.raises(MemoryError):
            paired_cell().sample(n, 0)


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("op0", "expected name=value, got 'op0'"),
        ("op9=none", r"unknown choice 'op9' \(did you mean"),
        ("op0=nonne", r"op0 cannot be 'nonne' \(did you mean none\?\); options: none, skip_connect"),
        ("op0=none,op0=none", "choice op0 is given twice"),
        ("op0=none", "a value for choice op1 is missing"),
        ("", "expected name=value"),
    ],
)
def test_wrong_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cell().from_string(text)
    with pytest.raises(TypeError, match="text must be a string"):
        cell().from_string(3)  # type: ignore[arg-type]


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
