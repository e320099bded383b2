"""Finds cells, whose mixed ops can run in one call, by structure and by trial."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from efficient_nas.supernet.cell import CellPlan, parts_of
from efficient_nas.supernet.find_mixed_ops import argument_count
from efficient_nas.supernet.mixed_op import MixedOpPlan
from efficient_nas.supernet.recognition import Refusal
from efficient_nas.supernet.stand_ins import Mismatch
from efficient_nas.supernet.swap import PLAN, FusedModule
from efficient_nas.supernet.trial import equal_in_a_trial, random_copy


def cell_plan(module: nn.Module) -> CellPlan | None:
    """The plan of a module that holds mixed ops, in lists or directly, not tried out yet; else None."""
    if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        return None
    mixed_ops: list[FusedModule] = []
    children: list[nn.Module] = []
    parts = tuple(parts_of(module))
    for part in parts:
        if isinstance(part, FusedModule) and isinstance(vars(part)[PLAN], MixedOpPlan):
            mixed_ops.append(part)
        else:
            children.append(part)
    return CellPlan(parts, mixed_ops, children) if len(mixed_ops) > 1 else None


def try_out_cell(module: nn.Module, plan: CellPlan) -> None:
    """Refusal that says why the mixed ops of the module cannot run in one call, if they cannot."""
    if any(edge.spec.channel_divisor > 1 for edge in plan.edges):
        raise Refusal("mixed ops on part of the channels are not joined")
    twin = random_copy(module)
    own = cell_plan(twin)
    assert own is not None
    candidates = max(len(edge.candidates) for edge in own.edges)
    weights = torch.rand(
        len(own.mixed_ops),
        candidates,
        generator=torch.Generator().manual_seed(2),
        dtype=torch.float64,
    ).add(0.1)
    count = argument_count(type(module))
    reason = "its forward takes neither feature maps, nor feature maps and weights"
    for features in (count - 1, count):
        if features < 1:
            continue
        rest = [weights] * (count - features)
        dummies = [torch.zeros(1, 1, 1, 1, dtype=torch.float64) for _ in range(features)]
        try:
            record, _ = own.recorded(twin, type(twin), (*dummies, *rest), {})
        except Mismatch as mismatch:
            reason = str(mismatch)
            continue
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            continue
        channels = [
            next((_channels(child, own) for child, x in record.inputs if x is dummy), None)
            for dummy in dummies
        ]
        _try_out_sizes(twin, channels, rest)
        return
    raise Refusal(reason)


def _channels(child: nn.Module | None, plan: CellPlan) -> int | None:
    """How many channels an input has: what the child takes, or else the mixed ops."""
    if child is not None:
        for layer in child.modules():
            if isinstance(layer, nn.Conv2d):
                return layer.in_channels
            if isinstance(layer, nn.BatchNorm2d):
                return layer.num_features
    for edge in plan.edges:
        for candidate in edge.candidates:
            for layer in candidate.modules():
                if isinstance(layer, nn.Conv2d):
                    return layer.in_channels
    return None


def _try_out_sizes(module: nn.Module, channels: list[int | None], weights: list[Tensor]) -> None:
    """Refusal if the joined cell differs at all sizes: some inputs may have to be larger than others.

    6 halves to 3, which neither fits 6 nor is stretched to it as 1 would be.
    """
    generator = torch.Generator().manual_seed(3)
    first: Refusal | None = None
    for sizes in itertools.product((6, 12), repeat=len(channels)):
        inputs = [
            torch.randn(2, count or 4, size, size, generator=generator, dtype=torch.float64)
            for count, size in zip(channels, sizes, strict=True)
        ]
        try:
            equal_in_a_trial(module, [*inputs, *weights], _own_forward, _joined_forward)
        except Refusal as refusal:
            first = first or refusal
        else:
            return
    assert first is not None
    raise first


def _own_forward(module: nn.Module, args: tuple[Any, ...]) -> Any:
    return type(module).forward(module, *args)


def _joined_forward(module: nn.Module, args: tuple[Any, ...]) -> Any:
    plan = cell_plan(module)
    y = plan and plan.fused(module, type(module), args, {})
    if y is None:
        raise Refusal("its mixed ops cannot run in one call")
    return y
