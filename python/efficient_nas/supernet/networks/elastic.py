"""A supernet of elastic depth, width, kernel and expansion."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from efficient_nas.graph import ArchNode
from efficient_nas.spaces import Space
from efficient_nas.spaces.chains import ChainLayer
from efficient_nas.spaces.mbconv import MBConv
from efficient_nas.supernet.networks.chain_supernet import ABSENT, ChainSupernet
from efficient_nas.supernet.networks.elastic_layers import ElasticConvBNReLU, ElasticMBConv


class Elastic(ChainSupernet):
    """A supernet over `mbconv` that holds the weights of the largest architecture; smaller ones are parts.

    A smaller width or expansion has the first channels, a smaller kernel the transformed centre, a smaller
    depth the first layers of a stage. macro: options of `space.build`. implementation: `fused` runs inverted
    residuals by `ops.mixed_op` on the CPU, `reference` by torch. Train it with `Sandwich` or `Uniform`,
    through `progressive_shrinking`.

    Once-for-all (Cai et al. 2020, arXiv:1908.09791, section 3.3). Departures: channels are not sorted by
    importance before widths and expansions shrink, and widths are elastic too. A path's shapes are numbers,
    which compiled code would be compiled for again and again: `torch.compile` leaves this supernet in eager
    mode.
    """

    def _checked(self, space: Space) -> MBConv:
        if not isinstance(space, MBConv):
            raise ValueError(f"Elastic: space must be an mbconv space, got {space!r}")
        return space

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, num_classes] of images [N, C, H, W]."""
        return super().forward(images)

    def _layer(self, layer: ChainLayer) -> nn.Module:
        nodes = [node for node in layer.nodes if node is not None]
        largest = max(nodes, key=_size)
        if largest.operation == "mbconv":
            kernels = {node.kernel_size for node in nodes if node.kernel_size is not None}
            return ElasticMBConv(largest, sorted(kernels), fused=self.implementation == "fused")
        return ElasticConvBNReLU(largest)

    def _select(self, found: list[int]) -> None:
        self._nodes = [
            None if index == ABSENT else layer.nodes[index]
            for layer, index in zip(self._layers, found, strict=True)
        ]

    def _run_layers(self, x: Tensor) -> Tensor:
        for layer, node in zip(self.layers, self._nodes, strict=True):
            if node is not None:
                x = layer(x, node)
        return x

    def _module_of(self, index: int, found: int) -> nn.Module:
        layer, node = self.layers[index], self._layers[index].nodes[found]
        alone: nn.Module = layer.alone(node)
        return alone


def _size(node: ArchNode) -> tuple[int, ...]:
    return node.input_channels, node.output_channels, node.kernel_size or 0, node.expansion


def progressive_shrinking(space: Space) -> list[tuple[float, Space]]:
    """Stages for `Trainer`, from the largest architecture of a space to all of them.

    Pairs (share of the epochs until which it lasts, restriction of the space). Kernels open first, all at
    once; then depths, then expansions, then widths, one more option of every choice a stage, the largest
    first (arXiv:1908.09791, section 3.3 and its code). Departures: widths, and as many epochs for each stage.
    """
    counts = dict.fromkeys(("kernel", "depth", "expansion", "width"), 1)
    for choice, allowed in zip(space.choices, space.allowed, strict=True):
        if choice.role is not None and choice.role in counts:
            counts[choice.role] = max(counts[choice.role], len(allowed))
    opened = dict.fromkeys(counts, 1)
    stages = [_largest(space, opened)]
    for role, count in counts.items():
        for options in [count] if role == "kernel" else range(2, count + 1):
            if options > 1:
                opened[role] = options
                stages.append(_largest(space, opened))
    return [(number / len(stages), stage) for number, stage in enumerate(stages, 1)]


def _largest(space: Space, counts: Mapping[str, int]) -> Space:
    """The space with so many of the largest options of every choice, by role."""
    kept = {}
    for choice, allowed in zip(space.choices, space.allowed, strict=True):
        if choice.role is not None and choice.role in counts:
            values = sorted((choice.options[option] for option in allowed), key=float, reverse=True)
            kept[choice.name] = values[: counts[choice.role]]
    return space.keep(kept)
