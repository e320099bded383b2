"""Topic of bench_evolution.py: whole generations of NSGA-II."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from additive_problem import AMOUNTS, GENES, OPTIONS, additive_space, reached, sums
from efficient_nas.evolution import NSGA2, AdditiveFitness
from harness import measure, ratio, table
from nsga2_peers import NSGA2_PEERS
from peers import installed, left_out

Values = npt.NDArray[np.float64]
CASES = ((100, 50), (1_000, 10), (10_000, 2))  # population and generations
LARGEST = {"optuna": 100, "evotorch": 1_000}  # of the cases; beyond, a call takes minutes
DEDUPLICATES = {"ours", "ours, numpy callback", "pymoo"}
MOST_ROUNDS = 3


def nsga2(rounds: int) -> str:
    """Generations with a fitness that costs next to nothing, and the fronts reached after as many of them."""
    rows = []
    for population_size, generations in CASES:
        calls = _calls(population_size, generations)
        volumes: dict[str, float] = {}
        timings = measure(
            {name: partial(_keep_volume, volumes, name, call) for name, call in calls.items()},
            generations + 1,
            min(rounds, MOST_ROUNDS),
        )
        for name, timing in timings.items():
            faster = f"{ratio(timing, timings['ours']):.3g}x"
            row = [population_size, generations, name, timing.items_per_second, f"{timing.spread:.0%}"]
            rows.append([*row, faster, "yes" if name in DEDUPLICATES else "", volumes[name]])
    note = (
        f"{GENES} genes of {OPTIONS} options, two additive objectives, evaluated in batches where a library "
        "can. One thread. The initial population counts as a generation. Hypervolume: higher is better, of "
        "the last population (of Optuna's, the best front). Marks: 50x pymoo at 1,000, 200x at 10,000. "
        f"Optuna only runs at {LARGEST['optuna']:,}, evotorch up to {LARGEST['evotorch']:,}: beyond, one "
        "call takes a minute or more."
    )
    columns = ["population", "generations", "library", "generations/s", "spread", "ours is faster"]
    columns += ["deduplicates", "hypervolume"]
    return "\n".join([note, left_out(list(NSGA2_PEERS)), "", table(columns, rows)])


def _calls(population_size: int, generations: int) -> dict[str, Callable[[], Values]]:
    calls: dict[str, Callable[[], Values]] = {
        "ours": partial(_ours, population_size, generations, native=True),
        "ours, numpy callback": partial(_ours, population_size, generations, native=False),
    }
    for name, run in NSGA2_PEERS.items():
        if installed(name) and population_size <= LARGEST.get(name, population_size):
            calls[name] = partial(run, population_size, generations)
    return calls


def _keep_volume(volumes: dict[str, float], name: str, call: Callable[[], Values]) -> None:
    volumes[name] = reached(call())


def _ours(population_size: int, generations: int, native: bool) -> Values:
    space = additive_space()
    evaluate = AdditiveFitness(space, AMOUNTS) if native else sums
    return NSGA2(space, population_size, 0).evolve(evaluate, generations).values
