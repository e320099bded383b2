"""The search space of NAS-Bench-201: one cell of six edges, stacked in three stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

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

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
STAGES = 3


@dataclass(frozen=True)
class NASBench201Options:
    """The network around the cells: channels of the first of three stages (then doubled), cells in each."""

    channels: int = 16
    cells_per_stage: int = 5

    def __post_init__(self) -> None:
        positive_int("space nasbench201: channels", self.channels)
        positive_int("space nasbench201: cells_per_stage", self.cells_per_stage)

    def stage_channels(self, stage: int) -> int:
        return self.channels << stage


class NASBench201(BuiltInSpace):
    """NAS-Bench-201 (Dong & Yang 2020, arXiv:2001.00326): 15,625 cells of 5 operations on 6 edges.

    Network: 3x3 stem, three stages of equal cells, a residual block of stride 2 before the second and the
    third, BN-ReLU, global pooling, linear. Options of `build` and `costs`: channels=16, cells_per_stage=5.
    Text: `|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|`.
    """

    def __init__(self) -> None:
        super().__init__(
            [Choice(f"{source}->{target}", OPERATIONS, role="operation") for source, target in EDGES],
            name="nasbench201",
        )

    def _network(
        self, genotype: Genotype, input_shape: Shape, num_classes: int, macro: dict[str, Any]
    ) -> Architecture:
        options = network_options(NASBench201Options, self.name, macro)
        network = NetworkBuilder(input_shape)
        value = network.add(stem(options, input_shape), [network.input])
        for stage in range(STAGES):
            if stage > 0:
                value = network.add(reduction_block(options, stage), [value])
            nodes = _edge_nodes(options.stage_channels(stage))
            for _ in range(options.cells_per_stage):
                value = _add_cell(network, [nodes[operation] for operation in genotype], value)
        return network.finish(network.chain(head(options, num_classes), value))

    def _cost_tables(
        self, input_shape: Shape, num_classes: int, macro: dict[str, Any]
    ) -> _core.NASBench201Costs:
        options = network_options(NASBench201Options, self.name, macro)
        return _cost_tables(input_shape, num_classes, options)

    def _canonical_form(self, shared: bool) -> _core.CanonicalForm:
        return _core.nasbench201_form(shared)

    def covering_genotypes(self) -> Genotypes:
        """The cells that hold the same operation on every edge: every operator occurs in one of them."""
        allowed = [option for option in self.allowed[0] if OPERATIONS[option] != "none"]
        return np.array([[option] * len(EDGES) for option in allowed or self.allowed[0]], dtype=np.uint8)

    def to_string(self, genotype: Genotype) -> str:
        """The cell in the benchmark's notation; `from_string` reads it."""
        self.require_valid(genotype)
        return _core.nasbench201_to_string(genotype)

    def from_string(self, text: str) -> Genotype:
        """The genotype uint8 [6] of a cell in the benchmark's notation. ValueError names what is wrong."""
        genotype = _core.nasbench201_from_string(text)
        self.require_valid(genotype)
        return genotype


def stem(options: NASBench201Options, input_shape: Shape) -> ArchNode:
    """The node that takes the images."""
    return ArchNode("conv_bn", input_shape[0], options.channels, kernel_size=3)


def reduction_block(options: NASBench201Options, stage: int) -> ArchNode:
    """The node before the cells of a stage from the second on."""
    channels = options.stage_channels(stage)
    return ArchNode("resnet_basic_block", options.stage_channels(stage - 1), channels, stride=2)


def head(options: NASBench201Options, num_classes: int) -> list[ArchNode]:
    """The nodes behind the last cell, one after another."""
    channels = options.stage_channels(STAGES - 1)
    return [ArchNode("bn_relu", channels, channels), *classifier(channels, num_classes)]


def _edge_nodes(channels: int) -> list[ArchNode]:
    return [ArchNode(operation, channels, channels) for operation in OPERATIONS]


def _add_cell(network: NetworkBuilder, edges: list[ArchNode], value: int) -> int:
    """Node j is the sum of its edges; the edges into a node come right before it."""
    channels = network.channels(value)
    nodes = [value]
    for target in range(1, 4):
        terms = [
            network.add(node, [nodes[source]])
            for (source, end), node in zip(EDGES, edges, strict=True)
            if end == target
        ]
        nodes.append(network.add(ArchNode("sum", channels, channels), terms))
    return nodes[-1]


@lru_cache(maxsize=64)
def _cost_tables(input_shape: Shape, num_classes: int, options: NASBench201Options) -> _core.NASBench201Costs:
    image = tensor_bytes(input_shape)
    rest = CostSum()
    shape = rest.run(stem(options, input_shape), input_shape, live_bytes=image)
    stages = []
    for stage in range(STAGES):
        if stage > 0:
            shape = rest.run(reduction_block(options, stage), shape, live_bytes=image + tensor_bytes(shape))
        costs = [node_cost(node, shape).totals for node in _edge_nodes(shape[0])]
        stages.append((tensor_bytes(shape), [(0, 0, 0), *costs[1:]]))
    for node in head(options, num_classes):
        shape = rest.run(node, shape, live_bytes=image + tensor_bytes(shape))
    return _core.NASBench201Costs(
        stages, options.cells_per_stage, image, rest.totals, zero_peak_bytes=image + tensor_bytes(shape)
    )
