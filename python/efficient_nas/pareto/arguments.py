"""Checks of the arguments that the functions of this room share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Maximize: TypeAlias = bool | Sequence[bool] | npt.NDArray[np.bool_] | None
"""Which objectives are maximised: one bool for all of them, or one each. None: all are minimised."""


def as_float64(where: str, name: str, array: npt.ArrayLike, shape: str) -> npt.NDArray[np.float64]:
    """`array` as C-contiguous float64; TypeError unless it holds real numbers that float64 can represent."""
    if isinstance(array, np.ndarray) and array.dtype == np.float64:
        return array if array.flags.c_contiguous else np.ascontiguousarray(array)
    try:
        given = np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{where}: {name} must be float64 {shape}: {error}") from None
    if given.size == 0 and not isinstance(array, np.ndarray):
        given = given.astype(np.float64)
    if given.dtype.kind not in "iuf" or not np.can_cast(given.dtype, np.float64, "safe"):
        raise TypeError(f"{where}: {name} must be float64 {shape}, got an array of dtype {given.dtype}")
    return given.astype(np.float64, order="C", copy=False)


def checked_maximize(where: str, maximize: Maximize) -> bool | npt.NDArray[np.bool_] | None:
    """A copy of `maximize`; TypeError unless it holds bools, ValueError unless it is one or a row of them."""
    if maximize is None or isinstance(maximize, bool):
        return maximize
    try:
        flags = np.array(maximize)
    except ValueError:  # rows of different lengths
        flags = np.array(None)
    if flags.dtype != np.bool_:
        raise TypeError(f"{where}: maximize must be bools, one for each column of values, got {maximize!r}")
    if flags.ndim > 1 or flags.size == 0:
        raise ValueError(
            f"{where}: maximize must be one bool, or one for each column of values, got {maximize!r}"
        )
    return flags


def column_signs(where: str, columns: int, maximize: Maximize) -> npt.NDArray[np.float64]:
    """The factor of every column that makes it one to be minimised: -1 where it is maximised."""
    checked = checked_maximize(where, maximize)
    if checked is None:
        return _all_minimised(columns)
    signs = np.ones(columns)
    flags = np.asarray(checked)
    if flags.shape not in {(), signs.shape}:
        raise ValueError(
            f"{where}: maximize must have shape [{columns}], one for each column of values, "
            f"got {list(flags.shape)}"
        )
    signs[np.broadcast_to(flags, signs.shape)] = -1.0
    return signs


@lru_cache(maxsize=64)
def _all_minimised(columns: int) -> npt.NDArray[np.float64]:
    """Ones, read-only; kept because a controller asks for them twice a trial."""
    signs = np.ones(columns)
    signs.flags.writeable = False
    return signs


def minimised(
    where: str, values: npt.ArrayLike, maximize: Maximize
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """`values` with maximised columns negated, and the sign of every column."""
    array = as_float64(where, "values", values, "[n, m]")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"{where}: values must have shape [n, m] with m >= 1, got {list(array.shape)}")
    signs = column_signs(where, array.shape[1], maximize)
    return (array if maximize is None else array * signs), signs
