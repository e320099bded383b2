"""Topic of bench_evolution.py: children of a population, from selection to deduplication."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from efficient_nas import graph, spaces
from efficient_nas.evolution import NSGA2, AdditiveFitness, ArchitectureNSGA2
from efficient_nas.graph import Architecture, ArchNode
from harness import Timing, ratio, table


@dataclass(frozen=True)
class Case:
    """A population of a built-in space, and how many generations of children are counted."""

    space: str
    population: int
    generations: int
    mark_us: float


# NASBench201 has 5,425 classes: more generations would mostly find known ones.
CASES = (Case("nasbench201", 1_000, 2, 1.0), Case("darts", 10_000, 3, 3.0))
THREADS = (1, 2)
DAG_NODES, DAG_POPULATION, DAG_GENERATIONS, DAG_MARK_US = 20, 1_000, 2, 10.0


def child_production(rounds: int) -> str:
    """Tournaments, crossover, mutation, canonical form, comparison with everything evaluated so far."""
    rows = []
    for case in CASES:
        timings = _timings(case, rounds)
        for threads, timing in zip(THREADS, timings, strict=True):
            microseconds = timing.nanoseconds_per_item / 1e3
            mark = f"{case.mark_us:g}" if threads == 1 else "1.7x"
            faster = f"{ratio(timings[0], timing):.2f}x"
            row = [case.space, case.population, threads, microseconds, f"{timing.spread:.0%}", faster]
            rows.append([*row, mark])
    dags = _dag_timing(rounds)
    microseconds = dags.nanoseconds_per_item / 1e3
    row = [dags.name, DAG_POPULATION, 1, microseconds, f"{dags.spread:.0%}", "1.00x", f"{DAG_MARK_US:g}"]
    rows.append(row)
    note = (
        "`NSGA2.ask` of generations of children; a child that is known is bred again within that time. For "
        "architectures without a space, `ArchitectureNSGA2` before it makes Python objects of them. "
        "The fitness, sums of random amounts, is not counted. Marks: microseconds on one thread, and 1.7 "
        "times that speed on two."
    )
    columns = ["space", "population", "threads", "us a child", "spread", "against 1 thread", "mark"]
    return "\n".join([note, "", table(columns, rows)])


def _timings(case: Case, rounds: int) -> list[Timing]:
    """One for each number of threads, from interleaved rounds; round r breeds from seed r."""
    seconds: dict[int, list[float]] = {threads: [] for threads in THREADS}
    children = case.population * case.generations
    for seed in range(rounds + 1):
        for threads in THREADS:
            spent = sum(_asking(case, threads, seed))
            if seed > 0:  # the first warms up
                seconds[threads].append(spent)
    return [Timing(case.space, tuple(seconds[threads]), children) for threads in THREADS]


def _asking(case: Case, threads: int, seed: int) -> Iterator[float]:
    """Seconds of each `ask` for a generation of children."""
    space = spaces.create(case.space)
    amounts = np.random.default_rng(seed).random((space.num_choices, int(space.cardinalities.max()), 2))
    fitness = AdditiveFitness(space, amounts)
    search = NSGA2(space, case.population, seed, threads=threads)
    search.tell(fitness(search.ask()))
    for _ in range(case.generations):
        start = time.perf_counter()
        children = search.ask()
        yield time.perf_counter() - start
        if len(children) < case.population:
            raise RuntimeError(f"child_production: {case.space} has too few architectures for {case}")
        search.tell(fitness(children))


def _dag_timing(rounds: int) -> Timing:
    """Children of random architectures of DAG_NODES nodes, by all kinds of mutation and by crossover."""
    seconds = []
    sizes: list[int] = []
    for seed in range(rounds + 1):
        values = np.random.default_rng(seed)
        initial = [_random_dag(1_000_000 * seed + i) for i in range(100)]
        search = ArchitectureNSGA2(initial, DAG_POPULATION, seed, max_nodes=DAG_NODES)
        search.evolve(lambda architectures, v=values: v.random((len(architectures), 2)), 0)  # type: ignore[misc]
        spent = 0.0
        for _ in range(DAG_GENERATIONS):
            start = time.perf_counter()
            bred = search._native.ask(DAG_POPULATION)  # `evolve` asks for the same, and then converts
            spent += time.perf_counter() - start
            sizes += [len(nodes) for nodes, _, _ in search._native.asked()]
            search._native.tell(values.random((bred, 2)))
        if seed > 0:  # the first warms up
            seconds.append(spent)
    name = f"DAGs of {np.mean(sizes):.1f} nodes on average"
    return Timing(name, tuple(seconds), DAG_POPULATION * DAG_GENERATIONS)


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
