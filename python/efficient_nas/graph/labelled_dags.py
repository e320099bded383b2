"""Canonical forms of cells given as matrices: adjacency and one label a vertex, as NAS-Bench-101 has them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from efficient_nas import _core

_Integer = TypeVar("_Integer", np.uint8, np.int32, np.int64)


def dag_canonical_bytes(
    adjacency: npt.ArrayLike,
    labels: npt.ArrayLike,
    sizes: npt.ArrayLike | None = None,
    prune: bool = False,
) -> list[bytes]:
    """Bytes of each labelled DAG, equal exactly when two are isomorphic, labels and directions respected.

    adjacency: bool or integers 0 and 1 [n, v, v], v <= 64; entry (a, b) is an edge from vertex a to vertex b.
    It need not be upper triangular. labels: integers [n, v] that fit int32, e.g. the index of an operation.
    sizes: integers [n]; DAG i consists of its first sizes[i] vertices (default v), the rest is padding, whose
    adjacency is 0 or 1 as well. prune: leave out vertices that are on no path from the first vertex to the
    last one, as NAS-Bench-101 does (Ying et al. 2019, arXiv:1902.09635, section 2.2); without any such path
    nothing is left, and all such DAGs are equal.

    The bytes of two calls may be compared. ValueError for wrong shapes, other entries, and, with its row, a
    cycle, also one that would be pruned; TypeError for other dtypes.

    Vertices are ordered by the longest path that ends in them and by fingerprints of what is above and below
    them. What is still tied then, unless by twins, is ordered by individualisation and refinement (McKay and
    Piperno 2014).
    """
    return _core.dag_canonical_bytes(*_arguments("dag_canonical_bytes", adjacency, labels, sizes, prune))


def dag_canonical_hash(
    adjacency: npt.ArrayLike,
    labels: npt.ArrayLike,
    sizes: npt.ArrayLike | None = None,
    prune: bool = False,
) -> npt.NDArray[np.uint64]:
    """64-bit hash uint64 [n] of `dag_canonical_bytes`: an index only, equality is decided on the bytes.

    Fastest with C-contiguous bool or uint8 `adjacency` and int32 `labels`, which are not copied.
    """
    return _core.dag_canonical_hash(*_arguments("dag_canonical_hash", adjacency, labels, sizes, prune))


def _arguments(
    where: str,
    adjacency: npt.ArrayLike,
    labels: npt.ArrayLike,
    sizes: npt.ArrayLike | None,
    prune: bool,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32], npt.NDArray[np.int64] | None, bool]:
    if not isinstance(prune, bool):
        raise TypeError(f"{where}: prune must be a bool, got {prune!r}")
    return (
        _integers(f"{where}: adjacency", adjacency, "[n, v, v]", np.uint8, "0 or 1"),
        _integers(f"{where}: labels", labels, "[n, v]", np.int32, "in [-2^31, 2^31)"),
        None if sizes is None else _integers(f"{where}: sizes", sizes, "[n]", np.int64, "in [0, v]"),
        prune,
    )


def _integers(
    where: str, value: npt.ArrayLike, shape: str, dtype: type[_Integer], allowed: str
) -> npt.NDArray[_Integer]:
    """`value` as a C-contiguous array of this dtype and with the axes of `shape`; bools only as uint8."""
    try:
        given = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{where} must be integers {shape}: {error}") from None
    if given.ndim != shape.count(",") + 1:
        raise ValueError(f"{where} must have shape {shape}, got {list(given.shape)}")
    if dtype is np.uint8 and given.dtype == np.bool_:
        given = given.astype(dtype)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{where} must be integers {shape}, got an array of dtype {given.dtype}")
    limits = np.iinfo(dtype)
    if not np.can_cast(given.dtype, dtype, "safe") and given.size > 0:
        for extreme in (given.min(), given.max()):
            if not limits.min <= int(extreme) <= limits.max:
                row = int(np.argwhere(given == extreme)[0, 0])
                raise ValueError(f"{where} must be {allowed}, got {extreme} in row {row}")
    return given.astype(dtype, order="C", copy=False)
