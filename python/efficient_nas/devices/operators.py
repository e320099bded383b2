"""The operators that an architecture runs, as a latency table counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from efficient_nas.devices.measurement import random_batch
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.graph.network import module_of


class Operator(NamedTuple):
    """One row of a latency table: a node, the (height, width) it receives and how many tensors it joins.

    inputs is 1 but for `sum` (2: one addition; a node with k inputs costs k - 1 of them) and `concat`.
    """

    node: ArchNode
    size: tuple[int, int]
    inputs: int = 1

    def __str__(self) -> str:
        node = self.node
        parts = [f"{node.operation} {node.input_channels}->{node.output_channels}"]
        parts += [f"kernel {node.kernel_size}"] if node.kernel_size is not None else []
        parts += [f"expansion {node.expansion}"] if node.expansion != 1 else []
        parts += [f"stride {node.stride}"] if node.stride != 1 else []
        parts += [f"{self.inputs} inputs"] if self.inputs != 1 else []
        return ", ".join(parts) + f" at {self.size[0]}x{self.size[1]}"


def operators_of(architecture: Architecture) -> list[tuple[Operator, int]]:
    """The operators of the alive nodes with how often each runs; identities cost nothing and are left out."""
    alive, shapes = architecture.alive, architecture.shapes
    sources: list[list[int]] = [[] for _ in architecture.nodes]
    for source, target in architecture.connections:
        sources[target].append(source)
    found: Counter[Operator] = Counter()
    for i in architecture.execution_order:
        node = architecture.nodes[i]
        if node.operation == "concat":
            size = shapes[i][1:]
            found[Operator(node, size, len(sources[i]))] += 1
            continue
        summed = [source for source in sources[i] if alive[source]]
        if not summed:
            continue
        channels, height, width = shapes[summed[0]]
        if len(summed) > 1:
            found[addition(channels, height, width)] += len(summed) - 1
        identity = node.operation == "skip_connect" and node.stride == 1
        if not identity and node.operation not in {"sum", "output"}:
            found[Operator(node, (height, width))] += 1
    return list(found.items())


def addition(channels: int, height: int, width: int) -> Operator:
    """The operator that adds two tensors of this shape."""
    return Operator(ArchNode("sum", channels, channels), (height, width), 2)


def all_operators(architectures: Iterable[Architecture]) -> list[Operator]:
    """Every different operator of the architectures, in the order in which they first appear."""
    return list(dict.fromkeys(op for arch in architectures for op, _ in operators_of(arch)))


def callable_of(operator: Operator, batch_size: int, device: torch.device) -> Callable[[], Tensor]:
    """A call that runs the operator once, in evaluation mode on random images."""
    node, (height, width) = operator.node, operator.size

    def images(channels: int) -> Tensor:
        return random_batch((batch_size, channels, height, width), torch.float32, device)

    if node.operation == "sum":
        a, b = images(node.input_channels), images(node.input_channels)
        return lambda: a + b
    if node.operation == "concat":
        share, rest = divmod(node.output_channels, operator.inputs)
        parts = [images(share + (i < rest)) for i in range(operator.inputs)]
        return lambda: torch.cat(parts, dim=1)
    module = module_of(node, (node.input_channels, height, width))
    module = module.to(device).eval()
    x = images(node.input_channels)
    return lambda: module(x)
