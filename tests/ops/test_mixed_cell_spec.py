"""Cells of mixed operations: what a CellSpec takes and tells, and their definition in plain PyTorch."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from random_cells import cell_specs, random_running, random_tensor

from efficient_nas.ops import CellEdge, CellSpec, MixedOpSpec, mixed_cell, reference, sets

PLAIN = sets.nasbench201()
CHANGING = MixedOpSpec(("sep_conv_3x3", "nor_conv_1x1"))
SMALL = CellSpec(2, (CellEdge(0, 2, PLAIN), CellEdge(2, 3, CHANGING, 2), CellEdge(1, 2, PLAIN)))


@given(cell_specs())
def test_json_copies_and_pickles_are_equal_and_hash_alike(spec: CellSpec) -> None:
    for other in (
        CellSpec.from_json(spec.to_json()),
        pickle.loads(pickle.dumps(spec)),
        copy.deepcopy(spec),
        CellSpec(spec.inputs, list(spec.edges)),  # type: ignore[arg-type]
    ):
        assert other == spec and hash(other) == hash(spec)


def test_json_holds_shared_candidates_once() -> None:
    document = json.loads(SMALL.to_json())
    assert len(document["specs"]) == 2
    assert document["edges"][1] == {"source": 2, "target": 3, "spec": 1, "stride": 2}


def test_names_and_shapes_are_those_of_the_edges_in_turn() -> None:
    assert SMALL.nodes == 2
    assert SMALL.parameter_names()[:3] == ("0.2.conv.weight", "0.3.conv.weight", "1.0.depthwise1.weight")
    shapes = SMALL.parameter_shapes([4, 4], [4, 6])
    assert len(shapes) == len(SMALL.parameter_names())
    assert shapes[2:6] == CHANGING.parameter_shapes(4, 6, 2)[:4]
    assert SMALL.buffer_names()[-1] == "2.3.norm.running_var"
    assert len(SMALL.buffer_shapes([4, 4])) == len(SMALL.buffer_names())
    assert SMALL.parameter_shapes([4, 4]) == SMALL.parameter_shapes([4, 4], [4, 4])


@given(cell_specs())
@settings(max_examples=25)
def test_the_definition_is_the_sum_over_edges(spec: CellSpec) -> None:
    channels = [6] * spec.inputs
    inputs = [random_tensor((2, 6, 5, 4), seed=i) for i in range(spec.inputs)]
    weights = random_tensor([len(spec.edges)], seed=9)
    alphas = [random_tensor([len(e.spec.candidates)], seed=10 + i) for i, e in enumerate(spec.edges)]
    parameters = [random_tensor(s, seed=20 + i) for i, s in enumerate(spec.parameter_shapes(channels))]
    running = random_running(spec.buffer_shapes(channels), seed=3)
    expected_running = [tensor.clone() for tensor in running]
    states = inputs + [torch.zeros(())] * spec.nodes
    for node in range(spec.inputs, spec.inputs + spec.nodes):
        for e, edge in enumerate(spec.edges):
            if edge.target != node:
                continue
            first = len([n for n in spec.parameter_names() if int(n.split(".")[0]) < e])
            count = len(edge.spec.parameter_names(edge.stride))
            start = len([n for n in spec.buffer_names() if int(n.split(".")[0]) < e])
            buffers = expected_running[start : start + len(edge.spec.buffer_names(edge.stride))]
            states[node] = states[node] + weights[e] * reference.mixed_op(
                states[edge.source],
                alphas[e],
                parameters[first : first + count],
                edge.spec,
                running=buffers,
                stride=edge.stride,
            )
    nodes = reference.mixed_cell(inputs, alphas, parameters, spec, edge_weights=weights, running=running)
    torch.testing.assert_close(nodes, states[spec.inputs :])
    torch.testing.assert_close(running, expected_running)


def test_weights_may_be_one_tensor_where_all_edges_have_as_many() -> None:
    spec = CellSpec(1, (CellEdge(0, 1, PLAIN), CellEdge(1, 2, PLAIN)))
    alphas = random_tensor((2, 5), seed=0)
    parameters = [random_tensor(s, seed=i) for i, s in enumerate(spec.parameter_shapes([2]))]
    x = random_tensor((2, 2, 3, 3), seed=9)
    torch.testing.assert_close(
        reference.mixed_cell([x], alphas, parameters, spec),
        reference.mixed_cell([x], list(alphas), parameters, spec),
    )


PARTIAL = sets.darts(channel_divisor=4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: CellEdge(1, 1, PLAIN),
            ValueError,
            "source must be at least 0 and less than target, got 1 and 1",
        ),
        (lambda: CellEdge(-1, 1, PLAIN), ValueError, "got -1 and 1"),
        (lambda: CellEdge(0.0, 1, PLAIN), TypeError, "source must be an int, got 0.0"),  # type: ignore[arg-type]
        (lambda: CellEdge(0, 1, "none"), TypeError, "spec must be a MixedOpSpec, got str"),  # type: ignore[arg-type]
        (
            lambda: CellSpec(1, (CellEdge(0, 1, PARTIAL), CellEdge(0, 2, PLAIN), CellEdge(1, 2, PARTIAL))),
            ValueError,
            r"edges that leave state 0 must agree in channel_divisor, got 4 and, from edges\[1\], 1",
        ),
        (
            lambda: CellSpec(2, (CellEdge(0, 2, PARTIAL), CellEdge(1, 2, PLAIN))),
            ValueError,
            r"edges that enter node 2 must agree in channel_divisor, got 4 and, from edges\[1\], 1",
        ),
        (lambda: CellEdge(0, 1, PLAIN, 3), ValueError, "CellEdge: stride must be 1 or 2, got 3"),
        (lambda: CellSpec(0, (CellEdge(0, 1, PLAIN),)), ValueError, "inputs must be at least 1, got 0"),
        (lambda: CellSpec(1, ()), ValueError, "edges must hold at least one edge, got none"),
        (lambda: CellSpec(1, 7), TypeError, "edges must be a list or tuple of CellEdge, got 7"),  # type: ignore[arg-type]
        (lambda: CellSpec(1, (PLAIN,)), TypeError, r"edges\[0\] must be a CellEdge"),  # type: ignore[arg-type]
        (lambda: CellSpec(1, (CellEdge(0, 2, PLAIN),)), ValueError, r"must be the nodes 1 .*, got \[2\]"),
        (lambda: CellSpec(3, (CellEdge(0, 2, PLAIN),)), ValueError, r"must be the nodes 3 .*, got \[2\]"),
        (lambda: SMALL.parameter_shapes([4]), ValueError, "input_channels must hold 2 numbers, got 1"),
        (lambda: SMALL.parameter_shapes(4), TypeError, "input_channels must be a list or tuple"),  # type: ignore[arg-type]
        (
            lambda: SMALL.parameter_shapes([4, 4], [4, 0]),
            ValueError,
            r"node_channels\[1\] must be at least 1",
        ),
        (lambda: SMALL.parameter_shapes([4, 5]), ValueError, "output_channels must equal input_channels = 5"),
        (lambda: CellSpec.from_json("{"), ValueError, "CellSpec: not JSON"),
        (lambda: CellSpec.from_json("[]"), TypeError, "CellSpec must be an object"),
        (lambda: CellSpec.from_json("{}"), ValueError, "CellSpec must have edges"),
        (lambda: CellSpec.from_json('{"edges": []}'), TypeError, "specs must be a list, got None"),
        (
            lambda: CellSpec.from_json('{"inputs": 1, "specs": [], "edges": [{"spec": 0}]}'),
            ValueError,
            r"edges\[0\]: spec must be the number of one of 0 specs, got 0",
        ),
        (
            lambda: CellSpec.from_json('{"specs": [{"candidates": ["none"]}], "edges": []}'),
            TypeError,
            r"CellSpec: specs\[0\]: candidates\[0\] must be an object, got 'none'",
        ),
    ],
)
def test_wrong_specs_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def arguments() -> dict[str, Any]:
    return {
        "inputs": [random_tensor((2, 4, 5, 5), seed=i) for i in range(2)],
        "alphas": [random_tensor([n], seed=2) for n in (5, 2, 5)],
        "parameters": [random_tensor(s, seed=3) for s in SMALL.parameter_shapes([4, 4], [4, 6])],
        "spec": SMALL,
    }


def test_the_channels_of_a_node_are_those_of_its_weights() -> None:
    assert [tuple(node.shape) for node in reference.mixed_cell(**arguments())] == [(2, 4, 5, 5), (2, 6, 3, 3)]


IMAGE = torch.ones(2, 4, 5, 5, dtype=torch.float64)
ALPHAS = [torch.ones(n) for n in (5, 2, 5)]
ONE_SIZE = CellSpec(2, (CellEdge(0, 2, PLAIN), CellEdge(1, 2, PLAIN, 2)))
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"spec": PLAIN}, TypeError, "spec must be a CellSpec, got MixedOpSpec"),
    ({"inputs": IMAGE}, TypeError, "inputs must be a list or tuple of tensors, got Tensor"),
    ({"inputs": [IMAGE]}, ValueError, r"inputs must hold 2 tensors \(from spec\), got 1"),
    ({"inputs": [IMAGE, IMAGE[0]]}, ValueError, r"inputs\[1\] must have shape \[N, C, H, W\]"),
    (
        {"inputs": [IMAGE, IMAGE[:1]]},
        ValueError,
        r"inputs\[1\] must have the batch size of inputs\[0\], 2, got 1",
    ),
    ({"inputs": [IMAGE, IMAGE.float()]}, ValueError, r"inputs\[1\] must have the dtype of inputs\[0\]"),
    (
        {"inputs": [IMAGE, IMAGE.to("meta")]},
        ValueError,
        r"inputs\[1\] must have the device of inputs\[0\], cpu",
    ),
    ({"inputs": [IMAGE, IMAGE[:, :3]]}, ValueError, "output_channels must equal input_channels = 3"),
    ({"alphas": 1.0}, TypeError, "alphas must be a tensor or a list or tuple of tensors, got float"),
    ({"alphas": torch.ones(3, 5)}, ValueError, "only where all edges have K candidates"),
    ({"alphas": torch.ones(12)}, ValueError, "only where all edges have K candidates"),
    ({"alphas": ALPHAS[:2]}, ValueError, r"alphas must hold 3 tensors \(from spec\), got 2"),
    ({"alphas": ALPHAS[::-1][:1] * 3}, ValueError, r"alphas\[1\] must have shape \[K\] with K = 2"),
    ({"alphas": [1, 2, 3]}, TypeError, r"alphas\[0\] must be a torch.Tensor, got int"),
    ({"parameters": []}, ValueError, "parameters must hold 9 tensors"),
    ({"parameters": [None] * 9}, TypeError, r"parameters\[0\] \(0.2.conv.weight\) must be a torch.Tensor"),
    ({"training": False}, ValueError, "running must be given when training is False"),
    ({"running": []}, ValueError, "running must hold 14 tensors"),
    ({"eps": -1}, ValueError, "eps must be a finite number above 0, got -1"),
    ({"skip_zero": 1}, TypeError, "skip_zero must be a bool, got 1"),
    (
        {
            "spec": ONE_SIZE,
            "alphas": ALPHAS[:1] * 2,
            "parameters": [random_tensor(s, seed=0) for s in ONE_SIZE.parameter_shapes([4, 4])],
        },
        ValueError,
        r"edges into node 2 must give one size, got \[5, 5\] from edges\[0\] and \[3, 3\] from edges\[1\]",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), WRONG, ids=[m for _, _, m in WRONG])
@pytest.mark.parametrize("function", [reference.mixed_cell, mixed_cell])
def test_wrong_arguments_are_named(
    function: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match="^mixed_cell: .*" + message):
        function(**(arguments() | options))


def test_a_single_edge_is_the_mixed_operation() -> None:
    spec = CellSpec(1, (CellEdge(0, 1, CHANGING, 2),))
    parameters = [random_tensor(s, seed=i) for i, s in enumerate(spec.parameter_shapes([3], [5]))]
    x, alpha = random_tensor((2, 3, 4, 4), seed=7), random_tensor([2], seed=8)
    (node,) = reference.mixed_cell([x], [alpha], parameters, spec)
    torch.testing.assert_close(node, reference.mixed_op(x, alpha, parameters, CHANGING, stride=2))
