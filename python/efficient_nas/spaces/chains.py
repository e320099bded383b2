"""Spaces whose networks are chains: a stem, layers that a few genes choose, and a classifier."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from efficient_nas import _core
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces.assembly import CostSum, CostTuple, NetworkBuilder, Shape, node_cost, tensor_bytes
from efficient_nas.spaces.builtin import BuiltInSpace
from efficient_nas.spaces.space import Genotypes
from efficient_nas.types import Genotype


@dataclass(frozen=True)
class ChainLayer:
    """One place in the chain.

    columns: the choices that decide what it is. cardinalities: theirs.
    nodes: for every combination of their options, the last column counting fastest; None is an identity.
    stride: of all nodes. depth: a column and those of its options with which the layer is present; None if
    it always is. A deeper option keeps the layers of all others.
    """

    columns: tuple[int, ...]
    cardinalities: tuple[int, ...]
    nodes: tuple[ArchNode | None, ...]
    stride: int
    depth: tuple[int, tuple[int, ...]] | None = None

    @property
    def multipliers(self) -> tuple[int, ...]:
        return tuple(int(np.prod(self.cardinalities[i + 1 :], dtype=int)) for i in range(len(self.columns)))

    def node(self, genotype: Genotype) -> ArchNode | None:
        """What the layer is in this genotype; None also if it is not there."""
        if self.depth is not None and int(genotype[self.depth[0]]) not in self.depth[1]:
            return None
        return self.variant([int(genotype[column]) for column in self.columns])

    def variant(self, genes: Sequence[int]) -> ArchNode | None:
        """What the layer is with these options of its columns."""
        return self.nodes[self.index(genes)]

    def index(self, genes: Sequence[int]) -> int:
        """Where in `nodes` the layer with these options of its columns is."""
        return sum(g * m for g, m in zip(genes, self.multipliers, strict=True))


class ChainOptions(Hashable, Protocol):
    """A network: hashable, so that cost tables can be kept."""

    def stem(self, input_channels: int) -> ArchNode: ...
    def layers(self) -> Sequence[ChainLayer]: ...
    def tail(self, num_classes: int) -> list[ArchNode]: ...


@lru_cache(maxsize=64)
def layers_of(options: ChainOptions) -> tuple[ChainLayer, ...]:
    """The layers of a network; kept, because making hundreds of nodes takes milliseconds."""
    return tuple(options.layers())


class ChainSpace(BuiltInSpace):
    """A space of chains; subclasses say which."""

    @abstractmethod
    def _options(self, macro: dict[str, Any]) -> ChainOptions: ...

    def chain(self, input_shape: Shape, macro: Mapping[str, Any]) -> ChainOptions:
        """Stem, layers and tail that all networks of the space share, for options of `build`.

        ValueError where images [C, H, W] are too small for its strides.
        """
        options = self._options(dict(macro))
        _check_size(self.name, options, input_shape)
        return options

    def _network(
        self, genotype: Genotype, input_shape: Shape, num_classes: int, macro: dict[str, Any]
    ) -> Architecture:
        options = self.chain(input_shape, macro)
        nodes = [layer.node(genotype) for layer in layers_of(options)]
        network = NetworkBuilder(input_shape)
        features = [options.stem(input_shape[0]), *(node for node in nodes if node is not None)]
        return network.finish(network.chain([*features, *options.tail(num_classes)], network.input))

    def _cost_tables(self, input_shape: Shape, num_classes: int, macro: dict[str, Any]) -> _core.Chain:
        return _cost_chain(self.name, self._options(macro), self._sizes, input_shape, num_classes)

    def _canonical_form(self, shared: bool) -> _core.CanonicalForm:
        return _canonical_chain(self._options({}), self._sizes).form()

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(len(choice.options) for choice in self.choices)

    def covering_genotypes(self) -> Genotypes:
        """Few genotypes that together hold every layer at its resolution; as deep as the space allows."""
        deepest = {
            column: max(options, key=self.choices[column].options.__getitem__)
            for column, options in enumerate(self.allowed)
            if self.choices[column].role == "depth"
        }
        missing = self._operators(deepest)
        rows: list[list[int]] = []
        while missing or not rows:
            chosen = dict(deepest)
            for operator, genes in list(missing.items()):
                if all(chosen.get(column, option) == option for column, option in genes):
                    chosen.update(genes)
                    del missing[operator]
            first = {column: options[0] for column, options in enumerate(self.allowed)}
            rows.append(list((first | chosen).values()))
        covering = np.array(rows, dtype=np.uint8)
        covering[~self.active(covering)] = 0
        return covering

    def _operators(self, deepest: dict[int, int]) -> dict[tuple[ArchNode, int], list[tuple[int, int]]]:
        """Every (node, stride so far) that the space allows, with (column, option) of genes that give it."""
        operators: dict[tuple[ArchNode, int], list[tuple[int, int]]] = {}
        reduced = 1
        for layer in layers_of(self._options({})):
            if layer.depth is None or deepest[layer.depth[0]] in layer.depth[1]:
                for genes in itertools.product(*(self.allowed[column] for column in layer.columns)):
                    node = layer.variant(genes)
                    if node is not None:
                        operators.setdefault((node, reduced), list(zip(layer.columns, genes, strict=True)))
            reduced *= layer.stride
        return operators


def _check_size(space: str, options: ChainOptions, input_shape: Shape) -> None:
    """ValueError if a layer would halve a single pixel."""
    for index, (layer, (height, width)) in enumerate(_resolutions(options, input_shape)):
        if layer.stride == 2 and height == width == 1:
            shape = " x ".join(map(str, input_shape))
            raise ValueError(
                f"space {space}: input_shape {shape} is too small: layer {index + 1} has stride 2, but "
                "receives 1 x 1; use larger images or fewer strides of 2"
            )


def _resolutions(options: ChainOptions, input_shape: Shape) -> Iterator[tuple[ChainLayer, tuple[int, int]]]:
    """Every layer with the (height, width) that it receives."""
    _, height, width = node_cost(options.stem(input_shape[0]), input_shape).output
    for layer in layers_of(options):
        yield layer, (height, width)
        height, width = -(-height // layer.stride), -(-width // layer.stride)


@lru_cache(maxsize=64)
def _cost_chain(
    space: str, options: ChainOptions, cardinalities: tuple[int, ...], input_shape: Shape, num_classes: int
) -> _core.Chain:
    _check_size(space, options, input_shape)
    image = tensor_bytes(input_shape)
    rest = CostSum()
    rest.run(options.stem(input_shape[0]), input_shape, live_bytes=image)
    layers = []
    height = width = 0
    for layer, (height, width) in _resolutions(options, input_shape):
        costs = []
        for node in layer.nodes:
            if node is None:
                costs.append((0, 0, 0))
                continue
            received = (node.input_channels, height, width)
            cost = node_cost(node, received)
            peak = image + tensor_bytes(received) + cost.peak_bytes
            costs.append((cost.macs, cost.params, peak))
        layers.append(_native_layer(layer, [0] * len(costs), costs, cardinalities))
    tail = options.tail(num_classes)
    shape = (tail[0].input_channels, height, width)
    for node in tail:
        shape = rest.run(node, shape, live_bytes=image + tensor_bytes(shape))
    return _core.Chain(list(cardinalities), layers, rest.totals)


@lru_cache(maxsize=64)
def _canonical_chain(options: ChainOptions, cardinalities: tuple[int, ...]) -> _core.Chain:
    """Layers with a token for each distinct node; a chain has no sharing, so both kinds are the same."""
    tokens: dict[ArchNode | None, int] = {None: 0}
    layers = []
    for layer in layers_of(options):
        numbers = [tokens.setdefault(node, len(tokens)) for node in layer.nodes]
        layers.append(_native_layer(layer, numbers, [(0, 0, 0)] * len(numbers), cardinalities))
    return _core.Chain(list(cardinalities), layers, (0, 0, 0))


def _native_layer(
    layer: ChainLayer, tokens: list[int], costs: list[CostTuple], cardinalities: tuple[int, ...]
) -> tuple[list[tuple[int, int]], list[tuple[int, CostTuple]], int, list[int]]:
    column, present = layer.depth or (layer.columns[0], tuple(range(cardinalities[layer.columns[0]])))
    genes = list(zip(layer.columns, layer.multipliers, strict=True))
    return genes, list(zip(tokens, costs, strict=True)), column, list(present)
