"""Every candidate operation against plain PyTorch or numpy arithmetic written out here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from efficient_nas import candidates

SHAPED = ("conv", "conv_bn", "conv_bn_relu", "mbconv")
KEEPS = ("max_pool_3x3", "avg_pool_3x3", "bn_relu", "global_avg_pool", "gate")


def make(operation: str, stride: int = 1, channels: tuple[int, int] = (4, 6), **options: Any) -> nn.Module:
    if operation in SHAPED:
        options.setdefault("kernel_size", 3)
    if operation in KEEPS or (operation == "skip_connect" and stride == 1):
        channels = (channels[0], channels[0])
    return candidates.create(operation, *channels, stride=stride, **options)


@given(
    operation=st.sampled_from(sorted(set(candidates.operations()) - {"linear", "global_avg_pool"})),
    stride=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=150, deadline=None)
def test_sides_are_divided_by_the_stride_and_rounded_up(
    operation: str, stride: int, size: tuple[int, int]
) -> None:
    if (operation, stride) in {("factorized_reduce", 1), ("bn_relu", 2), ("gate", 2)}:
        return
    module = make(operation, stride).eval()
    x = torch.randn(2, 4, *size)
    kept = x.clone()
    y = module(x)
    assert y.shape[0] == 2
    assert y.shape[2:] == tuple(-(-side // stride) for side in size)
    assert torch.equal(x, kept), "an operation must not change its input"


@pytest.mark.parametrize("operation", sorted(set(candidates.operations()) - {"skip_connect"}))
def test_gradients_reach_every_parameter(operation: str) -> None:
    torch.manual_seed(0)
    stride = 2 if operation == "factorized_reduce" else 1
    module = make(operation, stride)
    if operation == "gate":
        nn.init.ones_(module.get_parameter("scale"))
    x = torch.randn(3, 4, 1, 1) if operation == "linear" else torch.randn(3, 4, 6, 6)
    x.requires_grad_()
    (module(x) * torch.randn_like(module(x))).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_factorized_reduce_reads_both_pixel_grids_and_pads_odd_sides() -> None:
    module = candidates.create("factorized_reduce", 3, 4, stride=2).eval()
    x = torch.randn(2, 3, 5, 6)
    first, second = (p for n, p in module.named_parameters() if "norm" not in n)
    padded = functional.pad(torch.relu(x), (0, 0, 0, 1))
    expected = torch.cat(
        [
            torch.einsum("oi,nihw->nohw", first[:, :, 0, 0], padded[:, :, ::2, ::2]),
            torch.einsum("oi,nihw->nohw", second[:, :, 0, 0], padded[:, :, 1::2, 1::2]),
        ],
        dim=1,
    )
    torch.testing.assert_close(module(x), expected / (1 + 1e-5) ** 0.5)


def test_average_pool_leaves_padding_out_of_its_count() -> None:
    module = candidates.create("avg_pool_3x3", 2, 2, stride=2)
    torch.testing.assert_close(module(torch.ones(1, 2, 5, 5)), torch.ones(1, 2, 3, 3))


def test_a_fresh_gate_is_closed_and_its_scale_learns() -> None:
    module = candidates.create("gate", 3, 3)
    x = torch.randn(2, 3, 4, 5)
    y = module(x)
    assert torch.equal(y, torch.zeros_like(x))
    y.sum().backward()
    scale = module.get_parameter("scale")
    torch.testing.assert_close(scale.grad, x.sum((0, 2, 3)))
    with torch.no_grad():
        scale.copy_(torch.tensor([1.0, -2.0, 0.5]))
    torch.testing.assert_close(module(x), torch.stack([x[:, 0], -2 * x[:, 1], x[:, 2] / 2], dim=1))


@pytest.mark.parametrize(("stride", "channels"), [(1, (4, 4)), (1, (4, 6)), (2, (4, 6))])
def test_resnet_block_adds_its_shortcut(stride: int, channels: tuple[int, int]) -> None:
    module = make("resnet_basic_block", stride, channels).eval()
    for name, parameter in module.named_parameters():
        if int(name.split(".")[1]) >= 3 and name.startswith("body"):
            nn.init.zeros_(parameter)
    x = torch.randn(2, 4, 6, 6)
    y = module(x)
    if stride == 1 and channels[0] == channels[1]:
        torch.testing.assert_close(y, x)
    elif stride == 2:
        weight = module.get_parameter("shortcut.1.weight")
        torch.testing.assert_close(y, functional.conv2d(functional.avg_pool2d(x, 2), weight))
    else:
        weight = module.get_parameter("shortcut.1.weight")
        torch.testing.assert_close(y, functional.conv2d(torch.relu(x), weight) / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize(
    ("stride", "channels", "residual"), [(1, (4, 4), True), (1, (4, 6), False), (2, (4, 4), False)]
)
def test_mbconv_is_residual_only_where_shapes_agree(
    stride: int, channels: tuple[int, int], residual: bool
) -> None:
    module = candidates.create("mbconv", *channels, stride=stride, kernel_size=5, expansion=3).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    x = torch.randn(1, 4, 6, 6)
    assert torch.equal(module(x), x) if residual else not module(x).any()


def test_expansion_1_has_no_expanding_convolution() -> None:
    widths = [
        [m.out_channels for m in make("mbconv", expansion=e).modules() if isinstance(m, nn.Conv2d)]
        for e in (1, 3)
    ]
    assert widths == [[4, 6], [12, 12, 6]]


@pytest.mark.parametrize("operation", sorted(candidates.operations()))
def test_affine_false_leaves_no_batch_norm_parameters(operation: str) -> None:
    module = make(operation, 2 if operation == "factorized_reduce" else 1, affine=False)
    assert not [
        name for m in module.modules() if isinstance(m, nn.BatchNorm2d) for name, _ in m.named_parameters()
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operation": "conv7"}, "operation must be one of"),
        ({"operation": "none"}, "operation must be one of"),
        ({"operation": "nor_conv_3x3", "stride": 3}, "stride of nor_conv_3x3 must be 1 or 2, got 3"),
        ({"operation": "bn_relu", "output_channels": 4, "stride": 2}, "stride of bn_relu must be 1, got 2"),
        ({"operation": "factorized_reduce"}, "stride of factorized_reduce must be 2, got 1"),
        ({"operation": "factorized_reduce", "stride": 2, "output_channels": 5}, "must be even, got 5"),
        ({"operation": "max_pool_3x3"}, "max_pool_3x3 keeps its channels"),
        ({"operation": "skip_connect"}, "skip_connect keeps its channels"),
        ({"operation": "conv"}, "kernel_size of conv must be an odd int, got None"),
        ({"operation": "mbconv", "kernel_size": 4}, "kernel_size of mbconv must be an odd int, got 4"),
        ({"operation": "nor_conv_3x3", "kernel_size": 3}, "nor_conv_3x3 takes no kernel_size"),
        ({"operation": "nor_conv_3x3", "expansion": 2}, "nor_conv_3x3 takes no expansion"),
        (
            {"operation": "nor_conv_3x3", "input_channels": 0},
            "input_channels of nor_conv_3x3 must be a positive",
        ),
        (
            {"operation": "mbconv", "kernel_size": 3, "expansion": 1.5},
            "expansion of mbconv must be a positive",
        ),
        ({"operation": "linear", "in_features": -3}, "in_features of linear must be a positive int"),
    ],
)
def test_wrong_attributes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        candidates.create(**({"input_channels": 4, "output_channels": 6} | arguments))
