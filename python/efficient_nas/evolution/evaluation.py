"""The boundary to the user's `evaluate` and to the space whose choices the native code draws from."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.errors import nearest
from efficient_nas.pareto.arguments import as_float64

Genotypes: TypeAlias = npt.NDArray[np.uint8]
Evaluate: TypeAlias = Callable[[Genotypes], npt.ArrayLike]
"""Genotypes uint8 [n, num_choices] in, values float64 [n, m] out; a NaN or infinity marks a failed row."""

DUPLICATES = ("graph", "expression", "genotype")


class NativeSpace(Protocol):
    """The part of `spaces.Space` that native evolution relies on."""

    @property
    def spec(self) -> _core.SpaceSpec: ...
    @property
    def cardinalities(self) -> npt.NDArray[np.uint8]: ...
    def canonical_form(self, kind: str = "graph") -> _core.CanonicalForm | None: ...
    def canonical_bytes(self, genotypes: Genotypes, kind: str = "graph") -> list[bytes]: ...


def compiled(where: str, space: NativeSpace) -> _core.SpaceSpec:
    """The compiled choices of `space`; TypeError if it has none."""
    spec = getattr(space, "spec", None)
    if not isinstance(spec, _core.SpaceSpec):
        raise TypeError(f"{where}: space must be a spaces.Space, got {space!r}")
    return spec


def architecture_keys(
    where: str, space: NativeSpace, duplicates: str
) -> _core.CanonicalForm | Callable[[Genotypes], list[bytes]]:
    """What makes genotypes the same architecture: a native form, or a callable where only Python knows."""
    if duplicates not in DUPLICATES:
        raise ValueError(
            f"{where}: duplicates must be one of {', '.join(DUPLICATES)}, "
            f"got {duplicates!r}{nearest(str(duplicates), DUPLICATES)}"
        )
    if duplicates == "genotype":
        return _core.genotype_form(len(space.cardinalities))
    form = space.canonical_form(duplicates)
    return form if form is not None else partial(space.canonical_bytes, kind=duplicates)


def count(where: str, name: str, value: int, least: int = 0, most: int = 2**63 - 1) -> int:
    """`value` as an int; TypeError unless it is a whole number, ValueError unless in [least, most]."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{where}: {name} must be an integer >= {least}, got {value!r}") from None
    if number < least:
        raise ValueError(f"{where}: {name} must be an integer >= {least}, got {number}")
    if number > most:
        raise ValueError(f"{where}: {name} must be an integer <= {most}, got {number}")
    return number


def check_callable(where: str, evaluate: object) -> None:
    """TypeError unless `evaluate` can be called."""
    if not callable(evaluate):
        raise TypeError(f"{where}: evaluate must be a callable or a native Fitness, got {evaluate!r}")


def as_values(
    where: str, returned: npt.ArrayLike, n: int | None, single: bool, name: str = "the result of evaluate"
) -> npt.NDArray[np.float64]:
    """A new float64 [n, m] of the values of n genotypes (None: any number); failed rows are all NaN.

    single: m is 1, and [n] will do.
    """
    array = as_float64(where, name, returned, "[n, m]")
    if n is not None and (array.ndim == 0 or len(array) != n):
        raise ValueError(
            f"{where}: {name} must have one row for each of the {n} genotypes, got shape {list(array.shape)}"
        )
    if single and array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0 or (single and array.shape[1] != 1):
        expected = "[n] or [n, 1]" if single else "[n, m] with m >= 1"
        raise ValueError(f"{where}: {name} must have shape {expected}, got {list(array.shape)}")
    values = array.copy()
    values[~np.isfinite(values).all(axis=1)] = np.nan
    return values
