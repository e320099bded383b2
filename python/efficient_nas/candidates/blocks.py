"""Operations with branches or residual connections; branches run in the order that native costs assume."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas.candidates.convolutions import ReLUConvBN, convolution


class FactorizedReduce(nn.Module):
    """Halves the resolution by two 1x1 convolutions, one of them on the pixels that the other skips.

    DARTS (arXiv:1806.09055). Departure: sides that are odd are zero-padded right and below, where the
    published code fails.
    """

    def __init__(self, input_channels: int, output_channels: int, *, affine: bool) -> None:
        super().__init__()
        self.even = convolution(input_channels, output_channels // 2, 1, stride=2)
        self.odd = convolution(input_channels, output_channels // 2, 1, stride=2)
        self.norm = nn.BatchNorm2d(output_channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = functional.pad(x, (0, width % 2, 0, height % 2))
        halves = [self.even(x), self.odd(x[:, :, 1:, 1:])]
        del x
        x = torch.cat(halves, dim=1)
        del halves
        normalised: Tensor = self.norm(x)
        return normalised


class ResNetBasicBlock(nn.Module):
    """Two 3x3 ReLU-conv-BN and a shortcut: the block between NAS-Bench-201's stages (arXiv:2001.00326).

    Departure: the shortcut's pooling rounds odd sides up, as the 3x3 convolution beside it does.
    """

    def __init__(self, input_channels: int, output_channels: int, stride: int, *, affine: bool) -> None:
        super().__init__()
        # One flat sequence: nested ones would keep the tensor between them while the second runs.
        self.body = nn.Sequential(
            *ReLUConvBN(input_channels, output_channels, 3, stride, affine=affine),
            *ReLUConvBN(output_channels, output_channels, 3, 1, affine=affine),
        )
        self.shortcut: nn.Module
        if stride == 2:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(2, 2, ceil_mode=True), convolution(input_channels, output_channels, 1)
            )
        elif input_channels != output_channels:
            self.shortcut = ReLUConvBN(input_channels, output_channels, 1, 1, affine=affine)
        else:
            self.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        body: Tensor = self.body(x)
        shortcut: Tensor = self.shortcut(x)
        return body + shortcut


class MBConv(nn.Module):
    """Inverted residual: 1x1 expansion (if > 1), depthwise convolution, linear 1x1 projection.

    MobileNetV2 (arXiv:1801.04381). The residual is added at stride 1 with equal channels.
    """

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        kernel_size: int,
        expansion: int,
        stride: int,
        *,
        affine: bool,
    ) -> None:
        super().__init__()
        hidden = input_channels * expansion
        steps: list[nn.Module] = []
        if expansion > 1:
            steps += [
                convolution(input_channels, hidden, 1),
                nn.BatchNorm2d(hidden, affine=affine),
                nn.ReLU6(),
            ]
        steps += [
            convolution(hidden, hidden, kernel_size, stride, depthwise=True),
            nn.BatchNorm2d(hidden, affine=affine),
            nn.ReLU6(),
            convolution(hidden, output_channels, 1),
            nn.BatchNorm2d(output_channels, affine=affine),
        ]
        self.body = nn.Sequential(*steps)
        self.residual = stride == 1 and input_channels == output_channels

    def forward(self, x: Tensor) -> Tensor:
        body: Tensor = self.body(x)
        return body + x if self.residual else body


class GlobalAvgPool(nn.Module):
    """Mean over height and width: [N, C, 1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


class Gate(nn.Module):
    """The input times one learnable scale a channel; it starts at 0, so a new connection changes nothing.

    ReZero (Bachlechner et al. 2020, arXiv:2003.04887) and SkipInit (De & Smith 2020, arXiv:2002.10444), which
    have one scale a layer.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale[:, None, None]


class Classifier(nn.Module):
    """A linear layer with bias on the flattened input: [N, output_channels, 1, 1]."""

    def __init__(self, in_features: int, output_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, output_channels)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.flatten(1))
        return logits[:, :, None, None]
