"""NSGA-II of other libraries on the additive problem, as their documentation sets it up for integers.

Each function returns the values [population, 2] of its last population, after the initial one and
`generations` batches of as many children. What a peer offers for evaluating a batch at once is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from additive_problem import AMOUNTS, GENES, OBJECTIVES, OPTIONS, sums

Values = npt.NDArray[np.float64]


def pymoo_nsga2(population_size: int, generations: int) -> Values:
    """Simulated binary crossover and polynomial mutation, rounded; duplicates are eliminated."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    class Additive(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=GENES, n_obj=OBJECTIVES, xl=0, xu=OPTIONS - 1, vtype=int)

        def _evaluate(
            self, x: npt.NDArray[np.int64], out: dict[str, Values], *_: object, **__: object
        ) -> None:
            out["F"] = sums(x)

    algorithm = NSGA2(
        pop_size=population_size,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        mutation=PM(eta=20, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    result = minimize(Additive(), algorithm, ("n_gen", generations + 1), seed=0, verbose=False)
    values: Values = result.pop.get("F")
    return values


class _PygmoProblem:
    """Pagmo's integers are the last `get_nix` variables of a vector of doubles."""

    def fitness(self, x: Values) -> Values:
        return sums(x[None].astype(np.int64))[0]

    def batch_fitness(self, x: Values) -> Values:
        return sums(x.reshape(-1, GENES).astype(np.int64)).ravel()

    def get_bounds(self) -> tuple[list[float], list[float]]:
        return [0.0] * GENES, [OPTIONS - 1.0] * GENES

    def get_nobj(self) -> int:
        return OBJECTIVES

    def get_nix(self) -> int:
        return GENES


def pygmo_nsga2(population_size: int, generations: int) -> Values:
    """Evaluated in batches; a mutation for one gene in 28. No deduplication."""
    import pygmo

    algorithm = pygmo.nsga2(gen=generations, cr=0.9, m=1 / GENES, seed=1)
    algorithm.set_bfe(pygmo.bfe())
    population = pygmo.population(pygmo.problem(_PygmoProblem()), size=population_size, seed=1, b=pygmo.bfe())
    values: Values = pygmo.algorithm(algorithm).evolve(population).get_f()
    return values


def deap_nsga2(population_size: int, generations: int) -> Values:
    """The loop of DEAP's example of NSGA-II, with its operators for integers. No deduplication."""
    from deap import base, tools

    class Fitness(base.Fitness):  # type: ignore[misc]
        weights = (-1.0,) * OBJECTIVES

    class Individual(list[int]):
        def __init__(self, genes: list[int]) -> None:
            super().__init__(genes)
            self.fitness = Fitness()

    generator = random.Random(0)
    random.seed(0)  # the operators draw from the module's stream
    toolbox = base.Toolbox()
    toolbox.register("mate", tools.cxUniform, indpb=0.5)
    toolbox.register("mutate", tools.mutUniformInt, low=0, up=OPTIONS - 1, indpb=1 / GENES)
    toolbox.register("select", tools.selNSGA2, nd="log")

    def evaluate(members: list[Individual]) -> None:
        for member, values in zip(members, sums(np.array(members)).tolist(), strict=True):
            member.fitness.values = values

    population = [Individual(generator.choices(range(OPTIONS), k=GENES)) for _ in range(population_size)]
    evaluate(population)
    population = toolbox.select(population, population_size)
    for _ in range(generations):
        children = [toolbox.clone(parent) for parent in tools.selTournamentDCD(population, population_size)]
        for a, b in zip(children[::2], children[1::2], strict=True):
            if generator.random() <= 0.9:
                toolbox.mate(a, b)
            toolbox.mutate(a)
            toolbox.mutate(b)
        evaluate(children)
        population = toolbox.select(population + children, population_size)
    return np.array([member.fitness.values for member in population])


def optuna_nsga2(population_size: int, generations: int) -> Values:
    """The sampler's defaults: uniform crossover, a mutation for one gene in 28. No deduplication.

    Values of the best front of all trials: a study does not say which trials its population holds.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.NSGAIISampler(population_size=population_size, seed=0)
    study = optuna.create_study(directions=["minimize"] * OBJECTIVES, sampler=sampler)

    def objective(trial: optuna.Trial) -> list[float]:
        genes = [trial.suggest_int(f"gene{i}", 0, OPTIONS - 1) for i in range(GENES)]
        return [sum(AMOUNTS[i, option, m] for i, option in enumerate(genes)) for m in range(OBJECTIVES)]

    study.optimize(objective, n_trials=population_size * (generations + 1))
    return np.array([trial.values for trial in study.best_trials])


def evotorch_nsga2(population_size: int, generations: int) -> Values:
    """Its genetic algorithm, elitist by Pareto rank and crowding; mutation of one gene in 28 is a function of
    ours, because its own mutations are for reals. No deduplication."""
    import torch
    from evotorch import Problem
    from evotorch.algorithms import GeneticAlgorithm
    from evotorch.operators import TwoPointCrossOver

    amounts, columns = torch.from_numpy(AMOUNTS), torch.arange(GENES)
    torch.manual_seed(0)

    def evaluate(genotypes: torch.Tensor) -> torch.Tensor:
        return amounts[columns, genotypes].sum(1)

    def mutate(genotypes: torch.Tensor) -> torch.Tensor:
        chosen = torch.rand(genotypes.shape) < 1 / GENES
        return torch.where(chosen, torch.randint(0, OPTIONS, genotypes.shape), genotypes)

    problem = Problem(
        ["min"] * OBJECTIVES,
        evaluate,
        solution_length=GENES,
        bounds=(0, OPTIONS - 1),
        dtype=torch.int64,
        eval_dtype=torch.float64,
        vectorized=True,
        seed=1,
    )
    search = GeneticAlgorithm(
        problem,
        operators=[TwoPointCrossOver(problem, tournament_size=2), mutate],
        popsize=population_size,
        re_evaluate=False,
    )
    search.run(generations)
    values: Values = search.population.evals.numpy().copy()
    return values


NSGA2_PEERS: dict[str, Callable[[int, int], Values]] = {
    "pymoo": pymoo_nsga2,
    "pygmo": pygmo_nsga2,
    "deap": deap_nsga2,
    "optuna": optuna_nsga2,
    "evotorch": evotorch_nsga2,
}
"""By package: (population_size, generations) -> values."""
