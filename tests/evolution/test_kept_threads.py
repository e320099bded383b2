"""Threads that a search keeps from call to call: after a fork, and when the system allows too few of them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from efficient_nas import spaces
from efficient_nas.evolution import NSGA2, ArchitectureNSGA2
from efficient_nas.graph import Architecture, ArchNode

POPULATION = 3_000  # enough to be shared between threads


def genotypes(threads: int) -> Callable[[], bytes]:
    """Each call evaluates and asks for the next generation."""
    space = spaces.create("darts")
    search = NSGA2(space, POPULATION, 1, threads=threads)

    def next_generation() -> bytes:
        asked = search.ask()
        search.tell(np.stack([asked.sum(axis=1), asked[:, ::2].max(axis=1)], axis=1).astype(float))
        return asked.tobytes()

    return next_generation


def architectures(threads: int) -> Callable[[], bytes]:
    nodes = [
        ArchNode("input", 3, 3),
        ArchNode("conv_bn_relu", 3, 8, kernel_size=3),
        ArchNode("conv_bn_relu", 8, 8, kernel_size=3),
        ArchNode("output", 8, 8),
    ]
    start = Architecture(nodes, [(0, 1), (1, 2), (2, 3)], (3, 8, 8))
    search = ArchitectureNSGA2([start], 200, 1, max_nodes=12, threads=threads)

    def next_generation() -> bytes:
        asked: list[bytes] = []

        def evaluate(candidates: list[Architecture]) -> np.ndarray:
            asked.extend(candidate.canonical_bytes() for candidate in candidates)
            return np.array([[len(c.nodes), -len(c.connections)] for c in candidates], float)

        search.evolve(evaluate, 1)
        return b"".join(asked)

    return next_generation


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", [genotypes, architectures])
def test_a_search_goes_on_in_a_forked_process(kind: Callable[[int], Callable[[], bytes]]) -> None:
    expected_generation = kind(1)
    next_generation = kind(2)
    assert [next_generation() for _ in range(2)] == [expected_generation() for _ in range(2)]
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:  # must never return into pytest
        try:
            generation = next_generation()
            del next_generation  # ends threads that are the parent's
            with os.fdopen(sender, "wb") as out:
                out.write(generation)
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(sender)
    received = b""
    with os.fdopen(receiver, "rb") as results:
        while select.select([results], [], [], 60)[0] and (part := os.read(results.fileno(), 1 << 16)):
            received += part
    os.kill(child, signal.SIGKILL)  # if it hangs
    os.waitpid(child, 0)
    assert received == expected_generation()
    assert next_generation() == received


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_a_search_goes_on_when_the_system_allows_enough_threads_again() -> None:
    script = """
import resource
from efficient_nas.evolution import ArchitectureNSGA2
from efficient_nas.graph import Architecture, ArchNode
nodes = [ArchNode("input", 3, 3), ArchNode("conv_bn_relu", 3, 8, kernel_size=3), ArchNode("output", 8, 8)]
start = Architecture(nodes, [(0, 1), (1, 2)], (3, 8, 8))
native, undisturbed = (ArchitectureNSGA2([start], 100, 0)._native for _ in range(2))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, hard))  # a stack takes 8 MiB
try:
    native.ask(100, 1024)
except RuntimeError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
print(native.ask(100, 2) == undisturbed.ask(100, 1) == 100, native.asked() == undisturbed.asked())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    error, asked = run.stdout.splitlines()
    assert error.startswith("threads: the system allows") and asked == "True True"
