"""Evolution towards the Pareto front of many objectives."""

from __future__ import annotations

import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.evolution.base import Evolution
from efficient_nas.evolution.directions import as_directions
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, architecture_keys, compiled, count
from efficient_nas.evolution.fitness import Fitness
from efficient_nas.evolution.result import EvolutionResult
from efficient_nas.pareto.arguments import Maximize, column_signs


class NSGA3(Evolution):
    """NSGA-III over the genotypes of a space (Deb and Jain 2014), native apart from `evaluate`.

    With four objectives and more nearly all members are non-dominated, and crowding says little: survivors
    are those that fill reference directions evenly (`ReferenceSelection`, which names its departures).
    Parents are drawn without preference; children are made as in `NSGA2`. No architecture is evaluated twice.

    population_size: at least 2; about the number of directions. directions: float64 [number, m], as
    `reference_directions` makes them, on the scale of minimised objectives that reach from 0 (best) to 1.
    maximize: which objectives are maximised, one bool or one each; None: none.
    duplicates: what is the same architecture: `graph` or `expression` (as `space.canonical_bytes` says), or
    only the same `genotype`. threads: for making children and for a native fitness; changes no result.
    """

    def __init__(
        self,
        space: NativeSpace,
        population_size: int,
        seed: int,
        directions: npt.ArrayLike,
        maximize: Maximize = None,
        duplicates: str = "graph",
        threads: int = 1,
    ) -> None:
        spec = compiled("NSGA3", space)
        keys = architecture_keys("NSGA3", space, duplicates)
        array = as_directions("NSGA3", directions)
        native = _core.nsga3(spec, population_size, seed, array, keys)
        column_signs("NSGA3", array.shape[1], maximize)
        super().__init__(native, population_size, maximize, threads)

    def evolve(self, evaluate: Evaluate | Fitness, generations: int) -> EvolutionResult:
        """The population, best fronts first, after the initial one and `generations` batches of children.

        evaluate: a native `Fitness`, or uint8 [n, num_choices] -> float64 [n, m]; n is `population_size`, or
        less when the space holds little that is new. A row with a NaN or infinity has failed and comes last.
        ValueError unless m is that of the directions; what was evaluated before is kept.
        A second call continues. It ends early when breeding and sampling find no new architecture.
        """
        return self._evolve(evaluate, count("NSGA3", "generations", generations), self._batch)
