"""Supernets of the DARTS space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from efficient_nas import candidates, ops
from efficient_nas.graph import ArchNode
from efficient_nas.ops import MixedOpSpec, OpSpec
from efficient_nas.spaces import Space, create
from efficient_nas.spaces.assembly import Shape
from efficient_nas.spaces.darts import CELLS, NODES, OPERATIONS, DARTSOptions, Layer, layers, stem
from efficient_nas.spaces.space import Genotypes
from efficient_nas.supernet.networks.darts_cells import (
    CANDIDATES,
    EDGE_NAMES,
    EDGES,
    allowed_candidates,
    draw_cells,
    path_weights,
    strongest_edges,
)
from efficient_nas.supernet.networks.edges import CellCall, MixedEdge
from efficient_nas.supernet.networks.gradient import GradientSupernet, LogProbabilities
from efficient_nas.supernet.networks.supernet import Operator, initialised
from efficient_nas.types import Genotype


class DARTSCell(nn.Module):
    """One searched cell: two states of any channels to [N, 4 * channels, ...], in one call.

    Preprocessing runs in that call as well, as edges of one candidate whose weight is 1.
    """

    def __init__(self, layer: Layer, spec: MixedOpSpec, implementation: str) -> None:
        super().__init__()
        self.table = CELLS[int(layer.reduction)]
        self.preprocess = nn.ModuleList(preprocessing(node) for node in layer.preprocess)
        self.edges = nn.ModuleList(mixed_edges(layer, spec))
        ends = [(0, 2), (1, 3), *((source + 2, node + 2) for source, node in EDGES)]
        self._call = CellCall(2, ends, [*self.preprocess, *self.edges], implementation)

    def forward(
        self,
        before: Tensor,
        last: Tensor,
        alphas: Sequence[Tensor],
        edge_weights: Tensor | None,
        skip_zero: bool,
    ) -> Tensor:
        """alphas and edge_weights: those of the preprocessing, which are 1, come first."""
        nodes = self._call([before, last], alphas, edge_weights, skip_zero=skip_zero)
        return torch.cat(nodes[2:], dim=1)

    def modules_of(self, genes: Sequence[Sequence[Sequence[int]]]) -> Iterator[nn.Module | None]:
        """Our modules of the nodes of a derived cell. genes [node, slot, 2]: predecessor and operation."""
        for node in self.preprocess:
            yield from node.children()
        for target, pair in zip(NODES, genes, strict=True):
            for source, operation in pair:
                edge: Any = self.edges[EDGES.index((source, target))]
                yield edge.module(OPERATIONS[operation])
            yield None  # the sum
        yield None  # the concatenation


class CellSupernet(GradientSupernet):
    """A stack of cells of the DARTS space whose edges hold the candidates of `spec`."""

    def __init__(
        self,
        options: DARTSOptions,
        spec: MixedOpSpec,
        input_shape: Shape,
        num_classes: int,
        *,
        relaxation: str,
        seed: int,
        implementation: str,
    ) -> None:
        super().__init__(
            create("darts"),
            input_shape,
            num_classes,
            asdict(options),
            dict.fromkeys(CELLS, (EDGE_NAMES, CANDIDATES)),
            relaxation=relaxation,
            seed=seed,
            implementation=implementation,
        )
        with initialised(seed):
            self._build(options, spec)

    def _build(self, options: DARTSOptions, spec: MixedOpSpec) -> None:
        first = stem(options, self.input_shape)
        self.stem = candidates.create(
            first.operation, first.input_channels, first.output_channels, kernel_size=first.kernel_size
        )
        self.cells: Any = nn.ModuleList()
        channels = 0
        for layer in layers(options):
            self.cells.append(DARTSCell(layer, spec, self.implementation))
            channels = len(NODES) * layer.channels
        self.pool = candidates.create("global_avg_pool", channels, channels)
        self.classifier = candidates.create("linear", channels, self.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        weights = self._cell_weights()
        skip_zero = self.skips_zero
        before = last = self.stem(images.contiguous(memory_format=torch.channels_last))
        for cell in self.cells:
            before, last = last, cell(before, last, *weights[cell.table], skip_zero)
        logits: Tensor = self.classifier(self.pool(last))
        return logits.flatten(1)

    def _cell_weights(self) -> dict[str, tuple[Sequence[Tensor], Tensor | None]]:
        """Weights of candidates and of edges that cells are called with, by table."""
        weights = self.candidate_weights()
        return {table: ([*[rows.new_ones(1)] * 2, *rows.unbind()], None) for table, rows in weights.items()}

    def _derive(self, log_probabilities: LogProbabilities) -> Genotype:
        return np.concatenate([strongest_edges(log_probabilities[table]) for table in CELLS])

    def _sample(self, log_probabilities: LogProbabilities, n: int, draw: np.random.Generator) -> Genotypes:
        """Of every node two edges by their probability of not being `none`; then one candidate on each."""
        return np.concatenate([draw_cells(log_probabilities[table], n, draw) for table in CELLS], axis=1)

    def _path(self, genotype: Genotype) -> Mapping[str, npt.NDArray[np.float32]]:
        return path_weights(genotype)

    def _allowed(self, space: Space) -> Mapping[str, npt.NDArray[np.bool_]]:
        return allowed_candidates(space)

    def _modules_of(self, genotype: Genotype) -> Iterator[nn.Module | None]:
        genes = genotype.reshape(len(CELLS), len(NODES), 2, 2).tolist()
        yield self.stem
        for cell in self.cells:
            yield from cell.modules_of(genes[CELLS.index(cell.table)])
        yield self.pool
        yield self.classifier

    def operators(self) -> dict[str, list[list[list[Operator]]]]:
        found: dict[str, list[list[list[Operator]]]] = {
            table: [[[] for _ in CANDIDATES] for _ in EDGES] for table in CELLS
        }
        _, height, width = self.input_shape
        for layer in layers(DARTSOptions(**self.macro)):
            inputs = layer.channels, height, width
            if layer.reduction:
                height, width = -(-height // 2), -(-width // 2)
            nodes = layer.channels, height, width
            for edge, (source, _) in zip(found[CELLS[int(layer.reduction)]], EDGES, strict=True):
                stride = 2 if layer.reduction and source < 2 else 1
                for operators, name in zip(edge[1:], OPERATIONS, strict=True):
                    operators.append((layer.operation(name, stride), inputs if source < 2 else nodes))
        return found


class DARTS(CellSupernet):
    """The search network of DARTS (Liu et al. 2019, arXiv:1806.09055, section 2): images to logits.

    channels: of the nodes before the first reduction. layers: cells, at least 3. In the genotype every node
    has its two strongest edges, by the probability of their best candidate but `none` (section 2.4).
    Departure: the relaxation may be gumbel, or gdas (Dong & Yang 2019, arXiv:1910.04465) too.
    As published, a derived network has no norm behind its pools, while the supernet has. So it computes what
    a path computes, with `subnet_state`, only where no pool is chosen.
    """

    def __init__(
        self,
        channels: int = 16,
        layers: int = 8,
        num_classes: int = 10,
        input_shape: Shape = (3, 32, 32),
        *,
        relaxation: str = "softmax",
        seed: int = 0,
        implementation: str = "fused",
    ) -> None:
        super().__init__(
            DARTSOptions(channels, layers),
            ops.sets.darts(),
            input_shape,
            num_classes,
            relaxation=relaxation,
            seed=seed,
            implementation=implementation,
        )


def preprocessing(node: ArchNode) -> MixedEdge:
    """What adapts an input of a cell, as an edge of one candidate with a plain norm."""
    name = "skip_connect" if node.operation == "factorized_reduce" else node.operation
    return MixedEdge(MixedOpSpec((OpSpec(name),)), node.input_channels, node.output_channels, node.stride)


def mixed_edges(layer: Layer, spec: MixedOpSpec) -> Iterator[MixedEdge]:
    """The edges of a cell between its states of `layer.channels`."""
    for source, _ in EDGES:
        stride = 2 if layer.reduction and source < 2 else 1
        yield MixedEdge(spec, layer.channels, layer.channels, stride)
