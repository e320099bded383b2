"""Topic of bench_evolution.py: regularized evolution through one Python call, against plain Python."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from additive_problem import AMOUNTS, GENES, OPTIONS, additive_space, sums
from efficient_nas.evolution import AdditiveFitness, RegularizedEvolution
from harness import measure, ratio, table

POPULATION, SAMPLE = 100, 25
CYCLES, CALLBACK_CYCLES, PYTHON_CYCLES = 200_000, 20_000, 2_000


def regularized_evolution(rounds: int) -> str:
    """Cycles a second: one tournament, one mutant, one death."""
    amounts = AMOUNTS[:, :, 0].tolist()
    calls: dict[str, Callable[[], float]] = {
        "published, plain Python": partial(plain_python, amounts, PYTHON_CYCLES, copies=True),
        "plain Python without copies": partial(plain_python, amounts, PYTHON_CYCLES, copies=False),
        "ours": partial(_ours, CYCLES, native=True),
        "ours, numpy callback": partial(_ours, CALLBACK_CYCLES, native=False),
        "ours, numpy callback, batch 100": partial(_ours, CALLBACK_CYCLES, native=False, batch=100),
    }
    numbers = (PYTHON_CYCLES, PYTHON_CYCLES, CYCLES, CALLBACK_CYCLES, CALLBACK_CYCLES)
    cycles = dict(zip(calls, numbers, strict=True))
    best = {name: call() for name, call in calls.items()}
    timings = measure(calls, cycles, rounds)
    published = timings["published, plain Python"]
    rows = []
    for name, timing in timings.items():
        faster = f"{ratio(published, timing):.3g}x"
        row = [name, cycles[name], timing.items_per_second, f"{timing.spread:.0%}"]
        rows.append([*row, faster, best[name]])
    note = (
        f"{GENES} genes of {OPTIONS} options, one additive objective to be minimised; population "
        f"{POPULATION}, samples of {SAMPLE}. The published code copies the population for every draw of a "
        "sample; the second row does not. Ours keeps a history, too, and hands it over. Mark: 500x the "
        "published Python. The best value found is after that many cycles."
    )
    columns = ["implementation", "cycles", "cycles/s", "spread", "against published", "best value"]
    return "\n".join([note, "", table(columns, rows)])


def _ours(cycles: int, native: bool, batch: int = 1) -> float:
    space = additive_space()
    evaluate = AdditiveFitness(space, AMOUNTS[:, :, :1]) if native else _first_sum
    result = RegularizedEvolution(space, POPULATION, SAMPLE, 0).evolve(evaluate, cycles, batch)
    return float(result.history.values.min())


def _first_sum(genotypes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return sums(genotypes)[:, :1]


def plain_python(amounts: list[list[float]], cycles: int, copies: bool, seed: int = 0) -> float:
    """The best value that algorithm 1 of Real et al. 2019 (arXiv:1802.01548) finds, as its text has it."""
    generator = random.Random(seed)

    def evaluate(genes: list[int]) -> float:
        return sum(amounts[i][option] for i, option in enumerate(genes))

    def mutate(genes: list[int]) -> list[int]:
        child = list(genes)
        gene = generator.randrange(GENES)
        child[gene] = generator.choice([option for option in range(OPTIONS) if option != genes[gene]])
        return child

    population: collections.deque[tuple[float, list[int]]] = collections.deque()
    history: list[tuple[float, list[int]]] = []
    while len(population) < POPULATION:
        genes = [generator.randrange(OPTIONS) for _ in range(GENES)]
        population.append((evaluate(genes), genes))
        history.append(population[-1])
    for _ in range(cycles):
        sample: list[tuple[float, list[int]]] = []
        while len(sample) < SAMPLE:
            sample.append(generator.choice(list(population) if copies else population))
        _, parent = min(sample)
        child = mutate(parent)
        population.append((evaluate(child), child))
        history.append(population[-1])
        population.popleft()
    return min(history)[0]
