"""Which operation a candidate module is, read off its layers and proved by trying it out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from efficient_nas import ops
from efficient_nas.ops import MixedOpSpec, OpSpec

_POOLS = {nn.MaxPool2d: "max_pool", nn.AvgPool2d: "avg_pool"}


class Refusal(Exception):
    """Why something stays as it is: a sentence for the report."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate as its layers show it. Channels and stride are None where any would do."""

    op: OpSpec
    stride: int | None = None
    channels: int | None = None
    output_channels: int | None = None


@dataclass(frozen=True, slots=True)
class Recognised:
    """The candidates of one mixed op. Channels are those of the candidates, without a bypass around them."""

    spec: MixedOpSpec
    stride: int
    channels: int
    output_channels: int


def recognise(candidates: Sequence[nn.Module]) -> Recognised:
    """What a list of candidates computes; Refusal says which one is not understood and why.

    The layers name each operation; `ops.tensors_of` then proves, in float64 on random tensors, in training
    and in evaluation, that the module computes it.
    """
    found = [_candidate(f"candidate {k}", module) for k, module in enumerate(candidates)]
    stride = _agreed("stride", [candidate.stride for candidate in found], 1)
    channels = _agreed("number of input channels", [candidate.channels for candidate in found], 4)
    target = _agreed("number of output channels", [c.output_channels for c in found], channels)
    spec = MixedOpSpec(tuple(candidate.op for candidate in found))
    try:
        ops.tensors_of(candidates, spec, channels, target, stride)
    except ValueError as error:
        raise Refusal(str(error).removeprefix("tensors_of: ")) from error
    return Recognised(spec, stride, channels, target)


def is_candidate(module: nn.Module) -> bool:
    """Whether the layers of a module look like an operation's."""
    try:
        _candidate("", module)
    except Refusal:
        return False
    return True


def _agreed(what: str, values: list[int | None], otherwise: int) -> int:
    known = sorted({value for value in values if value is not None})
    if len(known) > 1:
        raise Refusal(f"candidates differ in their {what}: {', '.join(map(str, known))}")
    return known[0] if known else otherwise


def _candidate(where: str, module: nn.Module) -> Candidate:
    name = f"{where} ({type(module).__name__})"
    layers = [part for part in module.modules() if not list(part.children())]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    pools = [layer for layer in layers if type(layer) in _POOLS]
    if any(isinstance(layer, nn.modules.dropout._DropoutNd) for layer in layers):
        raise Refusal(f"{name}: it has a dropout, whose rate may change")
    try:
        if not convolutions and not norms and not pools:
            return _without_layers(name, module)
        affine = {norm.affine for norm in norms}
        if len(affine) > 1:
            raise Refusal(f"{name}: norms with and without weights in one candidate")
        norm = {None: "none", False: "plain", True: "affine"}[affine.pop() if affine else None]
        if not convolutions and len(pools) == 1:
            pool = pools[0]
            op = OpSpec(_POOLS[type(pool)], norm, kernel_size=_side(pool.kernel_size))
            channels = norms[0].num_features if norms else None
            return Candidate(op, _side(pool.stride), channels, channels)
        if not convolutions:
            raise Refusal(f"{name}: no operation that is known has these layers")
        return _with_convolutions(name, layers, convolutions, norm)
    except (ValueError, TypeError) as error:
        raise Refusal(f"{name}: {error}") from error


def _without_layers(name: str, module: nn.Module) -> Candidate:
    """Identities and zeros: only what comes out tells them."""
    if next(module.parameters(), None) is not None or next(module.buffers(), None) is not None:
        raise Refusal(f"{name}: no operation that is known has its parameters or buffers")
    x = torch.arange(1.0, 65.0, dtype=torch.float64).reshape(1, 4, 4, 4)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            y = copy.deepcopy(module).eval()(x.clone())
        except Exception as error:
            raise Refusal(f"{name}: {error}") from error
    if isinstance(y, torch.Tensor) and y.ndim == 4 and y.shape[:2] == x.shape[:2]:
        if torch.equal(y, x):
            return Candidate(OpSpec("skip_connect"), 1)
        stride = 4 // max(y.shape[2], 1)
        if stride in {1, 2} and y.shape[2:] == (4 // stride, 4 // stride) and not y.any():
            return Candidate(OpSpec("none"), stride)
    raise Refusal(f"{name}: neither an identity nor zeros, and no layer that is known")


def _with_convolutions(
    name: str, layers: list[nn.Module], convolutions: list[nn.Conv2d], norm: str
) -> Candidate:
    first, last = convolutions[0], convolutions[-1]
    stride = max(_side(convolution.stride) for convolution in convolutions)
    bias = any(convolution.bias is not None for convolution in convolutions)
    # d: depthwise, c: any other convolution, n: norm. Nonlinearities are left to the proof.
    order = "".join(
        "n" if isinstance(layer, nn.BatchNorm2d) else "d" if _is_depthwise(layer) else "c"
        for layer in layers
        if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d))
    )
    channels, target = first.in_channels, last.out_channels
    if order in {"cn", "dn"}:
        op = OpSpec("nor_conv", norm, kernel_size=_side(first.kernel_size), bias=bias)
    elif order in {"ccn", "ddn"} and first.in_channels == last.in_channels and stride == 2:
        target = first.out_channels + last.out_channels
        op = OpSpec("skip_connect", norm, bias=bias)
    elif order in {"dcn", "ddn"}:
        size, dilation = _side(first.kernel_size), _side(first.dilation)
        op = OpSpec("dil_conv", norm, kernel_size=size, dilation=dilation, bias=bias)
    elif order in {"dcndcn", "ddnddn"}:
        op = OpSpec("sep_conv", norm, kernel_size=_side(first.kernel_size), bias=bias)
    elif order in {"dncn", "cndncn", "dndn", "dndndn"}:
        depthwise = convolutions[-2]
        op = OpSpec(
            "mbconv",
            norm,
            kernel_size=_side(depthwise.kernel_size),
            expansion=depthwise.in_channels // channels,
        )
    else:
        raise Refusal(f"{name}: no operation that is known has its layers in this order")
    return Candidate(op, stride, channels, target)


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels == layer.out_channels


def _side(value: object) -> int:
    """The one number of a square kernel, stride or dilation."""
    values = set(value) if isinstance(value, tuple) else {value}
    number = values.pop()
    if values or not isinstance(number, int):
        raise ValueError(f"kernels, strides and dilations must be square, got {value}")
    return number
