"""Creates the module of an operation by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from efficient_nas.candidates.blocks import (
    Classifier,
    FactorizedReduce,
    Gate,
    GlobalAvgPool,
    MBConv,
    ResNetBasicBlock,
)
from efficient_nas.candidates.convolutions import ConvBN, DilConv, ReLUConvBN, SepConv, convolution


@dataclass(frozen=True, slots=True)
class Settings:
    """The attributes of one operation, checked by `create`."""

    input_channels: int
    output_channels: int
    stride: int
    kernel_size: int
    expansion: int
    affine: bool
    in_features: int


@dataclass(frozen=True, slots=True)
class Operation:
    """How to make one operation, and which attributes it takes."""

    make: Callable[[Settings], nn.Module]
    strides: tuple[int, ...] = (1, 2)
    keeps_channels: bool = False
    even_output: bool = False
    takes_kernel_size: bool = False
    takes_expansion: bool = False


def _relu_conv_bn(kernel_size: int) -> Operation:
    return Operation(
        lambda s: ReLUConvBN(s.input_channels, s.output_channels, kernel_size, s.stride, affine=s.affine)
    )


def _sep_conv(kernel_size: int) -> Operation:
    return Operation(
        lambda s: SepConv(s.input_channels, s.output_channels, kernel_size, s.stride, affine=s.affine)
    )


def _dil_conv(kernel_size: int) -> Operation:
    return Operation(
        lambda s: DilConv(s.input_channels, s.output_channels, kernel_size, s.stride, affine=s.affine)
    )


def _conv_bn(relu: bool) -> Operation:
    return Operation(
        lambda s: ConvBN(
            s.input_channels, s.output_channels, s.kernel_size, s.stride, affine=s.affine, relu=relu
        ),
        takes_kernel_size=True,
    )


def _factorized_reduce(s: Settings) -> nn.Module:
    return FactorizedReduce(s.input_channels, s.output_channels, affine=s.affine)


_OPERATIONS: dict[str, Operation] = {
    "nor_conv_1x1": _relu_conv_bn(1),
    "nor_conv_3x3": _relu_conv_bn(3),
    "sep_conv_3x3": _sep_conv(3),
    "sep_conv_5x5": _sep_conv(5),
    "dil_conv_3x3": _dil_conv(3),
    "dil_conv_5x5": _dil_conv(5),
    "max_pool_3x3": Operation(lambda s: nn.MaxPool2d(3, s.stride, padding=1), keeps_channels=True),
    "avg_pool_3x3": Operation(
        lambda s: nn.AvgPool2d(3, s.stride, padding=1, count_include_pad=False), keeps_channels=True
    ),
    "factorized_reduce": Operation(_factorized_reduce, strides=(2,), even_output=True),
    "resnet_basic_block": Operation(
        lambda s: ResNetBasicBlock(s.input_channels, s.output_channels, s.stride, affine=s.affine)
    ),
    "conv": Operation(
        lambda s: convolution(s.input_channels, s.output_channels, s.kernel_size, s.stride),
        takes_kernel_size=True,
    ),
    "conv_bn": _conv_bn(relu=False),
    "conv_bn_relu": _conv_bn(relu=True),
    "bn_relu": Operation(
        lambda s: nn.Sequential(nn.BatchNorm2d(s.input_channels, affine=s.affine), nn.ReLU()),
        strides=(1,),
        keeps_channels=True,
    ),
    "mbconv": Operation(
        lambda s: MBConv(
            s.input_channels, s.output_channels, s.kernel_size, s.expansion, s.stride, affine=s.affine
        ),
        takes_kernel_size=True,
        takes_expansion=True,
    ),
    "global_avg_pool": Operation(lambda s: GlobalAvgPool(), strides=(1,), keeps_channels=True),
    "linear": Operation(lambda s: Classifier(s.in_features, s.output_channels), strides=(1,)),
    "gate": Operation(lambda s: Gate(s.input_channels), strides=(1,), keeps_channels=True),
}
_SKIP = {
    1: Operation(lambda s: nn.Identity(), strides=(1,), keeps_channels=True),
    2: _OPERATIONS["factorized_reduce"],
}


def operations() -> tuple[str, ...]:
    """Names of all operations that have a module."""
    return ("skip_connect", *_OPERATIONS)


def create(
    operation: str,
    input_channels: int,
    output_channels: int,
    stride: int = 1,
    kernel_size: int | None = None,
    expansion: int = 1,
    affine: bool = True,
    in_features: int | None = None,
) -> nn.Module:
    """The torch module of `operation`: [N, input_channels, H, W] to [N, output_channels, ...].

    Sides shrink to ceil(side / stride); steps as in docs/design/architectures.md, every one out of place.
    `linear` gives [N, output_channels, 1, 1] from `in_features` (default `input_channels`) values an image.
    `kernel_size` (odd) belongs to `conv`, `conv_bn`, `conv_bn_relu` and `mbconv`, `expansion` to `mbconv`.
    Raises ValueError for anything else.
    """
    if operation not in operations():
        raise ValueError(f"create: operation must be one of {', '.join(operations())}; got {operation!r}")
    if stride not in (1, 2):
        raise ValueError(f"create: stride of {operation} must be 1 or 2, got {stride!r}")
    entry = _SKIP[stride] if operation == "skip_connect" else _OPERATIONS[operation]
    numbers = {"input_channels": input_channels, "output_channels": output_channels, "expansion": expansion}
    for name, value in (numbers | {"in_features": in_features or input_channels}).items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"create: {name} of {operation} must be a positive int, got {value!r}")
    if stride not in entry.strides:
        raise ValueError(f"create: stride of {operation} must be {entry.strides[0]}, got {stride}")
    if entry.keeps_channels and input_channels != output_channels:
        raise ValueError(
            f"create: {operation} keeps its channels, got input_channels={input_channels} and "
            f"output_channels={output_channels}"
        )
    if entry.even_output and output_channels % 2:
        raise ValueError(f"create: output_channels of {operation} must be even, got {output_channels}")
    if entry.takes_kernel_size:
        if (
            isinstance(kernel_size, bool)
            or not isinstance(kernel_size, int)
            or kernel_size < 1
            or kernel_size % 2 == 0
        ):
            raise ValueError(f"create: kernel_size of {operation} must be an odd int, got {kernel_size!r}")
    elif kernel_size is not None:
        raise ValueError(f"create: {operation} takes no kernel_size, got {kernel_size!r}")
    if expansion != 1 and not entry.takes_expansion:
        raise ValueError(f"create: {operation} takes no expansion, got {expansion}")
    return entry.make(
        Settings(
            input_channels,
            output_channels,
            stride,
            kernel_size or 0,
            expansion,
            affine,
            in_features or input_channels,
        )
    )
