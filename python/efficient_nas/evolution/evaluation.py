"""The boundary to the user's `evaluate` and to the space whose choices the native code draws from."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.pareto.arguments import as_float64

Evaluate: TypeAlias = Callable[[npt.NDArray[np.uint8]], npt.ArrayLike]
"""Genotypes uint8 [n, num_choices] in, values float64 [n, m] out; a NaN or infinity marks a failed row."""


class NativeSpace(Protocol):
    """The part of `spaces.Space` that native evolution relies on."""

    @property
    def spec(self) -> _core.SpaceSpec: ...
    def canonical_bytes(self, genotypes: npt.NDArray[np.uint8], kind: str = "graph") -> list[bytes]: ...


def compiled(where: str, space: NativeSpace) -> _core.SpaceSpec:
    """The compiled choices of `space`; TypeError if it has none."""
    spec = getattr(space, "spec", None)
    if not isinstance(spec, _core.SpaceSpec):
        raise TypeError(f"{where}: space must be a spaces.Space, got {space!r}")
    return spec


def count(where: str, name: str, value: int) -> int:
    """`value` as an int; TypeError unless it is a whole number, ValueError if it is negative."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{where}: {name} must be an integer >= 0, got {value!r}") from None
    if number < 0:
        raise ValueError(f"{where}: {name} must be an integer >= 0, got {number}")
    return number


def evaluated(where: str, evaluate: Evaluate, genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """What `evaluate` returns for genotypes [n, num_choices]: a new float64 [n, ...], failed rows all NaN."""
    n = len(genotypes)
    returned = as_float64(where, "the result of evaluate", evaluate(genotypes), "[n, m]")
    if returned.ndim == 0 or len(returned) != n:
        raise ValueError(
            f"{where}: evaluate must return one row for each of the {n} genotypes, "
            f"got shape {list(returned.shape)}"
        )
    values = returned.copy()
    values[~np.isfinite(returned).all(axis=tuple(range(1, returned.ndim)))] = np.nan
    return values
