"""The hypervolume indicator."""

from __future__ import annotations

import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.pareto.arguments import Maximize, as_float64, minimised


def hypervolume(values: npt.ArrayLike, reference: npt.ArrayLike, maximize: Maximize = None) -> float:
    """Volume that the rows of `values` [n, m] dominate, bounded by `reference` [m]; 0.0 without rows.

    Objectives are minimised unless `maximize` (one bool, or one a column) says otherwise; the reference is
    given in the same direction. Rows that are not better than it in every objective add nothing, nor do rows
    with a NaN. The result is infinite if a row is infinitely better. ValueError for a reference that is not
    finite.

    Two objectives: a sweep. Three: HV3D (Fonseca et al. 2006), O(n log n). Four to eight: cells, simplified
    as in Chan 2013 and cut at the largest box in them, as in quick hypervolume (Russo and Francisco 2014).
    More: WFG (While et al. 2012). From four on, the time grows steeply with m.
    """
    array, signs = minimised("hypervolume", values, maximize)
    bound = as_float64("hypervolume", "reference", reference, "[m]")
    if bound.shape != signs.shape:
        raise ValueError(
            f"hypervolume: reference must have shape [{len(signs)}], one for each column of values, "
            f"got {list(bound.shape)}"
        )
    return _core.hypervolume(array, bound * signs)
