"""Specifications of mixed operations: attributes, names and shapes of tensors, JSON, errors."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from candidate_modules import candidate_modules
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.ops import MixedOpSpec, OpSpec, sets

FAMILIES = ("none", "skip_connect", "max_pool", "avg_pool", "nor_conv", "sep_conv", "dil_conv", "mbconv")


@st.composite
def op_specs(draw: st.DrawFn) -> OpSpec:
    operation = draw(st.sampled_from(FAMILIES))
    options: dict[str, Any] = {}
    if operation != "none":
        norms = ["plain", "affine"] + (["none"] if operation.endswith("pool") else [])
        options["norm"] = draw(st.sampled_from(norms))
    if operation not in {"none", "skip_connect"}:
        options["kernel_size"] = draw(st.sampled_from([1, 3, 5, 7]))
    if operation == "dil_conv":
        options["dilation"] = draw(st.integers(1, 3))
    if operation == "mbconv":
        options["expansion"] = draw(st.integers(1, 3))
    if operation in {"skip_connect", "nor_conv", "sep_conv", "dil_conv"}:
        options["bias"] = draw(st.booleans())
    return OpSpec(operation, **options)


mixed_specs = st.builds(MixedOpSpec, st.lists(op_specs(), min_size=1, max_size=6), st.integers(1, 3))


def test_the_sets_are_the_published_ones_in_their_order() -> None:
    assert [c.name for c in sets.darts().candidates] == [
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    ]
    assert [c.norm for c in sets.darts("affine").candidates] == ["none", *["plain"] * 2, *["affine"] * 5]
    nasbench201 = sets.nasbench201()
    assert [c.name for c in nasbench201.candidates] == [
        "none",
        "skip_connect",
        "nor_conv_1x1",
        "nor_conv_3x3",
        "avg_pool_3x3",
    ]
    assert nasbench201.buffer_names() == tuple(
        f"{k}.norm.{b}" for k in (2, 3) for b in ("running_mean", "running_var")
    )
    assert [c.name for c in sets.mbconv((3, 5), (3, 6)).candidates] == [
        "mbconv_3x3_e3",
        "mbconv_3x3_e6",
        "mbconv_5x5_e3",
        "mbconv_5x5_e6",
    ]


def test_names_and_shapes_of_every_kind_of_tensor() -> None:
    spec = MixedOpSpec(
        (
            OpSpec("skip_connect", bias=True),
            OpSpec("avg_pool_3x3", "affine"),
            OpSpec("sep_conv_5x5", "affine"),
            OpSpec("mbconv_3x3_e2"),
        )
    )
    inner = {
        "1.norm.weight": (6,),
        "1.norm.bias": (6,),
        "2.depthwise1.weight": (6, 1, 5, 5),
        "2.pointwise1.weight": (6, 6, 1, 1),
        "2.norm1.weight": (6,),
        "2.norm1.bias": (6,),
        "2.depthwise2.weight": (6, 1, 5, 5),
        "2.pointwise2.weight": (6, 6, 1, 1),
        "2.norm2.weight": (6,),
        "2.norm2.bias": (6,),
        "3.expand.weight": (12, 6, 1, 1),
        "3.depthwise.weight": (12, 1, 3, 3),
        "3.project.weight": (6, 12, 1, 1),
    }
    reduce = {
        "0.even.weight": (3, 6, 1, 1),
        "0.even.bias": (3,),
        "0.odd.weight": (3, 6, 1, 1),
        "0.odd.bias": (3,),
    }
    assert dict(zip(spec.parameter_names(), spec.parameter_shapes(6), strict=True)) == inner
    strided = dict(zip(spec.parameter_names(2), spec.parameter_shapes(6, stride=2), strict=True))
    assert list(strided.items()) == [*reduce.items(), *inner.items()]
    norms = {
        "0.norm": 6,
        "1.norm": 6,
        "2.norm1": 6,
        "2.norm2": 6,
        "3.expand_norm": 12,
        "3.depthwise_norm": 12,
        "3.project_norm": 6,
    }
    expected = {f"{n}.{b}": (c,) for n, c in norms.items() for b in ("running_mean", "running_var")}
    assert dict(zip(spec.buffer_names(2), spec.buffer_shapes(6, stride=2), strict=True)) == expected


@given(spec=mixed_specs, stride=st.sampled_from([1, 2]), groups=st.integers(2, 4))
def test_shapes_are_those_of_modules(spec: MixedOpSpec, stride: int, groups: int) -> None:
    channels = groups * spec.channel_divisor
    modules = candidate_modules(spec, channels, stride=stride)
    assert spec.parameter_shapes(channels, stride=stride) == tuple(
        tuple(p.shape) for p in modules.parameters()
    )
    assert len(set(spec.parameter_names(stride))) == len(spec.parameter_shapes(channels, stride=stride))
    buffers = [b for n, b in modules.named_buffers() if n.endswith(("mean", "var"))]
    assert spec.buffer_shapes(channels, stride=stride) == tuple(tuple(b.shape) for b in buffers)
    assert len(set(spec.buffer_names(stride))) == len(buffers)


@given(spec=mixed_specs)
def test_json_names_equality_and_hash(spec: MixedOpSpec) -> None:
    again = MixedOpSpec.from_json(spec.to_json())
    assert again == spec and hash(again) == hash(spec)
    for op in spec.candidates:
        assert OpSpec(op.name, op.norm, bias=op.bias) == op
    other = dataclasses.replace(spec, channel_divisor=spec.channel_divisor + 1)
    assert other != spec


def test_a_name_sets_the_sizes_that_it_holds() -> None:
    assert OpSpec("dil_conv_5x5_d3") == OpSpec("dil_conv", kernel_size=5, dilation=3)
    assert OpSpec("dil_conv_5x5") == OpSpec("dil_conv", kernel_size=5, dilation=2)
    assert OpSpec("mbconv_3x3") == OpSpec("mbconv_3x3", expansion=1)
    assert OpSpec("mbconv_3x3", expansion=4).name == "mbconv_3x3_e4"
    assert MixedOpSpec(["none", "sep_conv_3x3"]) == MixedOpSpec((OpSpec("none"), OpSpec("sep_conv_3x3")))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"operation": 3}, TypeError, "operation must be a str, got 3"),
        ({"operation": "conv7"}, ValueError, "operation must be one of none, .*; got 'conv7'"),
        ({"operation": "sepconv"}, ValueError, r"did you mean sep_conv\?"),
        ({"operation": "sep_conv_3x5"}, ValueError, "operation must be one of"),
        ({"operation": "sep_conv"}, ValueError, "kernel_size of sep_conv must be given"),
        ({"operation": "sep_conv_4x4"}, ValueError, "kernel_size of sep_conv must be odd, got 4"),
        ({"operation": "sep_conv_0x0"}, ValueError, "kernel_size of sep_conv must be at least 1, got 0"),
        (
            {"operation": "sep_conv_3x3", "kernel_size": 3},
            ValueError,
            "kernel_size .* is in its name; got 3 too",
        ),
        ({"operation": "sep_conv", "kernel_size": True}, TypeError, "must be an int, got True"),
        ({"operation": "sep_conv", "kernel_size": 3.0}, TypeError, "must be an int, got 3.0"),
        ({"operation": "none", "kernel_size": 3}, ValueError, "none takes no kernel_size, got 3"),
        ({"operation": "sep_conv_3x3", "dilation": 2}, ValueError, "sep_conv takes no dilation, got 2"),
        ({"operation": "sep_conv_3x3_d2"}, ValueError, "sep_conv takes no dilation, got 2"),
        ({"operation": "dil_conv_3x3", "dilation": 0}, ValueError, "dilation of dil_conv must be at least 1"),
        ({"operation": "skip_connect", "expansion": 6}, ValueError, "skip_connect takes no expansion, got 6"),
        ({"operation": "mbconv_3x3", "expansion": -1}, ValueError, "expansion of mbconv must be at least 1"),
        ({"operation": "none", "norm": "plain"}, ValueError, "norm of none must be none, got 'plain'"),
        ({"operation": "sep_conv_3x3", "norm": "none"}, ValueError, "must be plain or affine, got 'none'"),
        (
            {"operation": "max_pool_3x3", "norm": True},
            ValueError,
            "must be none or plain or affine, got True",
        ),
        ({"operation": "max_pool_3x3", "bias": True}, ValueError, "max_pool takes no bias"),
        ({"operation": "nor_conv_3x3", "bias": 1}, TypeError, "bias must be a bool, got 1"),
    ],
)
def test_wrong_attributes_of_a_candidate_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"OpSpec: .*{message}"):
        OpSpec(**options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: MixedOpSpec("none"),
            TypeError,
            "candidates must be a list or tuple of OpSpec or str, got 'n",
        ),
        (lambda: MixedOpSpec(()), ValueError, "candidates must hold at least one candidate, got none"),
        (lambda: MixedOpSpec(("none", 3)), TypeError, r"candidates\[1\] must be an OpSpec or str, got 3"),
        (lambda: MixedOpSpec(("none",), 0), ValueError, "channel_divisor must be at least 1, got 0"),
        (lambda: MixedOpSpec(("none",), 1.5), TypeError, "channel_divisor must be an int, got 1.5"),
        (lambda: sets.darts().parameter_names(3), ValueError, "stride must be 1 or 2, got 3"),
        (lambda: sets.darts().buffer_names(0), ValueError, "stride must be 1 or 2, got 0"),
        (lambda: sets.darts().parameter_shapes(0), ValueError, "input_channels must be at least 1, got 0"),
        (
            lambda: sets.darts().parameter_shapes(4, 8, stride=2),
            ValueError,
            "must equal input_channels = 4 at stride 2, because of none, max_pool_3x3, avg_pool_3x3; got 8",
        ),
        (
            lambda: MixedOpSpec(("nor_conv_3x3",), 2).parameter_shapes(4, 8),
            ValueError,
            "because of partial channels; got 8",
        ),
        (lambda: sets.darts().parameter_shapes(1, stride=2), ValueError, "at least 2 at stride 2, .*; got 1"),
        (lambda: MixedOpSpec.from_json("{"), ValueError, "not JSON"),
        (lambda: MixedOpSpec.from_json("[]"), TypeError, r"must be an object, got \[\]"),
        (lambda: MixedOpSpec.from_json("{}"), ValueError, "must have candidates"),
        (lambda: MixedOpSpec.from_json('{"candidates": "none"}'), TypeError, "candidates must be a list"),
        (
            lambda: MixedOpSpec.from_json('{"candidates": [{"operation": "none", "kernel": 3}]}'),
            ValueError,
            r"candidates\[0\] has fields operation, .*; got 'kernel'",
        ),
        (
            lambda: MixedOpSpec.from_json('{"candidates": [{}]}'),
            ValueError,
            r"candidates\[0\] must have operat",
        ),
    ],
)
def test_wrong_sets_are_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"MixedOpSpec: .*{message}|MixedOpSpec {message}"):
        call()


def test_json_is_plain_and_short() -> None:
    assert json.loads(MixedOpSpec(("none", "mbconv_3x3_e6"), 2).to_json()) == {
        "candidates": [
            {"operation": "none", "norm": "none"},
            {"operation": "mbconv", "norm": "plain", "kernel_size": 3, "expansion": 6},
        ],
        "channel_divisor": 2,
    }
