"""What supernets over chains of layers share: the network around the layers, and the path."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from efficient_nas.graph import ArchNode
from efficient_nas.graph.network import module_of
from efficient_nas.spaces import Space
from efficient_nas.spaces.chains import ChainLayer, ChainSpace, layers_of
from efficient_nas.supernet.extremes import extreme
from efficient_nas.supernet.networks.supernet import Supernet, checked_implementation, initialised
from efficient_nas.supernet.sampling import check_same_choices
from efficient_nas.types import Genotype

ABSENT = -1
"""In place of an index into `ChainLayer.nodes` where the layer is not there."""


class ChainSupernet(Supernet):
    """Stem, layers that follow a path, and the rest of a chain's network; always on one path.

    The first path is the largest architecture.
    """

    def __init__(
        self,
        space: Space,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        *,
        macro: Mapping[str, Any] | None = None,
        seed: int = 0,
        implementation: str = "fused",
    ) -> None:
        chains = self._checked(space)
        super().__init__(space, input_shape, num_classes, macro or {})
        self.implementation = checked_implementation(type(self).__name__, implementation)
        network = chains.chain(self.input_shape, self.macro)
        self._layers = layers_of(network)
        self._finder = _NodeFinder(self._layers, space)
        with initialised(seed):
            self.stem = _module(network.stem(self.input_shape[0]))
            self.layers: Any = nn.ModuleList(self._layer(layer) for layer in self._layers)
            self.tail = nn.Sequential(*map(_module, network.tail(self.num_classes)))
        self._prepare_path()
        self.set_path(extreme(space, largest=True))

    def _checked(self, space: Space) -> ChainSpace:
        """The space; ValueError unless it is one that the class makes layers for."""
        if not isinstance(space, ChainSpace):
            raise ValueError(
                f"{type(self).__name__}: space must be one of chains, such as mbconv or nasbench_macro, "
                f"got {space!r}"
            )
        return space

    @abstractmethod
    def _layer(self, layer: ChainLayer) -> nn.Module:
        """What runs in this place of the chain. Called by the constructor."""

    def _prepare_path(self) -> None:
        """Makes what `_select` changes. Called by the constructor, after the layers are made."""

    @abstractmethod
    def _run_layers(self, x: Tensor) -> Tensor:
        """The output of all layers on the path."""

    @abstractmethod
    def _select(self, found: list[int]) -> None:
        """Puts all layers on a path: of each the index of its node, or ABSENT."""

    @abstractmethod
    def _module_of(self, index: int, found: int) -> nn.Module:
        """The module of one layer's node, which holds the shared tensors or parts of them."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, num_classes] of images [N, C, H, W]."""
        x = self.stem(images.contiguous(memory_format=torch.channels_last))
        logits: Tensor = self.tail(self._run_layers(x))
        return logits.flatten(1)

    def set_path(self, genotype: Genotype) -> None:
        """From now on forward runs this architecture [num_choices] with the shared weights."""
        self.space.require_valid(genotype)
        self._select(self._finder.find(genotype))

    def open(self, space: Space) -> None:
        """Nothing but a check: samplers and controllers say which paths are taken. ValueError if not ours."""
        check_same_choices(type(self).__name__, self.space, space)

    def _modules_of(self, genotype: Genotype) -> Iterator[nn.Module | None]:
        yield self.stem
        for index, found in enumerate(self._finder.find(genotype)):
            if found != ABSENT and self._layers[index].nodes[found] is not None:
                yield self._module_of(index, found)
        for module in self.tail:
            yield module if module.state_dict() else None


class _NodeFinder:
    """Which node each layer is in a genotype, for all layers at once."""

    def __init__(self, layers: Sequence[ChainLayer], space: Space) -> None:
        shape = len(layers), space.num_choices
        self._multipliers = np.zeros(shape, np.int64)
        self._present = np.ones((len(layers), int(space.cardinalities.max())), np.bool_)
        self._depth = np.zeros(len(layers), np.int64)
        for index, layer in enumerate(layers):
            self._multipliers[index, list(layer.columns)] = layer.multipliers
            if layer.depth is not None:
                self._depth[index] = layer.depth[0]
                self._present[index] = np.isin(np.arange(self._present.shape[1]), layer.depth[1])
        self._rows = np.arange(len(layers))

    def find(self, genotype: Genotype) -> list[int]:
        """Indices into `ChainLayer.nodes`, or ABSENT, of all layers."""
        found = self._multipliers @ genotype
        found[~self._present[self._rows, genotype[self._depth]]] = ABSENT
        indices: list[int] = found.tolist()
        return indices


def _module(node: ArchNode) -> nn.Module:
    """The module of a node outside the layers; only the classifier has a fixed input size, 1 x 1."""
    return module_of(node, (node.input_channels, 1, 1))
