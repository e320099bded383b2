"""What the evolutionary algorithms share: `evolve` with a callable or a native fitness, or ask and tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.evolution.evaluation import Evaluate, as_values, check_callable, count
from efficient_nas.evolution.fitness import Fitness
from efficient_nas.evolution.result import EvolutionResult
from efficient_nas.pareto.arguments import Maximize, checked_maximize, column_signs


class Evolution:
    """An algorithm that keeps a native population of genotypes.

    Draws depend on the seed alone: the same seed and values give the same populations and history
    everywhere, at any number of threads. threads: for making candidates, and for a native fitness.
    """

    def __init__(
        self,
        native: _core.Evolution,
        batch: int,
        maximize: Maximize = None,
        threads: int = 1,
        single_objective: bool = False,
    ) -> None:
        self._name = type(self).__name__
        if single_objective and not isinstance(maximize, bool):
            raise TypeError(f"{self._name}: maximize must be a bool, got {maximize!r}")
        self._native = native
        self._batch = batch
        self._maximize = checked_maximize(self._name, maximize)
        self._threads = count(self._name, "threads", threads, least=1, most=1024)
        self._single = single_objective

    def ask(self, n: int | None = None) -> npt.NDArray[np.uint8]:
        """Genotypes to be evaluated, uint8 [n, num_choices]; the same ones until they are told.

        The first ones are the whole initial population. Then there are n (None: a generation), or less when
        hardly anything new is left; without any the search has ended.
        """
        return self._native.ask(self._batch if n is None else n, self._threads)

    def tell(self, values: npt.ArrayLike) -> None:
        """Takes the values [n, m] of the genotypes that `ask` gave; [n] will do for a single objective.

        A row with a NaN or infinity is a failed evaluation. ValueError for another shape, or if m changes.
        """
        self._tell(as_values(self._name, values, None, self._single, "values"))

    def result(self) -> EvolutionResult:
        """The present population, and everything evaluated so far."""
        return EvolutionResult(self._native, self._maximize)

    def _tell(self, values: npt.NDArray[np.float64]) -> None:
        self._native.tell(values * self._signs(values.shape[1]), self._threads)

    def _evolve(self, evaluate: Evaluate | Fitness, batches: int, n: int) -> EvolutionResult:
        """The result after the initial population, if it is still missing, and `batches` batches of n."""
        batches += self._native.told == 0
        if isinstance(evaluate, Fitness):
            if self._single and evaluate.num_objectives != 1:
                raise ValueError(
                    f"{self._name}: the fitness must have one objective, got {evaluate.num_objectives}"
                )
            signs = self._signs(evaluate.num_objectives).tolist()
            self._native.run(evaluate.native, signs, batches, n, self._threads)
            return self.result()
        check_callable(self._name, evaluate)
        for _ in range(batches):
            genotypes = self._native.ask(n, self._threads)
            if len(genotypes) == 0:
                break
            self._tell(as_values(self._name, evaluate(genotypes), len(genotypes), self._single))
        return self.result()

    def _signs(self, objectives: int) -> npt.NDArray[np.float64]:
        return column_signs(self._name, objectives, self._maximize)
