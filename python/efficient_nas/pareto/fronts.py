"""Fronts of points under Pareto dominance, and the total order that follows from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.pareto.arguments import Maximize, as_float64, minimised


def nondominated_sort(values: npt.ArrayLike, maximize: Maximize = None) -> npt.NDArray[np.int32]:
    """Front number int32 [n] of every row, 0 is best.

    values: float64 [n, m], m >= 1, minimised unless `maximize` (one bool, or one a column) says otherwise.
    A row's front is 0 if no row dominates it, else one more than the highest front among its dominators.
    Equal rows share a front. Infinities are ordinary values. Every row with a NaN belongs to one last front,
    behind all others, and dominates nothing.

    One and two objectives: sweeps, O(n log n) (Jensen 2003). Three: staircases (ENS-BS, Zhang et al. 2015).
    More, and where staircases get long: divide and conquer, O(n log^(m-1) n) (Buzdalov and Shalyto 2014).
    """
    array, _ = minimised("nondominated_sort", values, maximize)
    return _core.nondominated_sort(array)


def is_nondominated(values: npt.ArrayLike, maximize: Maximize = None) -> npt.NDArray[np.bool_]:
    """Whether no other row dominates the row, bool [n]; False for rows with a NaN.

    values: float64 [n, m], m >= 1, minimised unless `maximize` says otherwise. Equal rows do not dominate
    each other.
    """
    array, _ = minimised("is_nondominated", values, maximize)
    return _core.is_nondominated(array)


def crowding_distance(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Crowding distance float64 [n] of every row within `values` [n, m], taken as one front.

    For each objective: the distance between a row's two neighbours over the objective's range, infinite for
    its extremes; summed over objectives (Deb et al. 2002, section III-B). Whether an objective is minimised
    or maximised makes no difference. Departures, so that the order of the rows does not matter: equal values
    of one objective are ordered by the whole rows; of equal rows the first counts and the others get 0; an
    objective in which all rows are equal adds nothing; one or two distinct rows are extremes. Infinite values
    are left out of an objective's range. Rows with a NaN get 0.
    """
    array, _ = minimised("crowding_distance", values, None)
    return _core.crowding_distance(array)


def rank(
    values: npt.ArrayLike,
    violation: npt.ArrayLike | None = None,
    failed: npt.ArrayLike | None = None,
    maximize: Maximize = None,
) -> npt.NDArray[np.int64]:
    """Position int64 [n] of every row in the order from best (0) to worst (n - 1).

    values: float64 [n, m]. violation: float64 [n], how far constraints are missed, 0 when feasible.
    failed: bool [n]; a row with a NaN counts as failed.
    Less violation comes first; then the front among the rows of equal violation; then the larger crowding
    distance; then the lower index. Failed rows come last, by index. This is the constrained domination of
    Deb et al. 2002, section VI, with crowding.
    """
    array, _ = minimised("rank", values, maximize)
    n = len(array)
    missed = np.zeros(n) if violation is None else as_float64("rank", "violation", violation, "[n]")
    flags = np.zeros(n, dtype=np.bool_) if failed is None else np.ascontiguousarray(failed)
    if flags.dtype != np.bool_ and flags.size > 0:
        raise TypeError(f"rank: failed must be bool [n], got an array of dtype {flags.dtype}")
    for name, given in (("violation", missed), ("failed", flags)):
        if given.shape != (n,):
            raise ValueError(
                f"rank: {name} must have shape [{n}], one for each row of values, got {list(given.shape)}"
            )
    return _core.pareto_rank(array, missed, flags.astype(np.bool_, copy=False))
