"""Shapes of a cell of mixed operations, and checks of what its implementations are called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from torch import Tensor

from efficient_nas.ops.arguments import (
    OUTPUT_WEIGHTS,
    Options,
    check_floating,
    check_images,
    check_list,
    check_options,
    check_running,
    check_tensors,
)
from efficient_nas.ops.cell_spec import CellSpec

Image: TypeAlias = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True, slots=True)
class CellShapes:
    """states: (C, H, W) of the inputs, then of the nodes; shapes of all parameters and running statistics."""

    states: tuple[Image, ...]
    parameters: list[tuple[int, ...]]
    buffers: list[tuple[int, ...]]


@lru_cache(maxsize=512)
def cell_shapes(spec: CellSpec, inputs: tuple[Image, ...], node_channels: tuple[int, ...]) -> CellShapes:
    """The shapes of a cell; ValueError if its edges do not fit together with these inputs."""
    states = list(inputs)
    for node, channels in enumerate(node_channels, len(inputs)):
        sizes = {}
        for e, edge in enumerate(spec.edges):
            if edge.target == node:
                _, height, width = states[edge.source]
                sizes[-(-height // edge.stride), -(-width // edge.stride)] = e
        if len(sizes) > 1:
            (size, e), (other, f) = list(sizes.items())[:2]
            raise ValueError(
                f"edges into node {node} must give one size, got {list(size)} from edges[{e}] and "
                f"{list(other)} from edges[{f}]"
            )
        states.append((channels, *next(iter(sizes))))
    source_channels = [channels for channels, _, _ in inputs]
    return CellShapes(
        tuple(states),
        list(spec.parameter_shapes(source_channels, node_channels)),
        list(spec.buffer_shapes(source_channels, node_channels)),
    )


def node_channels(
    spec: CellSpec, input_channels: Sequence[int], parameters: Sequence[Tensor]
) -> tuple[int, ...]:
    """The channels of every node, those of a source where an edge keeps them, else as its weights show."""
    channels = list(input_channels)
    for source, weights in _channel_sources(spec):
        # What is no tensor is found out when all are checked.
        shown = sum(len(p) for i in weights if isinstance(p := parameters[i], Tensor) and p.ndim)
        channels.append(shown or channels[source])
    return tuple(channels[spec.inputs :])


@lru_cache(maxsize=512)
def _channel_sources(spec: CellSpec) -> list[tuple[int, list[int]]]:
    """Of every node: a source, and the parameters that have an output channel each ([]: as the source)."""
    names = {name: i for i, name in enumerate(spec.parameter_names())}
    sources = []
    for node in range(spec.inputs, spec.inputs + spec.nodes):
        entering = [(e, edge) for e, edge in enumerate(spec.edges) if edge.target == node]
        keeping = [edge.source for _, edge in entering if edge.spec.keeps_channels(edge.stride)]
        e, first = entering[0]
        weights = [f"{e}.{name}" for name in OUTPUT_WEIGHTS.get(first.spec.candidates[0].operation, ())]
        if keeping:
            sources.append((keeping[0], list[int]()))
        else:
            sources.append((first.source, [names[name] for name in weights]))
    return sources


def check_mixed_cell(
    where: str,
    inputs: Sequence[Tensor],
    alphas: Sequence[Tensor] | Tensor,
    edge_weights: Tensor | None,
    parameters: Sequence[Tensor],
    spec: CellSpec,
    running: Sequence[Tensor] | None,
    options: Options,
) -> CellShapes:
    """The shapes of the cell; TypeError or ValueError that names the first argument that is wrong."""
    if not isinstance(spec, CellSpec):
        raise TypeError(f"{where}: spec must be a CellSpec, got {type(spec).__name__}")
    check_options(where, options)
    _check_inputs(where, inputs, spec)
    x = inputs[0]
    _check_alphas(where, alphas, spec, x)
    if edge_weights is not None:
        check_floating(f"{where}: edge_weights", edge_weights, x)
        if edge_weights.shape != (len(spec.edges),):
            raise ValueError(
                f"{where}: edge_weights must have shape [E] with E = {len(spec.edges)} (from spec), "
                f"got {list(edge_weights.shape)}"
            )
    names = spec.parameter_names()
    check_list(f"{where}: parameters", parameters, names)
    for index, tensor in enumerate(parameters):
        check_floating(f"{where}: parameters[{index}] ({names[index]})", tensor, x)
    images = tuple((tensor.shape[1], tensor.shape[2], tensor.shape[3]) for tensor in inputs)
    try:
        shapes = cell_shapes(spec, images, node_channels(spec, [image[0] for image in images], parameters))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    check_tensors(f"{where}: parameters", parameters, names, shapes.parameters, x)
    check_running(where, running, options.training, spec.buffer_names(), shapes.buffers, x)
    return shapes


def _check_inputs(where: str, inputs: Sequence[Tensor], spec: CellSpec) -> None:
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(f"{where}: inputs must be a list or tuple of tensors, got {type(inputs).__name__}")
    if len(inputs) != spec.inputs:
        raise ValueError(f"{where}: inputs must hold {spec.inputs} tensors (from spec), got {len(inputs)}")
    for index, x in enumerate(inputs):
        name = f"{where}: inputs[{index}]"
        check_images(name, x)
        for what, got, first in (
            ("device", x.device, inputs[0].device),
            ("dtype", x.dtype, inputs[0].dtype),
            ("batch size", len(x), len(inputs[0])),
        ):
            if got != first:
                raise ValueError(f"{name} must have the {what} of inputs[0], {first}, got {got}")


def _check_alphas(where: str, alphas: Sequence[Tensor] | Tensor, spec: CellSpec, x: Tensor) -> None:
    counts = [len(edge.spec.candidates) for edge in spec.edges]
    if isinstance(alphas, Tensor):
        check_floating(f"{where}: alphas", alphas, x)
        if len(set(counts)) > 1 or alphas.shape != (len(counts), counts[0]):
            allowed = f"[E, K] = [{len(counts)}, {counts[0]}] (from spec)"
            if len(set(counts)) > 1:
                allowed = "[E, K] only where all edges have K candidates; else give a list of tensors [K]"
            raise ValueError(f"{where}: alphas must have shape {allowed}, got {list(alphas.shape)}")
        return
    if not isinstance(alphas, (list, tuple)):
        raise TypeError(
            f"{where}: alphas must be a tensor or a list or tuple of tensors, got {type(alphas).__name__}"
        )
    if len(alphas) != len(counts):
        raise ValueError(f"{where}: alphas must hold {len(counts)} tensors (from spec), got {len(alphas)}")
    for index, (alpha, count) in enumerate(zip(alphas, counts, strict=True)):
        name = f"{where}: alphas[{index}]"
        check_floating(name, alpha, x)
        if alpha.shape != (count,):
            raise ValueError(
                f"{name} must have shape [K] with K = {count} (from spec), got {list(alpha.shape)}"
            )
