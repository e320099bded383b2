"""Cells of the DARTS space: their edges as a supernet has them, and genes derived or drawn from those."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas.spaces import Space
from efficient_nas.spaces.darts import CELLS, NODES, OPERATIONS
from efficient_nas.spaces.space import Genotypes
from efficient_nas.supernet.networks.drawing import ranked
from efficient_nas.types import Genotype

CANDIDATES = ("none", *OPERATIONS)
EDGES = tuple((source, node) for node in NODES for source in range(node))
EDGE_NAMES = tuple(f"{source}->{node}" for source, node in EDGES)
# The first edge into every node.
FIRST = np.array([EDGES.index((0, node)) for node in NODES])


def path_weights(genotype: Genotype) -> dict[str, npt.NDArray[np.float32]]:
    """Of every cell [E, K]: 1 where an edge runs a candidate, 0 elsewhere."""
    genes = genotype.reshape(len(CELLS), len(NODES), 2, 2)
    weights = np.zeros((len(CELLS), len(EDGES), len(CANDIDATES)), np.float32)
    edges = FIRST[:, None] + genes[..., 0]
    weights[np.arange(len(CELLS))[:, None, None], edges, genes[..., 1] + 1] = 1
    return dict(zip(CELLS, weights, strict=True))


def allowed_candidates(space: Space) -> dict[str, npt.NDArray[np.bool_]]:
    """Of every cell [E, K]: `none`, and what one of a node's two inputs may be."""
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


def strongest_edges(log_probabilities: npt.NDArray[np.float64]) -> Genotype:
    """The genes of a cell, uint8 [16]: of every node the two edges with the most probable candidate.

    log_probabilities [E, K]: `none` is the first of K and never chosen. Of equal edges and candidates the
    first wins.
    """
    best = log_probabilities[:, 1:].argmax(axis=1)
    strength = log_probabilities[:, 1:].max(axis=1)
    genes = []
    for node, first in zip(NODES, FIRST, strict=True):
        order = np.argsort(-strength[first : first + node], kind="stable")
        for source in sorted(order[:2].tolist()):
            genes += [source, best[first + source]]
    return np.array(genes, dtype=np.uint8)


def draw_cells(log_probabilities: npt.NDArray[np.float64], n: int, draw: np.random.Generator) -> Genotypes:
    """The genes of n cells, uint8 [n, 16]; log_probabilities [E, K] as in `strongest_edges`."""
    chosen = ranked(log_probabilities[:, 1:], n, draw).argmax(axis=2)
    strength = ranked(np.logaddexp.reduce(log_probabilities[:, 1:], axis=1), n, draw)
    genes = []
    for node, first in zip(NODES, FIRST, strict=True):
        pair = np.sort(np.argsort(-strength[:, first : first + node], axis=1)[:, :2], axis=1)
        operations = np.take_along_axis(chosen, pair + first, axis=1)
        genes.append(np.stack([pair, operations], axis=2).reshape(n, 4))
    return np.concatenate(genes, axis=1).astype(np.uint8)
