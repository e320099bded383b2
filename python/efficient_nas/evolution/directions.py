"""Reference directions, and the survivors that NSGA-III chooses by them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.pareto.arguments import Maximize, as_float64, column_signs, minimised


def reference_directions(
    objectives: int, partitions: int, inner_partitions: int = 0
) -> npt.NDArray[np.float64]:
    """Directions float64 [count, objectives] spread evenly over the unit simplex, in a fixed order.

    All points with coordinates i / partitions, C(partitions + objectives - 1, partitions) of them (Das and
    Dennis 1998). With `inner_partitions`, a second such grid of half the size around the centre follows, less
    the points that the first has too (Deb and Jain 2014, section IV-D): from about 8 objectives on, one grid
    is too large or has no inner points.
    ValueError for counts below 1 (inner_partitions: 0), or more than ten million directions.
    """
    return _core.reference_directions(objectives, partitions, inner_partitions)


def as_directions(where: str, directions: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """`directions` as C-contiguous float64 [number, m]; ValueError for another shape, or no row."""
    array = as_float64(where, "directions", directions, "[number, m]")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{where}: directions must have shape [number, m] with number >= 1 and m >= 1, "
            f"got {list(array.shape)}"
        )
    return array


class ReferenceSelection:
    """Survivors by reference directions, as in NSGA-III (Deb and Jain 2014, algorithms 1 to 4).

    directions: float64 [number, m], at least 0 with a positive coordinate in each row, of any length; see
    `reference_directions`. maximize: which objectives are maximised, one bool or one each; None: none.

    Keeps the ideal point and the extreme points of all generations given to `select`. Departures: extreme
    points are sought among the first front and relative to its range, so that units do not matter; if no
    plane through them cuts all axes, the worst values of the first front take its place.
    """

    def __init__(self, directions: npt.ArrayLike, maximize: Maximize = None) -> None:
        array = as_directions("ReferenceSelection", directions)
        self._native = _core.ReferenceSelection(array)
        column_signs("ReferenceSelection", array.shape[1], maximize)
        self._maximize = maximize

    def select(self, values: npt.ArrayLike, count: int, seed: int) -> npt.NDArray[np.int64]:
        """Rows int64 [min(count, n)] of `values` [n, m] that survive, best fronts first.

        Fronts survive whole as long as they fit; of the next one those that fill the directions which have
        fewest members. Rows with a NaN or an infinity come last. Draws depend on `seed` alone.
        ValueError unless m is that of the directions.
        """
        array, _ = minimised("ReferenceSelection", values, self._maximize)
        return self._native.select(array, count, seed)
