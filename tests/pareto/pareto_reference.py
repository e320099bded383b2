"""The definitions, as slow as they are plain."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def dominates(a: Values, b: Values) -> bool:
    return bool(np.all(a <= b) and np.any(a < b))


def nondominated_sort(values: Values) -> npt.NDArray[np.int32]:
    """Peels off the rows that no remaining row dominates, O(n^2 m) a front; rows with a NaN at the end."""
    fronts = np.full(len(values), -1, dtype=np.int32)
    left = [i for i in range(len(values)) if not np.isnan(values[i]).any()]
    number = 0
    while left:
        peeled = [i for i in left if not any(dominates(values[j], values[i]) for j in left)]
        fronts[peeled] = number
        left = [i for i in left if i not in peeled]
        number += 1
    fronts[fronts == -1] = number
    return fronts


def crowding_distance(values: Values) -> Values:
    """Of distinct rows without ties in an objective (Deb et al. 2002, section III-B)."""
    n, m = values.shape
    distance = np.zeros(n)
    for objective in range(m):
        order = np.argsort(values[:, objective], kind="stable")
        column = values[order, objective]
        distance[order[[0, -1]]] = np.inf
        distance[order[1:-1]] += (column[2:] - column[:-2]) / (column[-1] - column[0])
    return distance


def hypervolume(values: Values, reference: Values) -> Fraction:
    """Exact: cuts space into the grid of all coordinates and adds the cells that some row dominates."""
    rows = [row for row in values if np.all(row < reference)]
    axes = [
        sorted({Fraction(row[k]) for row in rows} | {Fraction(reference[k])}) for k in range(len(reference))
    ]
    volume = Fraction(0)
    for cell in product(*(pairwise(axis) for axis in axes)):
        if any(all(Fraction(x) <= low for x, (low, _) in zip(row, cell, strict=True)) for row in rows):
            size = Fraction(1)
            for low, high in cell:
                size *= high - low
            volume += size
    return volume
