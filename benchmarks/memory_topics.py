"""Topic of bench_evolution.py: what an evaluated and deduplicated candidate takes to hold.

Run as a script it is the process that is measured, because memory that another topic has freed would hide
what this one takes: python benchmarks/memory_topics.py SPACE CANDIDATES.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from efficient_nas import spaces
from efficient_nas.evolution import NSGA2, AdditiveFitness
from harness import table

STATUS = Path("/proc/self/status")  # on Linux
SPACE, CANDIDATES, POPULATION = "darts", 10_000_000, 10_000


def memory(rounds: int) -> str:
    """Resident memory of a search that has evaluated ten million architectures, none of them twice."""
    if not STATUS.exists():
        return f"Left out: {STATUS}, from which resident memory is read, does not exist here."
    command = [sys.executable, str(Path(__file__).resolve()), SPACE, str(CANDIDATES)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    evaluated, genotype, held, peak, seconds = (float(word) for word in output.split())
    row = [SPACE, f"{evaluated:,.0f}", f"{genotype:g}", held / evaluated, 64 + genotype]
    row += [held / 2**20, peak / 2**20, seconds]
    note = (
        f"NSGA-II with a population of {POPULATION:,} and a native fitness of two objectives, one thread; "
        "growth of the resident memory of a process of its own, once. Peak: the most it grew by on the way. "
        "Mark: 64 bytes + genotype, and below 1,024 MiB."
    )
    columns = ["space", "candidates", "genotype bytes", "bytes a candidate", "mark"]
    columns += ["MiB held", "MiB at peak", "s"]
    return "\n".join([note, "", table(columns, [row])])


def resident_bytes(name: str) -> int:
    """Of this process: VmRSS, what it holds, or VmHWM, the most it ever held."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} has no {name}")


def hold(name: str, candidates: int) -> str:
    """Evaluated candidates, bytes of a genotype, resident bytes taken and at peak, seconds."""
    space = spaces.create(name)
    amounts = np.random.default_rng(0).random((space.num_choices, int(space.cardinalities.max()), 2))
    fitness = AdditiveFitness(space, amounts)
    population = min(POPULATION, candidates)
    NSGA2(space, population, 1).evolve(fitness, 2)  # tables and libraries are loaded before
    before = resident_bytes("VmRSS")
    start = time.perf_counter()
    search = NSGA2(space, population, 0)
    result = search.evolve(fitness, max(0, -(-candidates // population) - 1))
    seconds = time.perf_counter() - start
    held, peak = resident_bytes("VmRSS") - before, resident_bytes("VmHWM") - before
    hashes = space.canonical_hash(result.history.genotypes)
    if len(np.unique(hashes)) != len(hashes):
        raise RuntimeError("memory: an architecture was evaluated twice")
    return f"{len(hashes)} {space.num_choices} {held} {peak} {seconds}"


if __name__ == "__main__":
    print(hold(sys.argv[1], int(sys.argv[2])))
