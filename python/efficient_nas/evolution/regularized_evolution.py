"""Evolution in which the oldest member dies."""

from __future__ import annotations

from efficient_nas import _core
from efficient_nas.evolution.base import Evolution
from efficient_nas.evolution.evaluation import Evaluate, NativeSpace, compiled, count
from efficient_nas.evolution.fitness import Fitness
from efficient_nas.evolution.result import EvolutionResult


class RegularizedEvolution(Evolution):
    """Aging evolution over the genotypes of a space (Real et al. 2019, algorithm 1; arXiv:1802.01548).

    Each cycle mutates one choice of the best of `sample_size` members drawn with replacement; the child takes
    the place of the oldest member. One objective, minimised unless `maximize`. Native apart from `evaluate`.

    population_size: at least 1; sample_size: 1 to population_size. As in the paper, an architecture may be
    evaluated again.
    """

    def __init__(
        self, space: NativeSpace, population_size: int, sample_size: int, seed: int, maximize: bool = False
    ) -> None:
        spec = compiled("RegularizedEvolution", space)
        native = _core.regularized_evolution(spec, population_size, sample_size, seed)
        super().__init__(native, 1, maximize, single_objective=True)

    def evolve(self, evaluate: Evaluate | Fitness, cycles: int, batch: int = 1) -> EvolutionResult:
        """The population, from oldest to youngest, after the random one and `cycles` children.

        evaluate: a native `Fitness` of one objective, or uint8 [n, num_choices] -> float64 [n] or [n, 1]; NaN
        or infinity is a failed evaluation, which loses against any other. ValueError for another shape; what
        was evaluated before is kept.
        batch: children made from the same population and evaluated together; 1 is the paper's algorithm.
        A second call continues. The best of all is in `history`, as in the paper.
        """
        where = "RegularizedEvolution"
        cycles, batch = count(where, "cycles", cycles), count(where, "batch", batch, least=1)
        whole, rest = divmod(cycles, batch)
        result = self._evolve(evaluate, whole, batch)
        return self._evolve(evaluate, 1, rest) if rest else result
