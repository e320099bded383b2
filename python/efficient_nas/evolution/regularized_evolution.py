"""Evolution in which the oldest member dies."""

from __future__ import annotations

import numpy as np

from efficient_nas import _core, pareto
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, compiled, count, evaluated
from efficient_nas.evolution.result import EvolutionResult, History


class RegularizedEvolution:
    """Aging evolution over the genotypes of a space (Real et al. 2019, algorithm 1; arXiv:1802.01548).

    Each cycle mutates one choice of the best of `sample_size` members drawn with replacement; the child takes
    the place of the oldest member. One objective, minimised unless `maximize`. Native apart from `evaluate`.

    population_size: at least 1; sample_size: 1 to population_size. Draws depend on `seed` alone: the same
    seed, batch and `evaluate` give the same populations everywhere.
    """

    def __init__(
        self, space: NativeSpace, population_size: int, sample_size: int, seed: int, maximize: bool = False
    ) -> None:
        self._native = _core.RegularizedEvolution(
            compiled("RegularizedEvolution", space), population_size, sample_size, seed
        )
        if not isinstance(maximize, bool):
            raise TypeError(f"RegularizedEvolution: maximize must be a bool, got {maximize!r}")
        self._sign = -1.0 if maximize else 1.0
        self._started = False

    def evolve(self, evaluate: Evaluate, cycles: int, batch: int = 1) -> EvolutionResult:
        """The population, from oldest to youngest, after the random one and `cycles` children.

        evaluate: uint8 [n, num_choices] -> float64 [n] or [n, 1]; NaN or infinity is a failed evaluation,
        which loses against any other. ValueError for another shape; what was evaluated before is kept.
        batch: children made from the same population and evaluated together; 1 is the paper's algorithm.
        A second call continues. The best of all is in `history`, as in the paper.
        """
        where = "RegularizedEvolution"
        left = count(where, "cycles", cycles)
        if count(where, "batch", batch) == 0:
            raise ValueError(f"{where}: batch must be an integer >= 1, got 0")
        while left > 0 or not self._started:
            genotypes = self._native.ask(min(batch, left) if self._started else 1)
            values = evaluated(where, evaluate, genotypes)
            if values.shape not in {(len(genotypes),), (len(genotypes), 1)}:
                raise ValueError(
                    f"{where}: evaluate must return shape [n] or [n, 1], got {list(values.shape)}"
                )
            self._native.tell(self._sign * values.reshape(-1))
            left -= len(genotypes) if self._started else 0
            self._started = True
        return self._result()

    def _result(self) -> EvolutionResult:
        genotypes, minimised, _ = self._native.population()
        first = -self._native.oldest
        genotypes, minimised = np.roll(genotypes, first, axis=0), np.roll(minimised, first, axis=0)
        everything, values, generations = self._native.history()
        return EvolutionResult(
            population=genotypes,
            values=self._sign * minimised,
            fronts=pareto.nondominated_sort(minimised),
            history=History(everything, self._sign * values, generations),
        )
