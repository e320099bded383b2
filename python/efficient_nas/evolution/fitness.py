"""Fitness functions that native code evaluates itself: `evolve` then runs without touching Python objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.evolution.evaluation import NativeSpace, compiled
from efficient_nas.pareto.arguments import as_float64


class Fitness:
    """Objectives of the genotypes of one space, evaluated in native code. Also a plain batch callable."""

    def __init__(self, space: NativeSpace, native: _core.Fitness) -> None:
        self.native = native
        self._spec = compiled(type(self).__name__, space)
        native.check(self._spec)

    @property
    def num_objectives(self) -> int:
        """Number of values of each genotype."""
        return self.native.num_objectives

    def __call__(self, genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Values float64 [n, num_objectives] of genotypes uint8 [n, num_choices]; ValueError if not valid."""
        return self.native.evaluate(self._spec, genotypes)


class AdditiveFitness(Fitness):
    """Every option of every choice adds an amount to each objective: an operator table, a linear predictor.

    amounts: float64 [num_choices, options, num_objectives], options at least the largest cardinality; finite
    but for entries beyond a choice's own options or not allowed there, which are never read. Every fourth
    choice is summed up, then (0 + 1) + (2 + 3).
    """

    def __init__(self, space: NativeSpace, amounts: npt.ArrayLike) -> None:
        array = as_float64("AdditiveFitness", "amounts", amounts, "[num_choices, options, num_objectives]")
        if array.ndim != 3:
            raise ValueError(
                "AdditiveFitness: amounts must have shape [num_choices, options, num_objectives], "
                f"got {list(array.shape)}"
            )
        super().__init__(space, _core.AdditiveFitness(array))


class TableFitness(Fitness):
    """Values of all genotypes of a space without conditions, looked up: a tabular benchmark.

    values: float64 [product of the cardinalities, m] or [.., ] for one objective; row r belongs to the r-th
    genotype in lexicographic order, which is that of `space.enumerate()`. NaN: the evaluation fails.
    """

    def __init__(self, space: NativeSpace, values: npt.ArrayLike) -> None:
        array = as_float64("TableFitness", "values", values, "[genotypes, m]")
        if array.ndim == 1:
            array = array[:, None]
        compiled("TableFitness", space)
        sizes = [int(size) for size in space.cardinalities]
        rows = int(np.prod(sizes, dtype=object))
        if array.ndim != 2 or array.shape[1] == 0 or len(array) != rows:
            raise ValueError(
                f"TableFitness: values must have shape [{rows}, m], a row for each combination of options, "
                f"got {list(array.shape)}"
            )
        super().__init__(space, _core.TableFitness(sizes, array))


class CostSpace(NativeSpace, Protocol):
    """A space that sums the costs of its networks in native code: the built-in ones."""

    def cost_tables(
        self, input_shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 10, **macro: Any
    ) -> _core.CostTables: ...


class CostFitness(Fitness):
    """Costs of the networks of a built-in space as objectives, in the order of `metrics`.

    metrics: of macs, params, peak_activation_bytes. The rest as `space.costs` takes it.
    """

    def __init__(
        self,
        space: CostSpace,
        metrics: Sequence[str] = ("macs",),
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        **macro: Any,
    ) -> None:
        if not hasattr(space, "cost_tables"):
            raise TypeError(
                f"CostFitness: space must be a built-in space, whose costs are native, got {space!r}; "
                "use a callable that asks space.costs"
            )
        if isinstance(metrics, str) or not isinstance(metrics, Sequence):
            raise TypeError(f"CostFitness: metrics must be a sequence of names, got {metrics!r}")
        for metric in metrics:
            if not isinstance(metric, str):
                raise TypeError(f"CostFitness: metrics must be names, got {metric!r}")
        tables = space.cost_tables(input_shape, num_classes, **macro)
        super().__init__(space, _core.CostFitness(tables, list(metrics)))


class JoinedFitness(Fitness):
    """The objectives of several fitness functions for the same space, one after the other."""

    def __init__(self, space: NativeSpace, parts: Sequence[Fitness]) -> None:
        if not isinstance(parts, Sequence):
            raise TypeError(f"JoinedFitness: parts must be a sequence of Fitness objects, got {parts!r}")
        for part in parts:
            if not isinstance(part, Fitness):
                raise TypeError(f"JoinedFitness: parts must be Fitness objects, got {part!r}")
        super().__init__(space, _core.JoinedFitness([part.native for part in parts]))
