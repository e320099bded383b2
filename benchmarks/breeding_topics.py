"""Topic of bench_evolution.py: children of a population, from selection to deduplication."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from efficient_nas import graph, spaces
from efficient_nas.evolution import NSGA2, AdditiveFitness, ArchitectureNSGA2
from efficient_nas.graph import Architecture, ArchNode
from harness import Timing, ratio, table

Asking = Callable[[int, int], Iterator[float]]
"""Seconds of each generation's `ask`, for a number of threads and a seed."""


@dataclass(frozen=True)
class Case:
    """A population, and how many generations of its children are counted."""

    name: str
    population: int
    generations: int
    marks: tuple[str, str]  # microseconds on one thread, speed-up on two


# NAS-Bench-201 has 5,425 classes: more generations would mostly find known ones.
SPACES = (
    Case("nasbench201", 1_000, 2, ("1", "")),
    Case("darts", 10_000, 3, ("3", "1.7x")),
)
DAGS = Case("DAGs", 2_000, 2, ("10", "1.7x"))
DAG_NODES = 20
THREADS = (1, 2)


def child_production(rounds: int) -> str:
    """Tournaments, crossover, mutation, canonical form, comparison with everything evaluated so far."""
    rows = []
    for case in SPACES:
        rows += _rows(case, case.name, _timings(case, partial(_genotypes, case), rounds))
    sizes: list[int] = []
    timings = _timings(DAGS, partial(_dags, DAGS, sizes), rounds)
    rows += _rows(DAGS, f"DAGs of {np.mean(sizes):.1f} nodes on average", timings)
    note = (
        "`NSGA2.ask` of generations of children; a child that is known is bred again within that time. For "
        "architectures without a space, `ArchitectureNSGA2` before it makes Python objects of them. The "
        "fitness is not counted. Marks: microseconds on one thread, and 1.7 times that speed on two, which "
        "are used where there is more work than waking a thread."
    )
    columns = ["children of", "population", "threads", "us a child", "spread", "against 1 thread", "mark"]
    return "\n".join([note, "", table(columns, rows)])


def _rows(case: Case, name: str, timings: list[Timing]) -> list[list[object]]:
    return [
        [
            name,
            case.population,
            threads,
            timing.nanoseconds_per_item / 1e3,
            f"{timing.spread:.0%}",
            f"{ratio(timings[0], timing):.2f}x",
            mark,
        ]
        for threads, timing, mark in zip(THREADS, timings, case.marks, strict=True)
    ]


def _timings(case: Case, asking: Asking, rounds: int) -> list[Timing]:
    """One for each number of threads, from interleaved rounds; round r breeds from seed r."""
    seconds: dict[int, list[float]] = {threads: [] for threads in THREADS}
    for seed in range(rounds + 1):
        for threads in THREADS:
            spent = sum(asking(threads, seed))
            if seed > 0:  # the first warms up
                seconds[threads].append(spent)
    children = case.population * case.generations
    return [Timing(case.name, tuple(seconds[threads]), children) for threads in THREADS]


def _genotypes(case: Case, threads: int, seed: int) -> Iterator[float]:
    space = spaces.create(case.name)
    amounts = np.random.default_rng(seed).random((space.num_choices, int(space.cardinalities.max()), 2))
    fitness = AdditiveFitness(space, amounts)
    search = NSGA2(space, case.population, seed, threads=threads)
    search.tell(fitness(search.ask()))
    for _ in range(case.generations):
        start = time.perf_counter()
        children = search.ask()
        yield time.perf_counter() - start
        if len(children) < case.population:
            raise RuntimeError(f"child_production: {case.name} has too few architectures for {case}")
        search.tell(fitness(children))


def _dags(case: Case, sizes: list[int], threads: int, seed: int) -> Iterator[float]:
    """Children of random architectures by all kinds of mutation and by crossover; appends their nodes."""
    random = np.random.default_rng(seed)
    initial = [_random_dag(1_000_000 * seed + i) for i in range(100)]
    search = ArchitectureNSGA2(initial, case.population, seed, max_nodes=DAG_NODES, threads=threads)
    search.evolve(lambda architectures: random.random((len(architectures), 2)), 0)
    for _ in range(case.generations):
        start = time.perf_counter()
        bred = search._native.ask(case.population, threads)  # `evolve` asks for the same, and then converts
        yield time.perf_counter() - start
        sizes += [len(nodes) for nodes, _, _ in search._native.asked()]
        search._native.tell(random.random((bred, 2)))


def _random_dag(seed: int) -> Architecture:
    """A network for small images, grown node by node."""
    operations = [
        ArchNode("input", 3, 3),
        ArchNode("conv_bn_relu", 3, 16, kernel_size=3),
        ArchNode("global_avg_pool", 16, 16),
        ArchNode("linear", 16, 10),
        ArchNode("output", 10, 10),
    ]
    architecture = Architecture(operations, [(0, 1), (1, 2), (2, 3), (3, 4)], (3, 16, 16))
    while len(architecture.nodes) < DAG_NODES:
        architecture, _ = graph.mutate(architecture, seed, kinds=("add", "add_skip", "deepen"))
        seed += 1
    return architecture
