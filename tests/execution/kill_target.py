"""A search in a process of its own, for tests that stop it: kill_target.py LEDGER WORKERS."""

from __future__ import annotations

import sys
from pathlib import Path

from execution_parts import Noisy, evaluation, search

from efficient_nas.execution import InProcess, ProcessPool

TRIALS = 60


def run(path: Path, workers: int, sleep: float) -> bytes:
    evaluate = evaluation(Noisy({"012": "raise"}, sleep))
    executor = ProcessPool(evaluate, workers) if workers else InProcess(evaluate)
    try:
        return search(path, executor, trials=TRIALS, progressive=True, parallelism=4, snapshot_every=9)
    finally:
        executor.close()


if __name__ == "__main__":
    print("started", flush=True)
    run(Path(sys.argv[1]), int(sys.argv[2]), sleep=0.02)
