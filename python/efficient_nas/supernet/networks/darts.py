"""The supernet of DARTS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from efficient_nas.supernet.networks.drawing import pick
from efficient_nas.supernet.networks.edges import CellCall, MixedEdge
from efficient_nas.supernet.networks.gradient import GradientSupernet, Probabilities
from efficient_nas.supernet.networks.supernet import Operator, initialised
from efficient_nas.types import Genotype

CANDIDATES = ("none", *OPERATIONS)
EDGES = tuple((source, node) for node in NODES for source in range(node))
EDGE_NAMES = tuple(f"{source}->{node}" for source, node in EDGES)
# The first edge into every node.
FIRST = np.array([EDGES.index((0, node)) for node in NODES])


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


class DARTS(GradientSupernet):
    """The search network of DARTS (Liu et al. 2019, arXiv:1806.09055, section 2): images to logits.

    channels: of the nodes before the first reduction. layers: cells, at least 3. The genotype of a node is
    its two strongest edges by the largest probability of a candidate other than `none`, which `none` takes
    part in (section 2.4). Departure: a relaxation may be gumbel, or gdas (arXiv:1910.04465).
    A derived network has no norm behind its pools, as published; the supernet has one. So it computes the
    same with `subnet_state` only where no pool is chosen; otherwise it has to be trained.
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
        options = DARTSOptions(channels, layers)
        super().__init__(
            create("darts"),
            input_shape,
            num_classes,
            {"channels": channels, "layers": layers},
            dict.fromkeys(CELLS, (EDGE_NAMES, CANDIDATES)),
            relaxation=relaxation,
            seed=seed,
            implementation=implementation,
        )
        with initialised(seed):
            self._build(options)

    def _build(self, options: DARTSOptions) -> None:
        first = stem(options, self.input_shape)
        self.stem = candidates.create(
            first.operation, first.input_channels, first.output_channels, kernel_size=first.kernel_size
        )
        self.cells: Any = nn.ModuleList()
        channels = 0
        for layer in layers(options):
            self.cells.append(self._cell(layer))
            channels = len(NODES) * layer.channels
        self.pool = candidates.create("global_avg_pool", channels, channels)
        self.classifier = candidates.create("linear", channels, self.num_classes)

    def _cell(self, layer: Layer) -> nn.Module:
        return DARTSCell(layer, ops.sets.darts(), self.implementation)

    def forward(self, images: Tensor) -> Tensor:
        weights = self._cell_weights()
        skip_zero = self.skips_zero
        before = last = self.stem(images.contiguous(memory_format=torch.channels_last))
        for cell in self.cells:
            before, last = last, cell(before, last, *weights[cell.table], skip_zero)
        logits: Tensor = self.classifier(self.pool(last))
        return logits.flatten(1)

    def _cell_weights(self) -> dict[str, tuple[list[Tensor], Tensor | None]]:
        """Weights of candidates and of edges that cells are called with, by table."""
        weights = self.candidate_weights()
        return {table: ([*[rows.new_ones(1)] * 2, *rows.unbind()], None) for table, rows in weights.items()}

    def _derive(self, probabilities: Probabilities) -> Genotype:
        return np.concatenate([strongest_edges(probabilities[table]) for table in CELLS])

    def _sample(self, probabilities: Probabilities, n: int, draw: np.random.Generator) -> Genotypes:
        """Of every node two edges by their probability of not being `none`; then one candidate on each."""
        return np.concatenate([draw_cells(probabilities[table], n, draw) for table in CELLS], axis=1)

    def _path(self, genotype: Genotype) -> Mapping[str, npt.NDArray[np.float32]]:
        genes = genotype.reshape(len(CELLS), len(NODES), 2, 2)
        weights = np.zeros((len(CELLS), len(EDGES), len(CANDIDATES)), np.float32)
        edges = FIRST[:, None] + genes[..., 0]
        weights[np.arange(len(CELLS))[:, None, None], edges, genes[..., 1] + 1] = 1
        return dict(zip(CELLS, weights, strict=True))

    def _allowed(self, space: Space) -> Mapping[str, npt.NDArray[np.bool_]]:
        masks = {}
        for table in CELLS:
            mask = np.zeros((len(EDGES), len(CANDIDATES)), dtype=bool)
            mask[:, 0] = True
            for edge, (_, node) in enumerate(EDGES):
                for slot in "ab":
                    column = space.index(f"{table}/{node}/{slot}/operation")
                    mask[edge, [1 + option for option in space.allowed[column]]] = True
            masks[table] = mask
        return masks

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


def preprocessing(node: ArchNode) -> MixedEdge:
    """What adapts an input of a cell, as an edge of one candidate with a plain norm."""
    name = "skip_connect" if node.operation == "factorized_reduce" else node.operation
    return MixedEdge(MixedOpSpec((OpSpec(name),)), node.input_channels, node.output_channels, node.stride)


def mixed_edges(layer: Layer, spec: MixedOpSpec) -> Iterator[MixedEdge]:
    """The edges of a cell between its states of `layer.channels`."""
    for source, _ in EDGES:
        stride = 2 if layer.reduction and source < 2 else 1
        yield MixedEdge(spec, layer.channels, layer.channels, stride)


def strongest_edges(probabilities: npt.NDArray[np.float64]) -> Genotype:
    """The genes of a cell, uint8 [16]: of every node the two edges with the most probable candidate.

    probabilities [E, K], scaled by weights of edges where there are any; `none` is first and never chosen.
    Of equal edges and candidates the first wins.
    """
    best = probabilities[:, 1:].argmax(axis=1)
    strength = probabilities[:, 1:].max(axis=1)
    genes = []
    for node, first in zip(NODES, FIRST, strict=True):
        order = np.argsort(-strength[first : first + node], kind="stable")
        for source in sorted(order[:2].tolist()):
            genes += [source, best[first + source]]
    return np.array(genes, dtype=np.uint8)


def draw_cells(probabilities: npt.NDArray[np.float64], n: int, draw: np.random.Generator) -> Genotypes:
    """The genes of n cells, uint8 [n, 16]. probabilities [E, K] as in `strongest_edges`."""
    chosen = pick(np.broadcast_to(probabilities[:, 1:], (n, len(EDGES), len(OPERATIONS))), draw)
    # The two largest of log-probabilities with Gumbel noise are two draws without replacement.
    strength = np.log(probabilities[:, 1:].sum(axis=1)) + draw.gumbel(size=(n, len(EDGES)))
    genes = []
    for node, first in zip(NODES, FIRST, strict=True):
        pair = np.sort(np.argsort(-strength[:, first : first + node], axis=1)[:, :2], axis=1)
        operations = np.take_along_axis(chosen, pair + first, axis=1)
        genes.append(np.stack([pair, operations], axis=2).reshape(n, 4))
    return np.concatenate(genes, axis=1).astype(np.uint8)
