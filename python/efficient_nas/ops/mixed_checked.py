"""CPU and fake kernels of the registered mixed cells, which check what they are given.

Parameters and running statistics may have another dtype than images: so it is under autocast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from efficient_nas.ops import mixed_kernels as kernels
from efficient_nas.ops.arguments import Options
from efficient_nas.ops.cell_arguments import check_mixed_cell
from efficient_nas.ops.depthwise_kernels import STORAGES
from efficient_nas.ops.mixed_plan import (
    Plan,
    cell_of,
    check_supported,
    fits,
    num_weights,
    plan,
    plan_if_fits,
)


def _checked(
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    spec: str,
    options: Options,
) -> Plan:
    """The plan; ValueError or TypeError unless the tensors fit it."""
    cell = cell_of(spec)
    found = plan_if_fits(inputs, alphas, parameters, running, cell, same_dtype=False)
    if (
        found is not None
        and alphas.ndim == 1
        and len(running) == len([] if options.training else found.shapes.buffers)
    ):
        return found
    # Says what is wrong, in the words of the public function.
    check_supported("mixed_cell", [*inputs, alphas, *parameters, *running])
    counts = [num_weights(edge.spec) for edge in cell.edges]
    weights: Any = alphas
    if alphas.shape == (sum(counts),):
        parts = zip(torch.split(alphas, counts), cell.edges, strict=True)
        weights = [part[: len(edge.spec.candidates)] for part, edge in parts]
    buffers = None if options.training else running
    check_mixed_cell("mixed_cell", inputs, weights, None, parameters, cell, buffers, options)
    raise ValueError(
        "mixed_cell: alphas must be one tensor [weights of all edges], and running [] in training"
    )


def forward(
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    spec: str,
    training: bool,
    eps: float,
    skip_zero: bool,
    build: str,
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Nodes, saved tensors and statistics. build: of no influence, see `mixed_registered.BUILD`."""
    options = Options(training, eps, 0.0, skip_zero)
    found = _checked(inputs, alphas, parameters, running, spec, options)
    # Then not all is written, and the results of an operation must not be what memory held.
    clear = skip_zero or inputs[0].dtype is torch.float64
    return kernels.forward(found, inputs, alphas, parameters, running, options, clear=clear)


def fake_forward(
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    spec: str,
    *rest: Any,
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Tensors like those of `forward`."""
    training, eps, skip_zero, _ = rest
    options = Options(training, eps, 0.0, skip_zero)
    return kernels.fake_nodes(_checked(inputs, alphas, parameters, running, spec, options), inputs[0])


def backward(
    node_gradients: Sequence[Tensor],
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    kept_nodes: Sequence[Tensor],
    saved: Sequence[Tensor],
    statistics: Tensor,
    spec: str,
    training: bool,
    eps: float,
    skip_zero: bool,
    wanted: Sequence[bool],
) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Gradients of the wanted inputs, of alphas, and of the wanted parameters."""
    # Of running statistics only the first pass needs the values.
    options = Options(training, eps, 0.0, skip_zero)
    found = _checked(inputs, alphas, parameters, [], spec, options._replace(training=True))
    x = inputs[0]
    images = [(len(x), *node) for node in found.nodes]
    if not (
        fits(node_gradients, images, x, same_dtype=True)
        and fits(kept_nodes, [images[node] for node in found.kept_nodes], x, same_dtype=True)
        and fits(saved, [(len(x), count) for count in found.saved_elements], x, same_dtype=True)
        and fits([statistics], [(found.statistics_size,)], x, same_dtype=False)
        and statistics.dtype is torch.float64
        and len(wanted) == len(inputs) + len(parameters)
    ):
        raise ValueError("mixed_cell_backward: tensors must be those of a call of mixed_cell, got others")
    gradients = kernels.backward(
        found, node_gradients, inputs, alphas, parameters, kept_nodes, saved, statistics, options, wanted
    )
    return _given(gradients.inputs), gradients.alphas, _given(gradients.parameters)


def fake_backward(
    node_gradients: Sequence[Tensor],
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    *rest: Any,
) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Tensors like those of `backward`."""
    wanted = rest[-1]
    of_inputs = [
        torch.empty_like(x, memory_format=torch.channels_last)
        for x, want in zip(inputs, wanted[: len(inputs)], strict=True)
        if want
    ]
    of_parameters = [
        torch.empty_like(p, memory_format=torch.contiguous_format)
        for p, want in zip(parameters, wanted[len(inputs) :], strict=True)
        if want
    ]
    return of_inputs, torch.empty_like(alphas, memory_format=torch.contiguous_format), of_parameters


def _given(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]


def update_running(
    running: Sequence[Tensor],
    alphas: Tensor,
    statistics: Tensor,
    spec: str,
    batch: int,
    images: Sequence[int],
    channels: Sequence[int],
    dtype: torch.dtype,
    momentum: float,
    skip_zero: bool,
) -> None:
    """Changes running statistics. images: (C, H, W) of all inputs in turn; channels: of the nodes."""
    cell = cell_of(spec)
    sizes = zip(images[::3], images[1::3], images[2::3], strict=True)
    found = plan(cell, tuple(sizes), tuple(channels))
    if not (
        fits(running, found.shapes.buffers, statistics, same_dtype=False)
        and fits([statistics], [(found.statistics_size,)], statistics, same_dtype=True)
        and fits([alphas], [(found.alphas,)], statistics, same_dtype=False)
        and statistics.dtype is torch.float64
        and dtype in STORAGES
    ):
        raise ValueError(
            "mixed_cell_update_running: tensors must be those of a call of mixed_cell, got others"
        )
    options = Options(True, 1.0, momentum, skip_zero)
    kernels.update_running(found, batch, dtype, running, alphas, statistics, options)


def fake_update_running(*arguments: Any) -> None:
    """Changes values only."""
