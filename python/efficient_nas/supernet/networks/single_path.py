"""A supernet that trains one path of a chain at a time."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from efficient_nas.graph import ArchNode
from efficient_nas.spaces.chains import ChainLayer
from efficient_nas.supernet.networks.chain_supernet import ABSENT, ChainSupernet
from efficient_nas.supernet.networks.choice_layer import ChoiceLayer


class SinglePath(ChainSupernet):
    """A supernet over a space of chains whose options all have weights of their own; one path runs.

    space: of chains in which every option of a layer takes and gives the same channels: `nasbench_macro`, or
    `mbconv` with one width a stage. Layers beyond a depth are identities. macro: options of `space.build`.
    implementation: `fused` runs inverted residuals by `ops.mixed_op` on the CPU, `reference` everything by
    torch. Train it with one of the samplers `Uniform`, `FairNAS`, `Sandwich` or `Policy`.

    Single path one-shot (Guo et al. 2020, arXiv:1904.00420). Norms are affine, as in the architectures that
    it stands for: a path computes what `architecture(genotype).to_pytorch()` with `subnet_state` does.
    """

    path: Tensor

    def _layer(self, layer: ChainLayer) -> nn.Module:
        options: dict[ArchNode | None, int] = {}
        option_of: dict[int, int] = {}
        for genes in itertools.product(*(self.space.allowed[column] for column in layer.columns)):
            index = layer.index(genes)
            option_of[index] = options.setdefault(layer.nodes[index], len(options))
        if layer.depth is not None and not set(self.space.allowed[layer.depth[0]]) <= set(layer.depth[1]):
            option_of[ABSENT] = options.setdefault(None, len(options))
        sizes = {(node.input_channels, node.output_channels) for node in options if node is not None}
        if len(sizes) > 1 or (None in options and any(a != b for a, b in sizes)):
            raise ValueError(
                "SinglePath: all options of a layer must take and give the same channels, but one layer of "
                f"space {self.space.name} has {sorted(sizes)}; keep one width of each stage or use Elastic"
            )
        return ChoiceLayer(list(options), layer.stride, option_of, fused=self.implementation == "fused")

    def _prepare_path(self) -> None:
        self.register_buffer("path", torch.zeros(len(self.layers), dtype=torch.int64), persistent=False)

    def _select(self, found: list[int]) -> None:
        self._chosen = [layer.option_of[index] for layer, index in zip(self.layers, found, strict=True)]
        self.path.copy_(torch.tensor(self._chosen))

    def _run_layers(self, x: Tensor) -> Tensor:
        for layer, chosen, choice in zip(self.layers, self._chosen, self.path.unbind(), strict=True):
            x = layer(x, chosen, choice)
        return x

    def _module_of(self, index: int, found: int) -> nn.Module:
        layer: ChoiceLayer = self.layers[index]
        return layer.options[layer.option_of[found]]
