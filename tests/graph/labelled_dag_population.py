"""Batches of labelled DAGs with many isomorphic pairs, and what pynauty says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

WIDTH = 12
LAYERS = ((2, 3), (3, 2), (2, 4), (4, 2), (3, 3), (2, 5), (5, 2), (4, 3), (3, 4), (6, 2))  # width, depth


class Dags(NamedTuple):
    """adjacency uint8 [n, v, v], labels int32 [n, v], sizes int64 [n]."""

    adjacency: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]


def random_dags(n: int, rng: np.random.Generator) -> Dags:
    """3 to 12 vertices at any density, 1 to 3 labels; upper triangular."""
    density = rng.random((n, 1, 1))
    adjacency = np.triu(rng.random((n, WIDTH, WIDTH)) < density, 1).astype(np.uint8)
    sizes = rng.integers(3, WIDTH + 1, n)
    return _unpadded(Dags(adjacency, _labels(n, rng), sizes))


def regular_dags(n: int, rng: np.random.Generator) -> Dags:
    """Layers joined by one or two random permutations; half of the DAGs differ in one entry from that.

    All vertices of a layer look alike until the search takes one of them.
    """
    adjacency = np.zeros((n, WIDTH, WIDTH), np.uint8)
    labels, sizes = np.zeros((n, WIDTH), np.int32), np.zeros(n, np.int64)
    shape = rng.integers(0, len(LAYERS), n)
    for index, (width, depth) in enumerate(LAYERS):
        rows = np.flatnonzero(shape == index)
        sizes[rows] = width * depth
        labels[rows] = np.arange(WIDTH) // width % rng.integers(1, 3, (len(rows), 1))
        for layer in range(depth - 1):
            for _ in range(2):
                to = rng.random((len(rows), width)).argsort(1) + (layer + 1) * width
                source = np.broadcast_to(np.arange(width) + layer * width, to.shape)
                adjacency[rows[:, None], source, to] = 1
    changed = rng.random(n) < 0.5
    target = rng.integers(1, sizes)
    adjacency[changed, rng.integers(0, target)[changed], target[changed]] ^= 1
    return _unpadded(Dags(adjacency, labels, sizes))


def permuted(dags: Dags, rng: np.random.Generator) -> Dags:
    """The same DAGs with their vertices in another order, no longer upper triangular."""
    index = np.arange(dags.labels.shape[1])
    inside = index < dags.sizes[:, None]
    order = np.where(inside, rng.random(inside.shape), 1.0 + index).argsort(1)
    rows = np.arange(len(order))[:, None]
    return Dags(
        np.ascontiguousarray(dags.adjacency[rows[:, None], order[:, :, None], order[:, None, :]]),
        np.ascontiguousarray(dags.labels[rows, order]),
        dags.sizes,
    )


def population(n: int, seed: int) -> Dags:
    """n DAGs: a third random, a third regular, the rest permuted copies of them."""
    rng = np.random.default_rng(seed)
    third = n // 3
    parts = [random_dags(third, rng), regular_dags(third, rng)]
    both = Dags(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    chosen = rng.integers(0, 2 * third, n - 2 * third)
    copies = permuted(Dags(*(array[chosen] for array in both)), rng)
    return Dags(*(np.concatenate(arrays) for arrays in zip(both, copies, strict=True)))


def pynauty_keys(dags: Dags, pynauty: Any) -> Iterator[tuple[object, bytes]]:
    """Equal exactly for isomorphic DAGs: the labels, and the certificate with vertices coloured by them."""
    for adjacency, row, size in zip(dags.adjacency, dags.labels, dags.sizes.tolist(), strict=True):
        edges: dict[int, list[int]] = {}
        for source, target in np.argwhere(adjacency[:size, :size]).tolist():
            edges.setdefault(source, []).append(target)
        labels = row[:size].tolist()
        colours = [{v for v in range(size) if labels[v] == label} for label in sorted(set(labels))]
        graph = pynauty.Graph(size, directed=True, adjacency_dict=edges, vertex_coloring=colours)
        yield tuple(sorted(labels)), pynauty.certificate(graph)


def _labels(n: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    return rng.integers(0, rng.integers(1, 4, (n, 1)), (n, WIDTH)).astype(np.int32)


def _unpadded(dags: Dags) -> Dags:
    """No edges of padding; the padding's labels stay as they are, since nobody may read them."""
    inside = np.arange(WIDTH) < dags.sizes[:, None]
    return dags._replace(adjacency=dags.adjacency * inside[:, :, None] * inside[:, None, :])
