"""What the native kernels need to know of a cell at given shapes, found once, and quick checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from efficient_nas import _core
from efficient_nas.ops.arguments import Options
from efficient_nas.ops.cell_arguments import CellShapes, Image, cell_shapes, node_channels
from efficient_nas.ops.cell_spec import CellSpec
from efficient_nas.ops.depthwise_kernels import STORAGES
from efficient_nas.ops.mixed_spec import MixedOpSpec
from efficient_nas.ops.spec import Norm

DEVICES = {"cpu", "meta"}
# A cell has hundreds of tensors: `map` over these costs a fifth of a generator.
_device, _dtype, _layout, _shape = (attrgetter(name) for name in ("device", "dtype", "layout", "shape"))


@dataclass(frozen=True, slots=True)
class Plan:
    """A cell at given shapes.

    saved_elements: of each saved tensor, per image; statistics_size: float64s; kept_nodes: those that edges
    leave, whose values backward needs.
    """

    spec: CellSpec
    shapes: CellShapes
    native: _core.MixedCell
    images: list[Image]
    channels: list[int]
    alphas: int
    saved_elements: list[int]
    statistics_size: int
    kept_nodes: list[int]

    @property
    def nodes(self) -> tuple[Image, ...]:
        return self.shapes.states[self.spec.inputs :]


def plan_if_fits(
    inputs: Sequence[Tensor],
    alphas: Sequence[Tensor] | Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    spec: CellSpec,
    *,
    same_dtype: bool,
) -> Plan | None:
    """The plan where the kernels can take these tensors; None where a closer look has to say what is wrong.

    alphas: as of `mixed_cell`, or, in one dimension, what `final_weights` makes of them. running: () where
    none is given. same_dtype: parameters and running statistics must have the dtype of the inputs.
    """
    numbers = _numbers(spec)
    if (
        not _are_images(inputs, spec.inputs)
        or not isinstance(parameters, (list, tuple))
        or len(parameters) != numbers.parameters
    ):
        return None
    x = inputs[0]
    try:
        found = plan_of(spec, inputs, parameters)
    except ValueError:
        return None
    shapes = found.shapes
    all_alphas: list[tuple[int, ...]]
    if isinstance(alphas, Tensor):
        all_alphas = [(found.alphas,)]
        if alphas.ndim == 2 and len(set(numbers.alphas)) == 1:
            all_alphas = [(len(numbers.alphas), numbers.alphas[0])]
        alphas = [alphas]
    else:
        all_alphas = [(count,) for count in numbers.alphas]
    well = (
        fits(alphas, all_alphas, x, same_dtype=False)
        and fits(parameters, shapes.parameters, x, same_dtype=same_dtype)
        and (not running or fits(running, shapes.buffers, x, same_dtype=same_dtype))
    )
    return found if well else None


class _Numbers(NamedTuple):
    parameters: int
    alphas: list[int]  # of every edge


@lru_cache(maxsize=256)
def _numbers(spec: CellSpec) -> _Numbers:
    return _Numbers(len(spec.parameter_names()), [len(edge.spec.candidates) for edge in spec.edges])


def num_weights(spec: MixedOpSpec) -> int:
    """How many weights the kernels take for an edge: of the candidates, and of channels that bypass them."""
    return len(spec.candidates) + (spec.channel_divisor > 1)


def final_weights(
    alphas: Sequence[Tensor] | Tensor, edge_weights: Tensor | None, specs: Sequence[MixedOpSpec]
) -> Tensor:
    """What the kernels multiply candidates and bypassed channels with, of all edges in one tensor.

    alphas, edge_weights: as of `mixed_cell`; specs: of the edges.
    """
    partial = {spec.channel_divisor > 1 for spec in specs}
    if edge_weights is None:
        if partial == {False}:
            if isinstance(alphas, Tensor):
                return alphas.reshape(-1)
            return alphas[0] if len(alphas) == 1 else torch.cat(list(alphas))
        edge_weights = alphas[0].new_ones(len(specs))
    weights = edge_weights.unsqueeze(1)
    if isinstance(alphas, Tensor) and len(partial) == 1:
        weighted = alphas * weights
        return (torch.cat([weighted, weights], dim=1) if partial == {True} else weighted).reshape(-1)
    parts = []
    for alpha, weight, spec in zip(alphas, weights, specs, strict=True):
        parts.append(alpha * weight)
        if spec.channel_divisor > 1:
            parts.append(weight)
    return torch.cat(parts)


def plan_of(spec: CellSpec, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Plan:
    """The plan of a cell for these tensors; ValueError if its edges do not fit together with them."""
    # int(): a symbolic size of a compiler becomes a fixed one. Only the number of images stays open.
    images = tuple((int(x.shape[1]), int(x.shape[2]), int(x.shape[3])) for x in inputs)
    return plan(spec, images, node_channels(spec, [image[0] for image in images], parameters))


@lru_cache(maxsize=512)
def plan(spec: CellSpec, images: tuple[Image, ...], channels: tuple[int, ...]) -> Plan:
    """The plan of a cell for inputs (C, H, W) and channels of nodes; ValueError as `plan_of`."""
    shapes, native = cell_shapes(spec, images, channels), _native(spec)
    return Plan(
        spec,
        shapes,
        native,
        list(images),
        list(channels),
        sum(num_weights(edge.spec) for edge in spec.edges),
        native.saved_elements(list(images), list(channels)),
        native.statistics_size(list(images), list(channels)),
        sorted({edge.source - spec.inputs for edge in spec.edges if edge.source >= spec.inputs}),
    )


@lru_cache(maxsize=256)
def _native(spec: CellSpec) -> _core.MixedCell:
    return _core.MixedCell(
        spec.inputs,
        [
            (
                edge.source,
                edge.target,
                edge.stride,
                [
                    (
                        op.operation,
                        op.kernel_size or 1,
                        op.dilation or 1,
                        op.expansion or 1,
                        op.norm or "none",
                        op.bias,
                    )
                    for op in edge.spec.candidates
                ],
                edge.spec.channel_divisor,
            )
            for edge in spec.edges
        ],
    )


@lru_cache(maxsize=256)
def single(spec: MixedOpSpec, stride: int) -> CellSpec:
    """The cell of one edge that a mixed operation is."""
    return cell_of(single_text(spec.text, stride))


def single_text(text: str, stride: int) -> str:
    """The text of `single` from that of the spec; by operations on strings that a compiler can follow."""
    edge = f'{{"source": 0, "target": 1, "spec": 0, "stride": {stride}}}'
    return f'{{"inputs": 1, "specs": [{text}], "edges": [{edge}]}}'


@lru_cache(maxsize=256)
def cell_of(text: str) -> CellSpec:
    """The specification of a text, as registered operations get it."""
    return CellSpec.from_json(text)


def fits(
    tensors: Sequence[Tensor], shapes: Sequence[tuple[int, ...]], x: Tensor, *, same_dtype: bool
) -> bool:
    """Whether these are dense floating tensors of these shapes on the device of x (and of its dtype)."""
    return (
        isinstance(tensors, (list, tuple))
        and all(issubclass(of, Tensor) for of in set(map(type, tensors)))
        and set(map(_device, tensors)) <= {x.device}
        and set(map(_layout, tensors)) <= {x.layout}
        and all(
            dtype is x.dtype or (not same_dtype and dtype.is_floating_point)
            for dtype in set(map(_dtype, tensors))
        )
        and list(map(_shape, tensors)) == list(shapes)
    )


def _are_images(inputs: Sequence[Tensor], count: int) -> bool:
    """Whether these are images of one kind that the kernels can take."""
    if not isinstance(inputs, (list, tuple)) or len(inputs) != count:
        return False
    if not all(isinstance(x, Tensor) and x.ndim == 4 and 0 not in x.shape[1:] for x in inputs):
        return False
    first = inputs[0]
    return (
        first.dtype in STORAGES
        and first.device.type in DEVICES
        and first.layout is torch.strided
        and all(
            x.shape[0] == first.shape[0]
            and x.dtype is first.dtype
            and x.device == first.device
            and x.layout is torch.strided
            for x in inputs[1:]
        )
    )


def check_supported(where: str, tensors: Sequence[Tensor]) -> None:
    """TypeError or ValueError that names what the fused operation does not take and its definition does."""
    instead = f"use efficient_nas.ops.reference.{where} for others"
    for tensor in tensors:
        if tensor.device.type not in DEVICES or tensor.layout is not torch.strided:
            raise ValueError(
                f"{where}: tensors must be dense and on the CPU, got {tensor.layout} on {tensor.device}; "
                f"{instead}"
            )
    if tensors[0].dtype not in STORAGES:
        raise TypeError(
            f"{where}: inputs must be float32, float64 or bfloat16, got {tensors[0].dtype}; {instead}"
        )


def check_values(plan: Plan, batch: int, alphas: Tensor, options: Options) -> None:
    """PyTorch's own ValueError where a norm in training would see one value per channel."""
    if not options.training or batch != 1 or all(h * w > 1 for _, h, w in plan.nodes):
        return
    weights = iter(alphas.tolist())
    for edge in plan.spec.edges:
        (source, _, _), (target, height, width) = (plan.shapes.states[s] for s in (edge.source, edge.target))
        divisor = edge.spec.channel_divisor
        for op in edge.spec.candidates:
            skipped = next(weights) == 0 and options.skip_zero
            layers = op.layers(source // divisor, target // divisor, edge.stride)
            norms = [layer for layer in layers if isinstance(layer, Norm)]
            if height * width == 1 and norms and not skipped:
                one_value = alphas.new_zeros(1, norms[0].channels, 1, 1)
                functional.batch_norm(one_value, None, None, training=True)
        if divisor > 1:
            next(weights)
