"""Speed of the native core on one core: genotypes, architectures, graphs, controllers, ledger.

python benchmarks/bench_core.py [--only TOPIC ...] [--rounds N] [--output FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np

from command_line import Topic, run_topics
from efficient_nas import spaces
from efficient_nas.spaces import Space
from graph_topics import graphs
from harness import Timing, measure, ratio, table
from search_topics import controller_overhead, ledger


def genotypes(rounds: int) -> str:
    """Sampling, mutation and crossover in batches, and the cost of a call with one row."""
    rows = [row for name in ("nasbench201", "darts") for row in _genotype_rows(spaces.create(name), rounds)]
    note = (
        "Target: 20 million genotypes/s for sample and mutate, on one core. numpy draws independent integers "
        "of the same shape; it knows no ordered pairs, so on DARTS most of its rows are not valid."
    )
    columns = ["space", "call", "million/s", "best", "ns a genotype", "spread", "against numpy"]
    return "\n".join([note, "", table(columns, rows)])


def _genotype_rows(space: Space, rounds: int) -> list[list[object]]:
    n = 100_000
    a, b = space.sample(n, 1), space.sample(n, 2)
    row = a[:1]
    generator = np.random.default_rng(0)
    bounds = space.cardinalities

    def numpy_mutate() -> np.ndarray:
        """One other value in a random column of each row, all columns free."""
        mutants = a.copy()
        column = generator.integers(0, space.num_choices, n)
        step = generator.integers(1, np.maximum(bounds, 2)[column])
        index = np.arange(n)
        mutants[index, column] = (mutants[index, column] + step) % bounds[column]
        return mutants

    calls: dict[str, Callable[[], object]] = {
        "sample": lambda: space.sample(n, 3),
        "numpy sample": lambda: generator.integers(0, bounds, (n, space.num_choices), dtype=np.uint8),
        "mutate": lambda: space.mutate(a, 3),
        "numpy mutate": numpy_mutate,
        "mutate 3 choices": lambda: space.mutate(a, 3, 3),
        "crossover": lambda: space.crossover(a, b, 3),
        "validate": lambda: space.validate(a),
        "mutate one row": lambda: space.mutate(row, 3),
    }
    timings = measure(calls, {name: 1 if "one row" in name else n for name in calls}, rounds)

    def line(timing: Timing) -> list[object]:
        peer = timings.get(f"numpy {timing.name}")
        faster = f"{ratio(peer, timing):.3g}x" if peer else ""
        speed, best = timing.items_per_second / 1e6, timing.items / timing.minimum / 1e6
        nanoseconds = timing.nanoseconds_per_item
        return [space.name, timing.name, speed, best, nanoseconds, f"{timing.spread:.0%}", faster]

    return [line(timing) for timing in timings.values()]


def architectures(rounds: int) -> str:
    """Canonical hashes and costs in batches, against building each architecture."""
    names = ("nasbench201", "nasbench_macro", "darts", "mbconv")
    rows = [row for name in names for row in _architecture_rows(spaces.create(name), rounds)]
    note = (
        "Targets, on one core: canonical hash 500 ns on nasbench201 and 3,000 ns on darts (two cells), costs "
        "1,000 ns everywhere. `built` makes each architecture from Python and asks it, as a space of a "
        "user's own does. Tables are made at the first call, which is not timed."
    )
    columns = ["space", "call", "ns a genotype", "spread", "built, ns a genotype", "against built"]
    return "\n".join([note, "", table(columns, rows)])


def _architecture_rows(space: Space, rounds: int) -> list[list[object]]:
    n, few = 20_000, 20
    batch = space.sample(n, 1)
    sample = batch[:few]
    calls: dict[str, Callable[[], object]] = {
        "canonical hash, graph": lambda: space.canonical_hash(batch),
        "canonical hash, expression": lambda: space.canonical_hash(batch, "expression"),
        "costs": lambda: space.costs(batch),
        "built canonical hash, graph": lambda: [space.build(row).canonical_hash() for row in sample],
        "built canonical hash, expression": lambda: [
            space.build(row).canonical_hash("expression") for row in sample
        ],
        "built costs": lambda: Space.costs(space, sample),
    }
    timings = measure(calls, {name: few if name.startswith("built") else n for name in calls}, rounds)
    lines: list[list[object]] = []
    for name in list(calls)[:3]:
        native, built = timings[name], timings[f"built {name}"]
        nanoseconds = [native.nanoseconds_per_item, built.nanoseconds_per_item]
        times = f"{ratio(built, native):,.0f}x"
        lines.append([space.name, name, nanoseconds[0], f"{native.spread:.0%}", nanoseconds[1], times])
    return lines


TOPICS: list[Topic] = [
    genotypes,
    architectures,
    graphs,
    controller_overhead,
    ledger,
]


def main(arguments: Sequence[str]) -> None:
    run_topics("bench_core.py", "Native core", __doc__ or "", TOPICS, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
