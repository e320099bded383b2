"""The fused mixed operation and cells of it, in float64, against the definition: values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_calls import arguments, cell_arguments, results
from random_cells import cell_specs, mixed_op_specs

from efficient_nas import ops
from efficient_nas.ops import CellSpec, MixedOpSpec, reference, sets

SPECS = {
    "darts": sets.darts(),
    "darts_affine": sets.darts("affine"),
    "pc_darts": sets.darts(channel_divisor=4),
    "nasbench201": sets.nasbench201(bias=True),
    "mbconv": sets.mbconv((3, 5), (1, 3)),
}


def assert_equal_to_the_definition(
    fused: Callable[..., Any], definition: Callable[..., Any], call: dict[str, Any]
) -> None:
    ours, theirs = results(fused, call), results(definition, call)
    # Norms of a constant image multiply rounding by up to eps ** -0.5 each; all else must agree closely.
    largest = max(float(exact.abs().max()) for exact in theirs if exact.numel())
    for mine, exact in zip(ours, theirs, strict=True):
        scale = float(exact.abs().max()) if exact.numel() else 0.0
        torch.testing.assert_close(mine, exact, rtol=1e-9, atol=1e-9 * (1 + scale) + 1e-13 * largest)


@given(
    spec=st.one_of(mixed_op_specs(), mixed_op_specs(changing=True)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9)),
    change=st.integers(1, 40),
    stride=st.sampled_from([1, 2]),
    training=st.booleans(),
    skip_zero=st.booleans(),
    zeros=st.sets(st.integers(0, 3)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=120)
def test_random_operations_equal_the_definition(
    spec: MixedOpSpec,
    size: tuple[int, int, int, int],
    change: int,
    stride: int,
    training: bool,
    skip_zero: bool,
    zeros: set[int],
    seed: int,
) -> None:
    batch, channels, height, width = size
    output_channels = None if spec.keeps_channels(stride) else change
    if stride == 2 and (output_channels or channels) < 2:
        size, output_channels = (batch, 2, height, width), None
    call = arguments(spec, size, stride, output_channels, seed, training=training, skip_zero=skip_zero)
    call["alpha"][[k for k in zeros if k < len(call["alpha"])]] = 0
    if (
        training
        and batch * -(-height // stride) * -(-width // stride) == 1
        and any(
            MixedOpSpec((op,)).buffer_names(stride) and not (skip_zero and weight == 0)
            for op, weight in zip(spec.candidates, call["alpha"].tolist(), strict=True)
        )
    ):
        for function in (ops.mixed_op, reference.mixed_op):
            with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
                function(**call)
        return
    assert_equal_to_the_definition(ops.mixed_op, reference.mixed_op, call)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", SPECS)
def test_published_sets_equal_the_definition(name: str, stride: int, training: bool) -> None:
    call = arguments(SPECS[name], (3, 12, 7, 5), stride, training=training)
    assert_equal_to_the_definition(ops.mixed_op, reference.mixed_op, call)


@given(
    spec=cell_specs(),
    part=st.integers(1, 20),
    training=st.booleans(),
    skip_zero=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80)
def test_random_cells_equal_the_definition(
    spec: CellSpec, part: int, training: bool, skip_zero: bool, seed: int
) -> None:
    if any(edge.stride == 2 for edge in spec.edges):
        part = max(part, 2)  # skip_connect makes two halves
    channels = part * max(edge.spec.channel_divisor for edge in spec.edges)
    call = cell_arguments(spec, channels, seed, training=training, eps=0.01, skip_zero=skip_zero)
    if seed % 3 == 0:
        call["alphas"][0][0] = 0
    if seed % 10 == 1:
        call["edge_weights"][-1] = 0
    assert_equal_to_the_definition(ops.mixed_cell, reference.mixed_cell, call)
