"""The search space of DARTS: a normal and a reduction cell of four nodes with two inputs each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces.assembly import (
    CostSum,
    NetworkBuilder,
    Shape,
    classifier,
    network_options,
    node_cost,
    positive_int,
    tensor_bytes,
)
from efficient_nas.spaces.builtin import BuiltInSpace
from efficient_nas.spaces.choice import Choice
from efficient_nas.spaces.space import Genotypes
from efficient_nas.types import Genotype

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
CELLS = ("normal", "reduce")
NODES = (2, 3, 4, 5)
STEM_MULTIPLIER = 3


@dataclass(frozen=True)
class DARTSOptions:
    """The network around the cells: channels of a node before the first reduction, number of cells."""

    channels: int = 16
    layers: int = 8

    def __post_init__(self) -> None:
        positive_int("space darts: channels", self.channels)
        positive_int("space darts: layers", self.layers, least=3)


@dataclass(frozen=True)
class Layer:
    """One cell of the network. preprocess: what adapts the outputs of the two cells before."""

    reduction: bool
    channels: int
    preprocess: tuple[ArchNode, ArchNode]

    def operation(self, name: str, stride: int) -> ArchNode:
        return ArchNode(name, self.channels, self.channels, stride=stride)


class DARTS(BuiltInSpace):
    """DARTS (Liu et al. 2019, arXiv:1806.09055): 32 genes, about 10^18 pairs of cells.

    For each cell, node and input: a predecessor (0 and 1 are the outputs of the two cells before, 2 to 4 the
    nodes; the second one is larger) and one of 7 operations. Network: stem, cells, reductions at a third
    and two thirds, global pooling, linear; no auxiliary head. Options of `build` and `costs`: channels=16,
    layers=8. Text: the published `Genotype(normal=[('sep_conv_3x3', 0), ...], ...)`.
    """

    def __init__(self) -> None:
        choices, ordered = [], []
        for cell in CELLS:
            for node in NODES:
                names = [f"{cell}/{node}/{slot}" for slot in "ab"]
                for name in names:
                    choices.append(Choice(name, range(node), role="predecessor"))
                    choices.append(Choice(f"{name}/operation", OPERATIONS, role="operation"))
                ordered.append((names[0], names[1]))
        super().__init__(choices, name="darts", ordered=ordered)

    def _network(
        self, genotype: Genotype, input_shape: Shape, num_classes: int, macro: dict[str, Any]
    ) -> Architecture:
        options = network_options(DARTSOptions, self.name, macro)
        network = NetworkBuilder(input_shape)
        before = last = network.add(stem(options, input_shape), [network.input])
        for layer in layers(options):
            cell = _add_cell(network, layer, genotype.reshape(2, len(NODES), 2, 2), before, last)
            before, last = last, cell
        return network.finish(network.chain(classifier(network.channels(last), num_classes), last))

    def _cost_tables(self, input_shape: Shape, num_classes: int, macro: dict[str, Any]) -> _core.DARTSCosts:
        return _cost_tables(input_shape, num_classes, network_options(DARTSOptions, self.name, macro))

    def _canonical_form(self, shared: bool) -> _core.CanonicalForm:
        return _core.darts_form(shared)

    def covering_genotypes(self) -> Genotypes:
        """For each operation the cells that hold nothing else: with inputs and nodes as predecessors."""
        rows = []
        for operation in self.allowed[1]:
            cell = [(node - 2 + slot, operation) for node in NODES for slot in range(2)]
            rows.append(np.array([cell, cell], dtype=np.uint8).reshape(-1))
        return np.array(rows)

    def to_string(self, genotype: Genotype) -> str:
        """The genotype in the published notation; `from_string` reads it."""
        self.require_valid(genotype)
        return _core.darts_to_string(genotype)

    def from_string(self, text: str) -> Genotype:
        """The genotype uint8 [32] of a published `Genotype(...)` text; nothing in it is executed.

        The two inputs of a node may be in any order. ValueError names what is wrong.
        """
        genotype = _core.darts_from_string(text)
        self.require_valid(genotype)
        return genotype


def stem(options: DARTSOptions, input_shape: Shape) -> ArchNode:
    """The node that takes the images."""
    return ArchNode("conv_bn", input_shape[0], STEM_MULTIPLIER * options.channels, kernel_size=3)


def layers(options: DARTSOptions) -> Iterator[Layer]:
    """The cells, in order."""
    channels = options.channels
    before = last = STEM_MULTIPLIER * channels
    after_reduction = False
    for index in range(options.layers):
        reduction = index in {options.layers // 3, 2 * options.layers // 3}
        channels *= 2 if reduction else 1
        if after_reduction:
            first = ArchNode("factorized_reduce", before, channels, stride=2)
        else:
            first = ArchNode("nor_conv_1x1", before, channels)
        yield Layer(reduction, channels, (first, ArchNode("nor_conv_1x1", last, channels)))
        before, last = last, len(NODES) * channels
        after_reduction = reduction


def _add_cell(
    network: NetworkBuilder, layer: Layer, genes: npt.NDArray[np.uint8], before: int, last: int
) -> int:
    channels = layer.channels
    values = [
        network.add(node, [source]) for node, source in zip(layer.preprocess, (before, last), strict=True)
    ]
    for node in genes[int(layer.reduction)].tolist():
        terms = []
        for predecessor, operation in node:
            stride = 2 if layer.reduction and predecessor < 2 else 1
            terms.append(network.add(layer.operation(OPERATIONS[operation], stride), [values[predecessor]]))
        values.append(network.add(ArchNode("sum", channels, channels), terms))
    return network.add(ArchNode("concat", channels, len(NODES) * channels), values[2:])


@lru_cache(maxsize=64)
def _cost_tables(input_shape: Shape, num_classes: int, options: DARTSOptions) -> _core.DARTSCosts:
    """Everything around the nodes runs in the same way in every network: its peak is counted here."""
    image = tensor_bytes(input_shape)
    rest = CostSum()
    before = last = rest.run(stem(options, input_shape), input_shape, live_bytes=image)
    cells = []
    for index, layer in enumerate(layers(options)):
        inputs_alive = tensor_bytes(last) + (tensor_bytes(before) if index > 0 else 0)
        first = rest.run(layer.preprocess[0], before, live_bytes=image + inputs_alive)
        live = image + tensor_bytes(last) + tensor_bytes(first)
        second = rest.run(layer.preprocess[1], last, live_bytes=live)
        nodes, strided = second, [(0, 0, 0)] * len(OPERATIONS)
        if layer.reduction:
            costs = [node_cost(layer.operation(name, 2), second) for name in OPERATIONS]
            nodes, strided = costs[0].output, [cost.totals for cost in costs]
        plain = [node_cost(layer.operation(name, 1), nodes).totals for name in OPERATIONS]
        held = image + (tensor_bytes(last) if index + 1 < options.layers else 0)
        cells.append(
            (
                layer.reduction,
                held,
                tensor_bytes(second),
                tensor_bytes(nodes),
                plain,
                strided,
            )
        )
        before, last = last, (len(NODES) * nodes[0], nodes[1], nodes[2])
    for node in classifier(last[0], num_classes):
        last = rest.run(node, last, live_bytes=image + tensor_bytes(last))
    return _core.DARTSCosts(cells, rest.totals)
