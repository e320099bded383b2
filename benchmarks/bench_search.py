"""Queries that each controller needs to find the best cell of NAS-Bench-201, on tables of real results.

    python benchmarks/bench_search.py [--seeds N] [--controllers NAME ...] [--output FILE]

The tables are read from $EFFICIENT_NAS_DATA. A query returns the value of the first row of the architecture's
class (isomorphic cells are one class, or cells that are equal when sharing is ignored), every class is paid
for once, and the target is the best of these values.
"""

from __future__ import annotations

import argparse
import copy
import functools
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from efficient_nas import controllers, pareto, spaces
from efficient_nas.evaluators import Tabular
from efficient_nas.spaces import Space
from efficient_nas.types import Result
from harness import header, table

FOLDER = "nasbench201_accuracy"
TWELVE = "mini_nasbench201_12epochs.csv.gz"
TWO_HUNDRED = "nats_bench_200epochs_cifar10.csv.gz"
TABLES = {
    "C10, 12 epochs": (TWELVE, {"architecture": "cellstr"}, "cifar10-val"),
    "C100, 12 epochs": (TWELVE, {"architecture": "cellstr"}, "cifar100-val"),
    "IN16, 12 epochs": (TWELVE, {"architecture": "cellstr"}, "imagenet-val"),
    "C10, 200 epochs": (TWO_HUNDRED, {"architecture": "ArchitectureString"}, "CIFAR10TestAccuracy200Epochs"),
}
BUDGET = 300
FRONT_BUDGET = 100


@dataclass(frozen=True)
class Lookup:
    """The values of all genotypes: each has those of the first row of its class."""

    space: Space
    rows: dict[bytes, int]  # genotype -> first row of its class
    genotypes: npt.NDArray[np.uint8]
    accuracy: npt.NDArray[np.float64]

    def row(self, genotype: npt.NDArray[np.uint8]) -> int:
        return self.rows[genotype.tobytes()]


def load(data: Path, name: str, kind: str) -> Lookup:
    """One table with classes of `kind` (`graph` or `expression`), and a space that compares by it."""
    file, columns, metric = TABLES[name]
    space = spaces.create("nasbench201")
    tabular = Tabular(data / FOLDER / file, space, metric, columns, scale=0.01)
    keys = space.canonical_bytes(tabular.genotypes, kind)
    first: dict[bytes, int] = {}
    rows = {
        genotype.tobytes(): first.setdefault(key, row)
        for row, (genotype, key) in enumerate(zip(tabular.genotypes, keys, strict=True))
    }
    comparing = copy.copy(space)
    comparing.canonical_bytes = functools.partial(space.canonical_bytes, kind=kind)  # type: ignore[method-assign]
    return Lookup(comparing, rows, tabular.genotypes, tabular.values())


def queries(name: str, lookup: Lookup, seeds: int) -> tuple[npt.NDArray[np.float64], float]:
    """Queries to the best class for each seed (BUDGET + 1 where it was not found), and seconds a query."""
    best = max(lookup.accuracy[row] for row in set(lookup.rows.values()))
    needed = np.full(seeds, BUDGET + 1.0)
    start, total = time.process_time(), 0
    for seed in range(seeds):
        controller = controllers.create(name, lookup.space, seed)
        for query in range(1, BUDGET + 1):
            (p,) = controller.ask(1)
            value = lookup.accuracy[lookup.row(p.genotype)]
            total += 1
            if value >= best:
                needed[seed] = query
                break
            controller.tell([Result(p.trial, p.genotype, p.origin, (-value,))])
    return needed, (time.process_time() - start) / total


def hypervolume_share(name: str, lookup: Lookup, seeds: int) -> npt.NDArray[np.float64]:
    """The share of the true hypervolume in error and MACs after FRONT_BUDGET queries, for each seed."""
    macs = lookup.space.costs(lookup.genotypes, (3, 32, 32), 10)["macs"]
    points = np.column_stack([1 - lookup.accuracy, macs])
    everything = points[sorted(set(lookup.rows.values()))]
    reference = np.array([np.median(everything[:, 0]), everything[:, 1].max() * 1.01])
    whole = pareto.hypervolume(everything, reference)
    shares = np.zeros(seeds)
    for seed in range(seeds):
        controller = controllers.create(name, lookup.space, seed)
        seen = []
        for p in (controller.ask(1)[0] for _ in range(FRONT_BUDGET)):
            seen.append(points[lookup.row(p.genotype)])
            controller.tell([Result(p.trial, p.genotype, p.origin, tuple(seen[-1].tolist()))])
        shares[seed] = pareto.hypervolume(np.array(seen), reference) / whole
    return shares


def median_interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The 5 to 95 % interval of the median, by bootstrap."""
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(medians, [0.05, 0.95])
    return float(low), float(high)


def cell(needed: npt.NDArray[np.float64]) -> str:
    low, high = median_interval(needed)
    numbers = (float(np.median(needed)), low, high)
    text = [f"> {BUDGET}" if number > BUDGET else f"{number:.4g}" for number in numbers]
    return f"{text[0]} [{text[1]}, {text[2]}]"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("EFFICIENT_NAS_DATA"))
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--controllers", nargs="+", default=controllers.available())
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("set EFFICIENT_NAS_DATA, or give --data: the folder that holds " + FOLDER)

    command = f"python benchmarks/bench_search.py --seeds {options.seeds}"
    if options.controllers != controllers.available():
        command += " --controllers " + " ".join(options.controllers)
    parts = [header("Search on NAS-Bench-201", command)]
    parts.append(__doc__.split("\n\n")[2].strip() if __doc__ else "")
    parts.append(f"{options.seeds} seeds; medians with the bootstrap's 5 to 95 % interval.")
    for kind in ("graph", "expression"):
        lookups = {name: load(options.data, name, kind) for name in TABLES}
        rows = []
        for name in options.controllers:
            found = {title: queries(name, lookup, options.seeds) for title, lookup in lookups.items()}
            cost = 1e6 * found["C10, 12 epochs"][1]
            rows.append([name, *(cell(needed) for needed, _ in found.values()), f"{cost:.0f}"])
            print(*rows[-1], file=sys.stderr)
        classes = len(set(lookups["C10, 12 epochs"].rows.values()))
        parts.append(f"## Queries to the best architecture, {kind} classes ({classes:,})")
        parts.append(table(["controller", *TABLES, "CPU us a query"], rows))
    lookup = load(options.data, "C10, 12 epochs", "graph")
    shares = [(name, hypervolume_share(name, lookup, options.seeds)) for name in options.controllers]
    parts.append(f"## Share of the hypervolume (C10 error, MACs) after {FRONT_BUDGET} queries")
    parts.append(
        table(["controller", "mean", "sd"], [[n, f"{s.mean():.4f}", f"{s.std():.4f}"] for n, s in shares])
    )
    text = "\n\n".join(parts) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
