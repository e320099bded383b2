"""The simplest search that is hard to beat on small spaces."""

from __future__ import annotations

from efficient_nas import _core
from efficient_nas.evolution.base import Evolution
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, architecture_keys, compiled, count
from efficient_nas.evolution.fitness import Fitness
from efficient_nas.evolution.result import EvolutionResult


class LocalSearch(Evolution):
    """Local search over the genotypes of a space (White et al. 2021, arXiv:2005.02960), one objective.

    From the best of `initial_size` random genotypes to better neighbours (one choice changed), in random
    order, until there is none; then again from a random genotype. Departures from the paper: no architecture
    is evaluated twice, and the search restarts instead of ending. Minimises unless `maximize`.

    duplicates, threads: as `NSGA2` has them.
    """

    def __init__(
        self,
        space: NativeSpace,
        seed: int,
        initial_size: int = 10,
        maximize: bool = False,
        duplicates: str = "graph",
        threads: int = 1,
    ) -> None:
        spec = compiled("LocalSearch", space)
        keys = architecture_keys("LocalSearch", space, duplicates)
        native = _core.local_search(spec, initial_size, seed, keys)
        super().__init__(native, 1, maximize, threads, single_objective=True)

    def evolve(self, evaluate: Evaluate | Fitness, steps: int, batch: int = 1) -> EvolutionResult:
        """Where each climb has ended, the present one last, after the initial genotypes and `steps` batches.

        evaluate: a native `Fitness` of one objective, or uint8 [n, num_choices] -> float64 [n] or [n, 1].
        batch: neighbours evaluated together before the search moves: 1 moves to the first better one, all of
        them to the best. A second call continues; it ends early when the space holds nothing new.
        The best of all is in `history`.
        """
        where = "LocalSearch"
        return self._evolve(evaluate, count(where, "steps", steps), count(where, "batch", batch, least=1))
