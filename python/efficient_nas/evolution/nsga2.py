"""Evolution towards the whole Pareto front."""

from __future__ import annotations

from efficient_nas import _core
from efficient_nas.evolution.base import Evolution
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, architecture_keys, compiled, count
from efficient_nas.evolution.fitness import Fitness
from efficient_nas.evolution.result import EvolutionResult
from efficient_nas.pareto.arguments import Maximize


class NSGA2(Evolution):
    """NSGA-II over the genotypes of a space (Deb et al. 2002), native apart from `evaluate`.

    Parents win binary tournaments by front and crowding distance; children come from uniform crossover
    (probability 0.9) and a mutation of one choice; the best `population_size` of parents and children
    survive. Departure from the paper: no architecture is evaluated twice.

    population_size: at least 2. maximize: which objectives are maximised, one bool or one each; None: none.
    duplicates: what is the same architecture: `graph` or `expression` (as `space.canonical_bytes` says), or
    only the same `genotype`. threads: for making children and for a native fitness; changes no result.
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
        spec = compiled("NSGA2", space)
        keys = architecture_keys("NSGA2", space, duplicates)
        native = _core.nsga2(spec, population_size, seed, keys)
        super().__init__(native, population_size, maximize, threads)

    def evolve(self, evaluate: Evaluate | Fitness, generations: int) -> EvolutionResult:
        """The population, from best to worst, after the initial one and `generations` batches of children.

        evaluate: a native `Fitness`, or uint8 [n, num_choices] -> float64 [n, m]; n is `population_size`, or
        less when the space holds little that is new. A row with a NaN or infinity has failed and ranks last.
        ValueError if the shape is another, or m changes; what was evaluated before is kept.
        A second call continues. It ends early when breeding and sampling find no new architecture.
        """
        return self._evolve(evaluate, count("NSGA2", "generations", generations), self._batch)
