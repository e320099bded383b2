"""What a search costs beside its trials: the controllers' asking and telling, and the ledger."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from efficient_nas import controllers, spaces
from efficient_nas.ledger import Ledger
from efficient_nas.types import Result, Trial, TrialStatus
from harness import measure, table

TRIALS = 300


def controller_overhead(rounds: int) -> str:
    """Microseconds of ask and tell per trial, over a whole search on NAS-Bench-201."""
    space = spaces.create("nasbench201")
    genotypes = space.enumerate(space.size)
    costs = space.costs(genotypes)
    columns = {1: [costs["macs"]], 2: [costs["macs"], -costs["params"] + costs["peak_activation_bytes"]]}
    rows: list[list[object]] = []
    for name, objectives in itertools.product(controllers.available(), columns):
        values = np.stack(columns[objectives], axis=1).astype(float)
        scores = {row.tobytes(): tuple(value) for row, value in zip(genotypes, values, strict=True)}
        searches = 1 if name in {"reinforce", "hybrid"} else rounds
        per_trial = sorted(_search(name, seed, scores) for seed in range(searches))
        rows.append([name, objectives, per_trial[len(per_trial) // 2], per_trial[0], searches])
    note = (
        f"{TRIALS} trials, one at a time; looking up the values is not counted. Target for evolution: 50. "
        "`reinforce` and the policy in `hybrid` run an LSTM in torch for every proposal."
    )
    names = ["controller", "objectives", "us a trial (median)", "best", "searches"]
    return "\n".join([note, "", table(names, rows)])


def _search(name: str, seed: int, scores: dict[bytes, tuple[float, ...]]) -> float:
    controller = controllers.create(name, spaces.create("nasbench201"), seed)
    seconds = 0.0
    for _ in range(TRIALS):
        start = time.perf_counter()
        (proposal,) = controller.ask(1)
        seconds += time.perf_counter() - start
        values = scores[proposal.genotype.tobytes()]
        result = Result(proposal.trial, proposal.genotype, proposal.origin, values)
        start = time.perf_counter()
        controller.tell([result])
        seconds += time.perf_counter() - start
    return seconds / TRIALS * 1e6


def ledger(rounds: int) -> str:
    """Microseconds to commit one trial."""
    space = spaces.create("nasbench201")
    with tempfile.TemporaryDirectory() as folder, Ledger.create(Path(folder) / "l.sqlite", {}) as book:
        trials = map(_trial, itertools.count(), itertools.cycle(space.sample(1000, 0)))
        calls: dict[str, Callable[[], object]] = {"commit one trial": lambda: book.record(next(trials))}
        timings = measure(calls, 1, rounds)
    timing = timings["commit one trial"]
    microseconds = timing.nanoseconds_per_item / 1e3
    row: Sequence[object] = [timing.name, microseconds, f"{timing.spread:.0%}", f"{microseconds / 1e4:.2g} %"]
    note = "Each trial is one transaction (SQLite, WAL, synchronous NORMAL). Target: 1 % of a 1-second trial."
    return "\n".join([note, "", table(["call", "us", "spread", "share of a 1-second trial"], [row])])


def _trial(number: int, genotype: np.ndarray) -> Trial:
    metrics = {"accuracy": 0.9, "latency_ms": 1.5, "macs": 1e7, "params": 1e5}
    return Trial(
        arm="main",
        trial=number,
        stage=0,
        origin="mutation",
        genotype=genotype,
        architecture="|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|",
        seed=number,
        status=TrialStatus.COMPLETED,
        reason=None,
        metrics=metrics,
        seconds=1.0,
    )
