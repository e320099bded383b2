"""Arguments of mixed operations and cells with random tensors, and all that comes out of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from random_cells import random_running, random_tensor
from torch import Tensor

from efficient_nas.ops import CellSpec, MixedOpSpec


def arguments(
    spec: MixedOpSpec,
    size: tuple[int, int, int, int],
    stride: int = 1,
    output_channels: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    **options: Any,
) -> dict[str, Any]:
    """Arguments of `mixed_op`; alpha is float64."""
    shapes = spec.parameter_shapes(size[1], output_channels, stride)
    buffers = spec.buffer_shapes(size[1], output_channels, stride)
    return {
        "x": random_tensor(size, seed, dtype),
        "alpha": random_tensor([len(spec.candidates)], seed + 1),
        "parameters": [random_tensor(shape, seed + 2 + i, dtype) for i, shape in enumerate(shapes)],
        "spec": spec,
        "running": random_running(buffers, seed, dtype),
        "stride": stride,
    } | options


def cell_arguments(
    spec: CellSpec, channels: int, seed: int = 0, dtype: torch.dtype = torch.float64, **options: Any
) -> dict[str, Any]:
    """Arguments of `mixed_cell` for two images of 5 x 4 pixels, all states with as many channels.

    Every other seed has weights of edges.
    """
    channels_of = [channels] * spec.inputs
    shapes, buffers = spec.parameter_shapes(channels_of), spec.buffer_shapes(channels_of)
    return {
        "inputs": [random_tensor((2, channels, 5, 4), seed + i, dtype) for i in range(spec.inputs)],
        "alphas": [random_tensor([len(e.spec.candidates)], seed + 9 + i) for i, e in enumerate(spec.edges)],
        "parameters": [random_tensor(shape, seed + 50 + i, dtype) for i, shape in enumerate(shapes)],
        "spec": spec,
        "running": random_running(buffers, seed, dtype),
        "edge_weights": random_tensor([len(spec.edges)], seed + 8) if seed % 2 else None,
    } | options


def results(function: Callable[..., Any], call: dict[str, Any]) -> list[Tensor]:
    """Nodes, gradients of all tensors (of a random sum of the nodes), and running statistics afterwards."""
    leaves: dict[str, Any] = {}
    wrt = []
    for name in ("x", "inputs", "alpha", "alphas", "edge_weights", "parameters"):
        if call.get(name) is not None:
            given = [call[name]] if isinstance(call[name], Tensor) else call[name]
            own = [tensor.detach().requires_grad_() for tensor in given]
            leaves[name] = own[0] if isinstance(call[name], Tensor) else own
            wrt += own
    running = None if call["running"] is None else [tensor.clone() for tensor in call["running"]]
    nodes = function(**(call | leaves | {"running": running}))
    nodes = [nodes] if isinstance(nodes, Tensor) else nodes
    gradients = torch.autograd.grad(
        nodes,
        wrt,
        [random_tensor(node.shape, 99 + i, node.dtype) for i, node in enumerate(nodes)],
        materialize_grads=True,
    )
    return [*(node.detach() for node in nodes), *gradients, *(running or ())]
