"""Evolution towards the whole Pareto front."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas import _core, pareto
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, compiled, count, evaluated
from efficient_nas.evolution.result import EvolutionResult, History
from efficient_nas.pareto.arguments import Maximize, column_signs


class NSGA2:
    """NSGA-II over the genotypes of a space (Deb et al. 2002), native apart from `evaluate`.

    Parents win binary tournaments by front and crowding distance; children come from uniform crossover
    (probability 0.9) and a mutation of one choice; the best `population_size` of parents and children
    survive. Departure from the paper: no architecture (by `space.canonical_bytes`) is evaluated twice.

    population_size: at least 2. maximize: which objectives are maximised, one bool or one each; None: none.
    Draws depend on `seed` alone: the same seed and `evaluate` give the same populations everywhere.
    """

    def __init__(
        self, space: NativeSpace, population_size: int, seed: int, maximize: Maximize = None
    ) -> None:
        self._native = _core.Nsga2(compiled("NSGA2", space), population_size, seed)
        self._space = space
        self._maximize = maximize
        self._started = False

    def evolve(self, evaluate: Evaluate, generations: int) -> EvolutionResult:
        """The population, from best to worst, after the initial one and `generations` batches of children.

        evaluate: uint8 [n, num_choices] -> float64 [n, m]; n is `population_size`, or less when the space
        holds little that is new. A row with a NaN or infinity has failed and ranks last. ValueError if the
        shape is another, or m changes; what was evaluated before is kept.
        A second call continues. It ends early when breeding and sampling find no new architecture.
        """
        batches = count("NSGA2", "generations", generations) + (0 if self._started else 1)
        for _ in range(batches):
            genotypes = self._native.ask(self._space.canonical_bytes)
            if len(genotypes) == 0:
                break
            values = evaluated("NSGA2", evaluate, genotypes)
            if values.ndim != 2 or values.shape[1] == 0:
                raise ValueError(
                    f"NSGA2: evaluate must return shape [n, m] with m >= 1, got {list(values.shape)}"
                )
            self._native.tell(values * self._signs(values.shape[1]))
            self._started = True
        return self._result()

    def _signs(self, objectives: int) -> npt.NDArray[np.float64]:
        return column_signs("NSGA2", objectives, self._maximize)

    def _result(self) -> EvolutionResult:
        genotypes, minimised, _ = self._native.population()
        signs = self._signs(minimised.shape[1])
        everything, values, generations = self._native.history()
        return EvolutionResult(
            population=genotypes,
            values=minimised * signs,
            fronts=pareto.nondominated_sort(minimised),
            history=History(everything, values * signs, generations),
        )
