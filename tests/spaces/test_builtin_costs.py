"""Native costs of the built-in spaces: those of the built architecture, and those of a real run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from builtin_cases import SPACES, TASKS, make
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas.spaces import Space

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live_memory import counted_macs, peak_bytes

COSTS = ("macs", "params", "peak_activation_bytes")
CASES = [(case, task) for case in SPACES for task in range(len(TASKS[case]))]


@pytest.fixture(scope="module")
def all_spaces() -> dict[str, Space]:
    return {case: make(case) for case in SPACES}


@pytest.mark.parametrize(("case", "task"), CASES)
def test_native_costs_are_those_of_the_built_architecture(
    all_spaces: dict[str, Space], case: str, task: int
) -> None:
    space = all_spaces[case]
    input_shape, num_classes, options = TASKS[case][task]
    rows = np.concatenate([space.sample(60, 5), space.covering_genotypes()[:5]])
    costs = space.costs(rows, input_shape, num_classes, **options)
    for i, row in enumerate(rows):
        built = space.build(row, input_shape, num_classes, **options)
        native = {cost: int(costs[cost][i]) for cost in COSTS}
        assert native == {cost: getattr(built, cost) for cost in COSTS}, space.to_string(row)


@given(index=st.integers(0, 15624))
@settings(max_examples=300)
def test_nasbench201_costs_with_every_kind_of_dead_edge(all_spaces: dict[str, Space], index: int) -> None:
    space = all_spaces["nasbench201"]
    row = np.array([index // 5**e % 5 for e in range(6)], dtype=np.uint8)
    costs = space.costs(row[None], (3, 8, 8), 10, cells_per_stage=2)
    built = space.build(row, (3, 8, 8), 10, cells_per_stage=2)
    assert {cost: int(costs[cost][0]) for cost in COSTS} == {cost: getattr(built, cost) for cost in COSTS}


@pytest.mark.parametrize(("case", "task"), [(case, task) for case, task in CASES if task > 0])
def test_costs_are_those_of_a_real_run(all_spaces: dict[str, Space], case: str, task: int) -> None:
    space = all_spaces[case]
    input_shape, num_classes, options = TASKS[case][task]
    rows = space.sample(4, 11)
    costs = space.costs(rows, input_shape, num_classes, **options)
    for i, row in enumerate(rows):
        network = space.build(row, input_shape, num_classes, **options).to_pytorch()
        text = space.to_string(row)
        assert sum(p.numel() for p in network.parameters()) == costs["params"][i], text
        assert counted_macs(network, input_shape) == costs["macs"][i], text
        assert peak_bytes(network, input_shape) == costs["peak_activation_bytes"][i], text


@pytest.mark.parametrize("case", list(SPACES))
def test_networks_train(all_spaces: dict[str, Space], case: str) -> None:
    torch.manual_seed(0)
    space = all_spaces[case]
    input_shape, num_classes, options = TASKS[case][2]
    row = space.covering_genotypes()[-1]
    network = space.build(row, input_shape, num_classes, **options).to_pytorch()
    logits = network(torch.randn(4, *input_shape))
    assert logits.shape == (4, num_classes)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("case", list(SPACES))
def test_covering_genotypes_hold_every_operator(all_spaces: dict[str, Space], case: str) -> None:
    space = all_spaces[case]
    covering = space.covering_genotypes()
    assert space.validate(covering).all()
    known = {operator for row in covering for operator in space.build(row).operators()}
    rows = space.sample(500, 3) if space.size > 20_000 else space.enumerate()[:: max(1, space.size // 500)]
    for row in rows:
        assert set(space.build(row).operators()) <= known, space.to_string(row)


@pytest.mark.parametrize(
    ("case", "limits"),
    [
        ("nasbench201", {"operations": ["none", "skip_connect", "avg_pool_3x3"]}),
        ("nasbench201", {"operations": ["none"]}),
        ("nasbench_macro", {"operations": ["identity", "mbconv_k3_e3"]}),
        ("nasbench_macro", {"operations": ["identity"]}),
        ("darts", {"operations": ["skip_connect", "sep_conv_3x3"]}),
        ("mbconv", {"max_depth": 2, "max_width": 130}),
        ("mbconv-small", {"max_depth": 2}),
    ],
)
def test_covering_genotypes_of_a_restricted_space_stay_inside(
    all_spaces: dict[str, Space], case: str, limits: dict[str, object]
) -> None:
    space = all_spaces[case].restrict(**limits)
    covering = space.covering_genotypes()
    assert len(covering) > 0 and space.validate(covering).all()
    known = {operator for row in covering for operator in space.build(row).operators()}
    for row in space.sample(100, 3):
        assert set(space.build(row).operators()) <= known, space.to_string(row)


@pytest.mark.parametrize("case", list(SPACES))
def test_costs_of_no_rows_are_empty(all_spaces: dict[str, Space], case: str) -> None:
    space = all_spaces[case]
    costs = space.costs(np.empty((0, space.num_choices), dtype=np.uint8))
    assert {name: (values.shape, values.dtype) for name, values in costs.items()} == {
        name: ((0,), np.dtype(np.int64)) for name in COSTS
    }


@pytest.mark.parametrize("case", list(SPACES))
def test_wrong_tasks_and_options_are_named(all_spaces: dict[str, Space], case: str) -> None:
    space = all_spaces[case]
    rows = space.sample(2, 0)
    for call in (lambda *a, **k: space.costs(rows, *a, **k), lambda *a, **k: space.build(rows[0], *a, **k)):
        with pytest.raises(ValueError, match="input_shape must be \\(channels, height, width\\)"):
            call((32, 32))
        with pytest.raises(ValueError, match="height of input_shape must be an int of at least 1, got 0"):
            call((3, 0, 32))
        with pytest.raises(ValueError, match="num_classes must be an int of at least 1, got 2"):
            call((3, 32, 32), 2.0)
        with pytest.raises(ValueError, match="unknown network option 'chanels'"):
            call((3, 32, 32), 10, chanels=4)


@pytest.mark.parametrize("case", list(SPACES))
def test_rows_that_are_not_valid_are_named(all_spaces: dict[str, Space], case: str) -> None:
    space = all_spaces[case]
    rows = space.sample(5, 0)
    rows[3, -1] = 200
    for call in (space.costs, space.canonical_bytes, space.canonical_hash):
        with pytest.raises(ValueError, match="row 3 of genotypes is not valid"):
            call(rows)
        with pytest.raises(TypeError, match="genotypes must be a uint8 array"):
            call(rows.astype(np.int64))
        with pytest.raises(ValueError, match="must have shape"):
            call(rows[:, :-1])
