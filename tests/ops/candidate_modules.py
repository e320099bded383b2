"""Candidates as networks have them: modules of `efficient_nas.candidates`, wrapped as published code does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from efficient_nas import candidates
from efficient_nas.ops import MixedOpSpec, OpSpec


class Zero(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class OddFactorizedReduce(nn.Module):
    """For an odd number of channels, and with a bias, as NAS-Bench-201's own code has it."""

    def __init__(self, source: int, target: int, *, bias: bool, affine: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.convs = nn.ModuleList(
            nn.Conv2d(source, half, 1, stride=2, bias=bias) for half in (target // 2, target - target // 2)
        )
        self.pad = nn.ConstantPad2d((0, 1, 0, 1), 0)
        self.bn = nn.BatchNorm2d(target, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        shifted = self.pad(x)[:, :, 1:, 1:]
        return self.bn(torch.cat([self.convs[0](x), self.convs[1](shifted)], dim=1))


def candidate_module(op: OpSpec, source: int, target: int, stride: int) -> nn.Module:
    """A module that computes `op`; by torch's own layers where `candidates` has no such module."""
    affine = op.norm == "affine"
    size = op.kernel_size or 1
    if op.operation == "none":
        return Zero(stride)
    if op.operation in {"max_pool", "avg_pool"}:
        pool: nn.Module = (
            nn.MaxPool2d(size, stride, padding=size // 2)
            if op.operation == "max_pool"
            else nn.AvgPool2d(size, stride, padding=size // 2, count_include_pad=False)
        )
        return pool if op.norm == "none" else nn.Sequential(pool, nn.BatchNorm2d(target, affine=affine))
    if op.operation == "skip_connect" and stride == 2 and (op.bias or target % 2):
        return OddFactorizedReduce(source, target, bias=op.bias, affine=affine)
    if op.operation == "skip_connect" or (op.name in candidates.operations() and not op.bias):
        return candidates.create(op.name, source, target, stride=stride, affine=affine)
    if op.operation == "mbconv":
        return candidates.create(
            "mbconv", source, target, stride, kernel_size=size, expansion=op.expansion or 1, affine=affine
        )

    def depthwise(stride: int) -> nn.Conv2d:
        dilation = op.dilation or 1
        return nn.Conv2d(
            source, source, size, stride, dilation * (size // 2), dilation, groups=source, bias=False
        )

    def pointwise(target: int) -> list[nn.Module]:
        return [nn.Conv2d(source, target, 1, bias=op.bias), nn.BatchNorm2d(target, affine=affine)]

    if op.operation == "nor_conv":
        convolution = nn.Conv2d(source, target, size, stride, size // 2, bias=op.bias)
        return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(target, affine=affine))
    if op.operation == "sep_conv":
        first = [nn.ReLU(), depthwise(stride), *pointwise(source)]
        return nn.Sequential(*first, nn.ReLU(), depthwise(1), *pointwise(target))
    return nn.Sequential(nn.ReLU(), depthwise(stride), *pointwise(target))


def candidate_modules(
    spec: MixedOpSpec, channels: int, output_channels: int | None = None, stride: int = 1, seed: int = 0
) -> nn.ModuleList:
    """Modules of all candidates with random tensors, float64; `channels` of the mixed op as a whole."""
    divisor = spec.channel_divisor
    source, target = channels // divisor, (output_channels or channels) // divisor
    modules = nn.ModuleList(candidate_module(op, source, target, stride) for op in spec.candidates).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in modules.parameters():
            parameter.normal_(generator=generator)
        for name, buffer in modules.named_buffers():
            if name.endswith(("mean", "var")):
                buffer.uniform_(0.1, 2, generator=generator)
    return modules


def weighted_sum(modules: nn.ModuleList, x: Tensor, alpha: Tensor) -> Tensor:
    """DARTS' MixedOp.forward."""
    total: Tensor = sum(weight * module(x) for weight, module in zip(alpha, modules, strict=True))
    return total
