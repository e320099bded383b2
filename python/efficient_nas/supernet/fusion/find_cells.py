"""Finds cells, whose mixed ops can run in one call, by structure and by trial."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from efficient_nas.supernet.fusion.cell import CellPlan, parts_of
from efficient_nas.supernet.fusion.cell_record import Record, Structure, record_forward
from efficient_nas.supernet.fusion.edge import Edge, refuse_changed, settings_of
from efficient_nas.supernet.fusion.find_mixed_ops import argument_count
from efficient_nas.supernet.fusion.mixed_op import MixedOpPlan
from efficient_nas.supernet.fusion.recognition import Recognised, Refusal, recognise
from efficient_nas.supernet.fusion.stand_ins import Mismatch
from efficient_nas.supernet.fusion.swap import PLAN, FusedModule
from efficient_nas.supernet.fusion.trial import equal_in_a_trial, random_copy


def cell_plan(
    module: nn.Module, operations: Mapping[int, Recognised] = MappingProxyType({})
) -> CellPlan | None:
    """The plan of a module that holds mixed ops, in lists or directly, not tried out yet; else None.

    operations: what other parts of it are, by their number, as `try_out_cell` returns them.
    """
    if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        return None
    parts = tuple(parts_of(module))
    mixed_ops = {
        i: part
        for i, part in enumerate(parts)
        if isinstance(part, FusedModule) and isinstance(vars(part)[PLAN], MixedOpPlan)
    }
    if len(mixed_ops) < 2:
        return None
    edges = {i: Edge([parts[i]], found.spec, found.stride) for i, found in operations.items()}
    return CellPlan(parts, mixed_ops, edges)


def try_out_cell(module: nn.Module) -> dict[int, Recognised]:
    """The parts of a cell that join its mixed ops; Refusal says why they cannot run in one call."""
    plan = cell_plan(module)
    assert plan is not None
    operations = _operations(plan)
    _try_out(random_copy(module), operations)
    return operations


def _operations(plan: CellPlan) -> dict[int, Recognised]:
    """What parts compute that are candidate operations, with norms that work like those of the mixed ops."""
    settings = settings_of(list(plan.edges.values()))
    operations = {}
    for i, part in enumerate(plan.parts):
        if any(isinstance(inner, FusedModule) for inner in part.modules()):
            continue
        try:
            refuse_changed([part])
            found = recognise([part])
        except Refusal:
            continue
        edge = Edge([part], found.spec, found.stride)
        if edge.norms[0] and settings_of([edge]) == settings:
            operations[i] = found
    return operations


def _try_out(twin: nn.Module, operations: Mapping[int, Recognised]) -> None:
    """Refusal unless the cell gives the same when its mixed ops and these operations run in one call."""
    own = cell_plan(twin, operations)
    assert own is not None
    weights = torch.rand(
        len(own.mixed_ops),
        max(len(edge.candidates) for edge in own.edges.values()),
        generator=torch.Generator().manual_seed(2),
        dtype=torch.float64,
    ).add(0.1)
    count = argument_count(type(twin))
    refusal: Refusal | None = None
    # Behind the feature maps: weights of candidates, then of edges, or none.
    for rest in ([weights], [], [weights, weights[:, 0]]):
        features = count - len(rest)
        if features < 1:
            continue
        try:
            _try_out_sizes(twin, operations, _input_channels(twin, own, features, rest), rest)
        except Refusal as error:
            refusal = refusal or error
        else:
            return
    raise refusal or Refusal("its forward takes neither feature maps, nor feature maps and weights")


def _input_channels(
    twin: nn.Module, plan: CellPlan, features: int, weights: Sequence[Tensor]
) -> list[int | None]:
    """How many channels each of the first arguments of forward has, read off the modules that take it."""
    inputs = [torch.zeros(1, 1, 1, 1, dtype=torch.float64) for _ in range(features)]
    edges = plan.edges | plan.operations
    try:
        record, structure = record_forward(twin, type(twin), plan.parts, edges, (*inputs, *weights), {})
    except Mismatch as mismatch:
        raise Refusal(str(mismatch)) from mismatch
    except Exception as error:
        raise Refusal(f"{type(error).__name__}: {error}") from error
    return [_channels(_readers(x, record, structure, edges)) for x in inputs]


def _readers(
    x: Tensor, record: Record, structure: Structure, edges: Mapping[int, Edge]
) -> Iterator[nn.Module]:
    """The modules that are called with a tensor: one that preprocesses it, or candidates."""
    for state, (child, given) in enumerate(record.inputs):
        if given is x and child is not None:
            yield child
        elif given is x:
            for operation, source, _ in structure.edges:
                if source == state:
                    yield from edges[operation].candidates


def _channels(modules: Iterable[nn.Module]) -> int | None:
    """How many channels modules take; None if any number will do."""
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                return layer.in_channels
            if isinstance(layer, nn.BatchNorm2d):
                return layer.num_features
    return None


def _try_out_sizes(
    module: nn.Module,
    operations: Mapping[int, Recognised],
    channels: list[int | None],
    weights: list[Tensor],
) -> None:
    """Refusal if the joined cell differs at all sizes: some inputs may have to be larger than others.

    6 halves to 3, which neither fits 6 nor is stretched to it as 1 would be.
    """
    generator = torch.Generator().manual_seed(3)
    first: Refusal | None = None

    def joined_forward(cell: nn.Module, args: tuple[Any, ...]) -> Any:
        plan = cell_plan(cell, operations)
        y = plan and plan.fused("forward", cell, type(cell), args, {})
        if y is None:
            raise Refusal("its mixed ops cannot run in one call")
        return y

    for sizes in itertools.product((6, 12), repeat=len(channels)):
        inputs = [
            torch.randn(2, count or 4, size, size, generator=generator, dtype=torch.float64)
            for count, size in zip(channels, sizes, strict=True)
        ]
        try:
            equal_in_a_trial(module, [*inputs, *weights], _own_forward, joined_forward)
        except Refusal as refusal:
            first = first or refusal
        else:
            return
    assert first is not None
    raise first


def _own_forward(module: nn.Module, args: tuple[Any, ...]) -> Any:
    return type(module).forward(module, *args)
