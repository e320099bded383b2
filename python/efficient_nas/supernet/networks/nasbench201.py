"""The supernet of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from efficient_nas import ops
from efficient_nas.graph import ArchNode
from efficient_nas.graph.network import module_of
from efficient_nas.spaces import Space, create
from efficient_nas.spaces.assembly import Shape
from efficient_nas.spaces.nasbench201 import (
    EDGES,
    OPERATIONS,
    STAGES,
    NASBench201Options,
    head,
    reduction_block,
    stem,
)
from efficient_nas.spaces.space import Genotypes
from efficient_nas.supernet.networks.drawing import ranked
from efficient_nas.supernet.networks.edges import CellCall, MixedEdge
from efficient_nas.supernet.networks.gradient import GradientSupernet, LogProbabilities
from efficient_nas.supernet.networks.supernet import Operator, initialised
from efficient_nas.types import Genotype

TABLE = "cell"
NODES = 4  # with the input
EDGE_NAMES = tuple(f"{source}->{target}" for source, target in EDGES)


class NASBench201Cell(nn.Module):
    """One searched cell: [N, C, H, W] to [N, C, H, W]."""

    def __init__(self, channels: int, implementation: str) -> None:
        super().__init__()
        self.table = TABLE
        spec = ops.sets.nasbench201()
        edges = [MixedEdge(spec, channels, channels, stride=1) for _ in EDGES]
        self.edges = nn.ModuleList(edges)
        self._call = CellCall(1, EDGES, edges, implementation)
        self._node_calls = []
        for node in range(1, NODES):
            entering = [e for e, (_, target) in enumerate(EDGES) if target == node]
            ends, own = [EDGES[e] for e in entering], [edges[e] for e in entering]
            self._node_calls.append(CellCall(node, ends, own, implementation))

    def forward(self, x: Tensor, alphas: Sequence[Tensor], skip_zero: bool) -> Tensor:
        """alphas [K] of every edge."""
        return self._call([x], alphas, skip_zero=skip_zero)[-1]

    def forward_gdas(self, x: Tensor, alphas: Sequence[Tensor]) -> Tensor:
        """alphas [K] of every edge: one is about 1, the others are 0 but have gradients.

        As in the published code, the others are added to an edge's result as numbers, so that each has the
        sum of the result's gradient. That takes nodes one by one.
        """
        states, rest = [x], iter(alphas)
        for call in self._node_calls:
            entering = [next(rest) for _ in states]
            [node] = call(states, entering, skip_zero=True)
            weights = torch.stack(entering)
            others = weights.masked_fill(weights.detach() != 0, 0).sum()
            states.append(node + others.to(node.dtype))
        return states[-1]

    def modules_of(self, genes: Sequence[int]) -> Iterator[nn.Module | None]:
        """Our modules of the nodes of a derived cell."""
        for target in range(1, NODES):
            for edge, (_, end), operation in zip(self.edges, EDGES, genes, strict=True):
                if end == target:
                    mixed: Any = edge
                    yield mixed.module(OPERATIONS[operation])
            yield None  # the sum


class NASBench201(GradientSupernet):
    """The search network of NAS-Bench-201 (Dong & Yang 2020, arXiv:2001.00326): images to logits.

    relaxation: softmax is its DARTS, gdas its GDAS (Dong & Yang 2019, arXiv:1910.04465), gumbel neither. In
    the genotype every edge has its most probable candidate, `none` included. channels: of the first of three
    stages, doubled by each; between stages a residual block of stride 2.
    Departure: candidates have no bias, as in the first version of the published code and in derived networks.
    A path computes what its derived network computes with `subnet_state`, but for paths without a connection
    from input to output: their derived network has zero logits and no weights.
    """

    def __init__(
        self,
        channels: int = 16,
        cells_per_stage: int = 5,
        num_classes: int = 10,
        input_shape: Shape = (3, 32, 32),
        *,
        relaxation: str = "softmax",
        seed: int = 0,
        implementation: str = "fused",
    ) -> None:
        options = NASBench201Options(channels, cells_per_stage)
        super().__init__(
            create("nasbench201"),
            input_shape,
            num_classes,
            asdict(options),
            {TABLE: (EDGE_NAMES, OPERATIONS)},
            relaxation=relaxation,
            seed=seed,
            implementation=implementation,
        )
        with initialised(seed):
            self._build(options)

    def _build(self, options: NASBench201Options) -> None:
        self.stem = _module(stem(options, self.input_shape))
        self.cells = nn.ModuleList()
        for stage in range(STAGES):
            if stage > 0:
                self.cells.append(_module(reduction_block(options, stage)))
            for _ in range(options.cells_per_stage):
                self.cells.append(NASBench201Cell(options.stage_channels(stage), self.implementation))
        self.head = nn.Sequential(*map(_module, head(options, self.num_classes)))

    def forward(self, images: Tensor) -> Tensor:
        alphas = self.candidate_weights()[TABLE].unbind()
        skip_zero, by_node = self.skips_zero, self.relaxation == "gdas" and not self.has_path
        x = self.stem(images.contiguous(memory_format=torch.channels_last))
        for cell in self.cells:
            if not isinstance(cell, NASBench201Cell):
                x = cell(x)
            elif by_node:
                x = cell.forward_gdas(x, alphas)
            else:
                x = cell(x, alphas, skip_zero)
        logits: Tensor = self.head(x)
        return logits.flatten(1)

    def _derive(self, log_probabilities: LogProbabilities) -> Genotype:
        genotype: Genotype = log_probabilities[TABLE].argmax(axis=1).astype(np.uint8)
        return genotype

    def _sample(self, log_probabilities: LogProbabilities, n: int, draw: np.random.Generator) -> Genotypes:
        """Of every edge one candidate."""
        genotypes: Genotypes = ranked(log_probabilities[TABLE], n, draw).argmax(axis=2).astype(np.uint8)
        return genotypes

    def _path(self, genotype: Genotype) -> Mapping[str, npt.NDArray[np.float32]]:
        weights = np.zeros((len(EDGES), len(OPERATIONS)), np.float32)
        edges = live_edges(genotype.tolist())
        weights[edges, genotype[edges]] = 1
        return {TABLE: weights}

    def _allowed(self, space: Space) -> Mapping[str, npt.NDArray[np.bool_]]:
        mask = np.zeros((len(EDGES), len(OPERATIONS)), dtype=bool)
        for edge, allowed in enumerate(space.allowed):
            mask[edge, list(allowed)] = True
        return {TABLE: mask}

    def _modules_of(self, genotype: Genotype) -> Iterator[nn.Module | None]:
        yield self.stem
        for cell in self.cells:
            if isinstance(cell, NASBench201Cell):
                yield from cell.modules_of(genotype.tolist())
            else:
                yield cell
        yield from self.head

    def operators(self) -> dict[str, list[list[list[Operator]]]]:
        found: dict[str, list[Operator]] = {name: [] for name in OPERATIONS}
        options = NASBench201Options(**self.macro)
        _, height, width = self.input_shape
        for stage in range(STAGES):
            if stage > 0:
                height, width = -(-height // 2), -(-width // 2)
            channels = options.stage_channels(stage)
            for name in OPERATIONS[1:]:
                operator = ArchNode(name, channels, channels), (channels, height, width)
                found[name] += [operator] * options.cells_per_stage
        return {TABLE: [[list(operators) for operators in found.values()] for _ in EDGES]}


def live_edges(genes: Sequence[int]) -> list[int]:
    """The edges on a way from input to output without `none`: those that a derived network keeps.

    The others must not run: an operation behind nodes that are all zero is not zero in evaluation.
    """
    reached, needed = {0}, {NODES - 1}
    for (source, target), gene in zip(EDGES, genes, strict=True):
        if gene and source in reached:
            reached.add(target)
    for (source, target), gene in zip(reversed(EDGES), reversed(genes), strict=True):
        if gene and target in needed:
            needed.add(source)
    return [
        e
        for e, ((source, target), gene) in enumerate(zip(EDGES, genes, strict=True))
        if gene and source in reached and target in needed
    ]


def _module(node: ArchNode) -> nn.Module:
    """The module of a node outside the cells; a linear layer there follows a global pool."""
    return module_of(node, (node.input_channels, 1, 1))
