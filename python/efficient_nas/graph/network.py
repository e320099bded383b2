"""Runs an architecture in PyTorch, in the order and with the tensors that its native costs assume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from efficient_nas import candidates

if TYPE_CHECKING:
    from efficient_nas.graph.architecture import Architecture
    from efficient_nas.graph.node import ArchNode


@dataclass(frozen=True, slots=True)
class Step:
    """One node at run time.

    sources: its inputs; alive nodes, or the number of channels of a zero input (concat only).
    released: nodes whose tensors nobody reads after this step.
    """

    node: int
    sources: tuple[int | ZeroInput, ...]
    concatenates: bool
    released: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ZeroInput:
    """An input that is known to be zero, materialised because its channels count."""

    channels: int


class DAGNetwork(nn.Module):
    """The network of an `Architecture`: images [N, C, H, W] to logits [N, num_classes].

    Only alive nodes have modules; `operations[str(i)]` is that of node i. A tensor is dropped after its last
    consumer. Other image sizes than the architecture's work too if a global pool precedes the classifier.
    An architecture whose output is always zero gives zero logits and has no parameters.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        nodes, shapes, alive = architecture.nodes, architecture.shapes, architecture.alive
        sources: list[list[int]] = [[] for _ in nodes]
        for source, target in architecture.connections:
            sources[target].append(source)
        order = architecture.execution_order
        self.input = next(i for i, node in enumerate(nodes) if node.operation == "input")
        self.output = next(i for i, node in enumerate(nodes) if node.operation == "output")
        self.output_shape = shapes[self.output]
        self.operations = nn.ModuleDict(
            {str(i): module_of(nodes[i], shapes[sources[i][0]]) for i in order if _computes(nodes[i])}
        )
        readers = Counter(s for i in order for s in sources[i] if alive[s])
        self.steps: list[Step] = []
        for i in order:
            if i == self.input:
                continue
            concatenates = nodes[i].operation == "concat"
            read = Counter(s for s in sources[i] if alive[s])
            readers -= read
            self.steps.append(
                Step(
                    node=i,
                    sources=tuple(
                        s if alive[s] else ZeroInput(shapes[s][0])
                        for s in sources[i]
                        if alive[s] or concatenates
                    ),
                    concatenates=concatenates,
                    released=tuple(s for s in read if s not in readers),
                )
            )

    def forward(self, images: Tensor) -> Tensor:
        tensors = {self.input: images}
        for step in self.steps:
            tensors[step.node] = self._run(step, tensors)
            for node in step.released:
                del tensors[node]
        logits = tensors[self.output]
        return logits.flatten(1) if self.output_shape[1:] == (1, 1) else logits

    def _run(self, step: Step, tensors: dict[int, Tensor]) -> Tensor:
        if step.concatenates:
            received = torch.cat(_with_zeros(step.sources, tensors), dim=1)
        elif step.sources:
            received = _sum([tensors[s] for s in step.sources if isinstance(s, int)])
        else:  # the output of an architecture that is always zero
            images = tensors[self.input]
            return images.new_zeros((images.shape[0], *self.output_shape))
        name = str(step.node)
        return self.operations[name](received) if name in self.operations else received


def _computes(node: ArchNode) -> bool:
    identity = node.operation == "skip_connect" and node.stride == 1
    return not identity and node.operation in candidates.operations()


def module_of(node: ArchNode, received: tuple[int, int, int]) -> nn.Module:
    """The torch module of one node, which receives images of shape `received` (C, H, W)."""
    return candidates.create(
        node.operation,
        node.input_channels,
        node.output_channels,
        stride=node.stride,
        kernel_size=node.kernel_size,
        expansion=node.expansion,
        affine=node.affine,
        in_features=received[0] * received[1] * received[2] if node.operation == "linear" else None,
    )


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    """The only tensor itself, or the sum of several in one new buffer."""
    if len(tensors) == 1:
        return tensors[0]
    total = tensors[0] + tensors[1]
    for tensor in tensors[2:]:
        total += tensor
    return total


def _with_zeros(sources: Sequence[int | ZeroInput], tensors: dict[int, Tensor]) -> list[Tensor]:
    alive = next(tensors[s] for s in sources if isinstance(s, int))
    return [
        tensors[s] if isinstance(s, int) else alive.new_zeros((alive.shape[0], s.channels, *alive.shape[2:]))
        for s in sources
    ]
