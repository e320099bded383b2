"""Evolution of architectures themselves, without a search space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from efficient_nas import _core, pareto
from efficient_nas.evolution.evaluation import as_values, check_callable, count
from efficient_nas.graph import Architecture
from efficient_nas.graph.mutation import MUTATION_KINDS, checked_kinds, from_native
from efficient_nas.pareto.arguments import Maximize, checked_maximize, column_signs

EvaluateArchitectures: TypeAlias = Callable[[list[Architecture]], npt.ArrayLike]
"""n architectures in, values float64 [n, m] out; a NaN or infinity marks a failed row."""


@dataclass(frozen=True, slots=True, eq=False)
class ArchitectureHistory:
    """Everything evaluated, in its order.

    values: float64 [n, m] as `evaluate` returned them, NaN where it failed. generations: int32 [n], 0 for the
    initial population, then one number for each generation of children.
    """

    architectures: tuple[Architecture, ...]
    values: npt.NDArray[np.float64]
    generations: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class ArchitectureEvolutionResult:
    """The last population, from best to worst, and the way there.

    values: float64 [p, m] as `evaluate` returned them, NaN where it failed. fronts: int32 [p], 0 is best.
    """

    population: tuple[Architecture, ...]
    values: npt.NDArray[np.float64]
    fronts: npt.NDArray[np.int32]
    history: ArchitectureHistory


class ArchitectureNSGA2:
    """NSGA-II over architectures (Deb et al. 2002): graph mutations and crossover instead of genotypes.

    Parents win binary tournaments by front and crowding distance. Half of the children are spliced from two
    parents where `graph.crossover` can, half of those and all others mutated by one of `kinds`
    (`graph.mutate`). Departure from the paper: no architecture is evaluated twice.

    initial: at least one, all with equal input and equal output shapes. kinds: among `graph.MUTATION_KINDS`;
    None: all. max_nodes, max_channels: what children may not exceed (nor grow, if a parent exceeds it).
    maximize: which objectives are maximised, one bool or one each; None: none.
    threads: for making children; changes no result.
    Draws depend on `seed` alone: the same arguments and values give the same populations everywhere.
    """

    def __init__(
        self,
        initial: Sequence[Architecture],
        population_size: int,
        seed: int,
        kinds: Iterable[str] | None = None,
        maximize: Maximize = None,
        max_nodes: int = 256,
        max_channels: int = 4096,
        threads: int = 1,
    ) -> None:
        if isinstance(initial, Architecture) or not isinstance(initial, Iterable):
            raise TypeError(f"ArchitectureNSGA2: initial must be a list of Architectures, got {initial!r}")
        parents = list(initial)
        for i, arch in enumerate(parents):
            if not isinstance(arch, Architecture):
                raise TypeError(f"ArchitectureNSGA2: initial[{i}] must be an Architecture, got {arch!r}")
        wanted = checked_kinds("ArchitectureNSGA2", kinds, MUTATION_KINDS)
        self._native = _core.GraphNsga2(
            [arch._native for arch in parents], population_size, seed, wanted, max_nodes, max_channels
        )
        self._input_shape = parents[0].input_shape
        self._batch = population_size
        self._maximize = checked_maximize("ArchitectureNSGA2", maximize)
        self._threads = count("ArchitectureNSGA2", "threads", threads, least=1, most=1024)
        self._architectures: list[Architecture] = []
        self._values: list[npt.NDArray[np.float64]] = []

    def evolve(self, evaluate: EvaluateArchitectures, generations: int) -> ArchitectureEvolutionResult:
        """The population after the initial one and `generations` generations of children.

        The initial population is `initial` without duplicates, filled up to `population_size` by mutants. A
        row of values with a NaN or infinity has failed and ranks last. ValueError for values of another
        shape; what was evaluated before is kept. A second call continues. It ends early when breeding finds
        nothing new.
        """
        batches = count("ArchitectureNSGA2", "generations", generations) + (not self._values)
        check_callable("ArchitectureNSGA2", evaluate)
        for _ in range(batches):
            if self._native.ask(self._batch, self._threads) == 0:
                break
            asked = [from_native(made, self._input_shape) for made in self._native.asked()]
            values = as_values("ArchitectureNSGA2", evaluate(list(asked)), len(asked), single=False)
            self._native.tell(values * column_signs("ArchitectureNSGA2", values.shape[1], self._maximize))
            self._architectures += asked
            self._values.append(values)
        return self._result()

    def _result(self) -> ArchitectureEvolutionResult:
        members, minimised = self._native.population()
        values = np.concatenate(self._values)
        sizes = [len(batch) for batch in self._values]
        generations = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        return ArchitectureEvolutionResult(
            population=tuple(self._architectures[i] for i in members),
            values=values[members],
            fronts=pareto.nondominated_sort(minimised),
            history=ArchitectureHistory(tuple(self._architectures), values, generations),
        )
