"""What an evolution returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from efficient_nas import _core, pareto
from efficient_nas.pareto.arguments import Maximize, as_float64, column_signs


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Evaluated genotypes, in the order of their evaluation.

    genotypes: uint8 [n, num_choices]. values: float64 [n, m] as `evaluate` returned them, NaN where it
    failed. generations: int32 [n], 0 for the initial population, then one number for each batch.
    """

    genotypes: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float64]
    generations: npt.NDArray[np.int32]


class EvolutionResult:
    """The population when it was asked for, and the way there.

    population: uint8 [p, num_choices]. values: float64 [p, m] as `evaluate` returned them, NaN where it
    failed. fronts: int32 [p], 0 is best, failed members last.
    """

    def __init__(self, native: _core.Evolution, maximize: Maximize) -> None:
        self.population, self._minimised = native.population()
        self.fronts = pareto.nondominated_sort(self._minimised) if self._minimised.size else _no_fronts()
        objectives = self._minimised.shape[1]
        # Before anything was told there are no objectives yet.
        self._signs = column_signs("evolution", objectives, maximize) if objectives else np.ones(0)
        self.values = self._minimised * self._signs
        self._native = native
        self._evaluated = native.told

    def __getstate__(self) -> dict[str, object]:
        state = {"history": self.history, **self.__dict__}  # instead of the search that it comes from
        del state["_native"]
        return state

    @cached_property
    def history(self) -> History:
        """Everything evaluated up to then; copied at the first access."""
        genotypes, values, generations = self._native.history(self._evaluated)
        return History(genotypes, values * self._signs, generations)

    @cached_property
    def archive(self) -> History:
        """What nothing evaluated dominates, failed evaluations left out; found at the first access."""
        history = self.history
        kept = np.flatnonzero(self._front(history.values * self._signs))
        return History(history.genotypes[kept], history.values[kept], history.generations[kept])

    def hypervolume(self, reference: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Of everything evaluated up to each generation, float64 [generations]: the progress of the search.

        reference [m]: in the sense of `values`; it bounds the volume.
        """
        bound = as_float64("hypervolume", "reference", reference, "[m]")
        m = len(self._signs)
        if bound.ndim != 1 or m not in (0, len(bound)):
            raise ValueError(
                f"hypervolume: reference must have shape [{m or 'm'}], one for each objective, "
                f"got {list(bound.shape)}"
            )
        if not np.isfinite(bound).all():
            raise ValueError(f"hypervolume: reference must be finite, got {bound.tolist()}")
        if m == 0:
            return np.empty(0)
        bound = bound * self._signs
        history = self.history
        generations = int(history.generations.max(initial=-1)) + 1
        ends = np.searchsorted(history.generations, np.arange(generations), side="right")
        front = np.empty((0, len(self._signs)))
        volumes = np.empty(len(ends))
        for generation, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
            candidates = np.concatenate([front, history.values[begin:end] * self._signs])
            front = candidates[self._front(candidates)]
            volumes[generation] = pareto.hypervolume(front, bound) if len(front) else 0.0
        return volumes

    @staticmethod
    def _front(minimised: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        if minimised.size == 0:
            return np.empty(0, dtype=np.bool_)
        return pareto.is_nondominated(minimised)  # failed rows are not


def _no_fronts() -> npt.NDArray[np.int32]:
    return np.empty(0, dtype=np.int32)
