"""Evolution in several populations that exchange their best."""

from __future__ import annotations

from efficient_nas import _core
from efficient_nas.evolution.base import Evolution
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, architecture_keys, compiled, count
from efficient_nas.evolution.fitness import Fitness
from efficient_nas.evolution.result import EvolutionResult
from efficient_nas.pareto.arguments import Maximize


class Islands(Evolution):
    """NSGA-II on islands in a ring (Cantu-Paz 1998, "A survey of parallel genetic algorithms").

    Each island breeds as `NSGA2` does. Every `migration_interval` generations the best `migrants` members of
    each are copied to the next island, in the place of its worst. No architecture is evaluated twice,
    whichever island finds it; children of all islands are evaluated together.

    islands: at least 2. population_size: of each island, at least 2. migrants: at most half of it.
    The rest as `NSGA2` has it.
    """

    def __init__(
        self,
        space: NativeSpace,
        islands: int,
        population_size: int,
        seed: int,
        migration_interval: int = 10,
        migrants: int = 2,
        maximize: Maximize = None,
        duplicates: str = "graph",
        threads: int = 1,
    ) -> None:
        spec = compiled("Islands", space)
        keys = architecture_keys("Islands", space, duplicates)
        native = _core.islands(spec, islands, population_size, migration_interval, migrants, seed, keys)
        super().__init__(native, islands * population_size, maximize, threads)

    def evolve(self, evaluate: Evaluate | Fitness, generations: int) -> EvolutionResult:
        """The members of all islands, from best to worst, after the initial ones and `generations` more.

        evaluate: as `NSGA2.evolve` takes it, n up to islands * population_size. A second call continues.
        """
        return self._evolve(evaluate, count("Islands", "generations", generations), self._batch)
