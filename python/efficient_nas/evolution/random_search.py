"""The control arm of an evolution."""

from __future__ import annotations

from efficient_nas import _core
from efficient_nas.evolution.base import Evolution
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, architecture_keys, compiled, count
from efficient_nas.evolution.fitness import Fitness
from efficient_nas.evolution.result import EvolutionResult
from efficient_nas.pareto.arguments import Maximize


class RandomSearch(Evolution):
    """Random genotypes, none twice, of which the best `population_size` are kept as NSGA-II keeps them.

    Arguments as `NSGA2` has them: the same algorithm without breeding.
    """

    def __init__(
        self,
        space: NativeSpace,
        population_size: int,
        seed: int,
        maximize: Maximize = None,
        duplicates: str = "graph",
        threads: int = 1,
    ) -> None:
        spec = compiled("RandomSearch", space)
        keys = architecture_keys("RandomSearch", space, duplicates)
        native = _core.random_search(spec, population_size, seed, keys)
        super().__init__(native, population_size, maximize, threads)

    def evolve(self, evaluate: Evaluate | Fitness, generations: int) -> EvolutionResult:
        """The best after `population_size` random genotypes and `generations` times as many more.

        evaluate: as `NSGA2.evolve` takes it. A second call continues.
        """
        return self._evolve(evaluate, count("RandomSearch", "generations", generations), self._batch)
