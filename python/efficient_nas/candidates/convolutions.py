"""Chains of convolutions: every step out of place, so that the native costs match what runs."""

from __future__ import annotations

from torch import nn


def convolution(
    input_channels: int,
    output_channels: int,
    kernel_size: int,
    stride: int = 1,
    *,
    dilation: int = 1,
    depthwise: bool = False,
) -> nn.Conv2d:
    """A Conv2d without bias; its padding keeps the size at stride 1 and halves it (rounding up) at 2."""
    return nn.Conv2d(
        input_channels,
        output_channels,
        kernel_size,
        stride,
        padding=dilation * (kernel_size - 1) // 2,
        dilation=dilation,
        groups=input_channels if depthwise else 1,
        bias=False,
    )


class ConvBN(nn.Sequential):
    """Convolution and batch norm, then a ReLU if `relu`."""

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        kernel_size: int,
        stride: int,
        *,
        affine: bool,
        relu: bool = False,
    ) -> None:
        super().__init__(
            convolution(input_channels, output_channels, kernel_size, stride),
            nn.BatchNorm2d(output_channels, affine=affine),
            *([nn.ReLU()] if relu else []),
        )


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, batch norm. NAS-Bench-201 (arXiv:2001.00326); also DARTS' preprocessing."""

    def __init__(
        self, input_channels: int, output_channels: int, kernel_size: int, stride: int, *, affine: bool
    ) -> None:
        super().__init__(
            nn.ReLU(),
            convolution(input_channels, output_channels, kernel_size, stride),
            nn.BatchNorm2d(output_channels, affine=affine),
        )


class SepConv(nn.Sequential):
    """Two depthwise-separable convolutions, the first one strided. DARTS (arXiv:1806.09055), SepConv."""

    def __init__(
        self, input_channels: int, output_channels: int, kernel_size: int, stride: int, *, affine: bool
    ) -> None:
        super().__init__(
            nn.ReLU(),
            convolution(input_channels, input_channels, kernel_size, stride, depthwise=True),
            convolution(input_channels, input_channels, 1),
            nn.BatchNorm2d(input_channels, affine=affine),
            nn.ReLU(),
            convolution(input_channels, input_channels, kernel_size, depthwise=True),
            convolution(input_channels, output_channels, 1),
            nn.BatchNorm2d(output_channels, affine=affine),
        )


class DilConv(nn.Sequential):
    """A depthwise-separable convolution with dilation 2. DARTS (arXiv:1806.09055), DilConv."""

    def __init__(
        self, input_channels: int, output_channels: int, kernel_size: int, stride: int, *, affine: bool
    ) -> None:
        super().__init__(
            nn.ReLU(),
            convolution(input_channels, input_channels, kernel_size, stride, dilation=2, depthwise=True),
            convolution(input_channels, output_channels, 1),
            nn.BatchNorm2d(output_channels, affine=affine),
        )
