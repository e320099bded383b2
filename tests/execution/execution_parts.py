"""A small search for tests of the loop: real space and controllers, evaluators that misbehave on demand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from efficient_nas import controllers
from efficient_nas.errors import TrialFailed
from efficient_nas.execution import Budget, Evaluation, InProcess, run_arm
from efficient_nas.ledger import Ledger
from efficient_nas.objectives import Pareto
from efficient_nas.progressive import ProgressiveSchedule, Stage
from efficient_nas.protocols import Candidate as CandidateProtocol
from efficient_nas.protocols import Executor
from efficient_nas.spaces import Candidate, Choice, Space
from efficient_nas.types import Job, derive_seed

SPACE = Space(
    [
        Choice("depth", [1, 2, 3, 4], role="depth"),
        *(Choice(f"op{i}", ["skip", "conv", "pool"], role="operation") for i in range(4)),
        Choice("width", [8, 16, 32], role="width"),
    ],
    name="small",
)


class Noisy:
    """Metrics from genotype and seed; `trouble` maps the first three options to what happens instead."""

    def __init__(self, trouble: Mapping[str, str] | None = None, sleep: float = 0.0) -> None:
        self.trouble = dict(trouble or {})
        self.sleep = sleep

    def evaluate(self, candidate: CandidateProtocol, seed: int) -> dict[str, Any]:
        time.sleep(self.sleep)
        kind = self.trouble.get("".join(map(str, candidate.genotype[:3])))
        if kind == "raise":
            raise RuntimeError(f"out of memory at {object()!r}\nsecond line")
        if kind == "failed":
            raise TrialFailed("does not fit")
        if kind == "nan":
            return {"accuracy": float("nan"), "latency_ms": 1.0}
        if kind == "incomplete":
            return {"accuracy": 0.5}
        if kind == "text":
            return {"accuracy": "high", "latency_ms": 1.0}
        if kind == "exit":
            raise SystemExit(3)
        if kind == "die":
            os._exit(3)
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "hang":
            time.sleep(600)
        genotype = candidate.genotype.astype(float)
        return {
            "accuracy": float(genotype[1:5].sum()) / 8 + (seed % 1000) / 1e5,
            "latency_ms": float(genotype[0] + genotype[5]),
            "epochs": 2,
            "threads": torch.get_num_threads(),
        }


class Interrupting:
    """Another evaluation, interrupted by Ctrl-C in the middle of its call number `at`."""

    def __init__(self, evaluate: Callable[[Job], Any], at: int) -> None:
        self.evaluate, self.left = evaluate, at

    def __call__(self, job: Job) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.evaluate(job)


def evaluation(evaluator: Any, space: Space = SPACE) -> Evaluation:
    return Evaluation(partial(Candidate, space), evaluator, (), ("accuracy", "latency_ms"))


def search(
    path: Path,
    executor: Executor | None = None,
    *,
    controller: str = "regularized_evolution",
    make: controllers.Controller | None = None,
    evaluate: Evaluation | None = None,
    trials: int = 30,
    progressive: bool = False,
    **changes: Any,
) -> bytes:
    """Runs or resumes the arm `main` in the ledger at `path`; the archive of what it holds then."""
    stages = [Stage(until=0.4, max_depth=2, operations=("skip", "conv")), Stage(until=1.0)]
    arguments: dict[str, Any] = {
        "space": SPACE,
        "controller": make or controllers.create(controller, SPACE, derive_seed(5, "main", "controller")),
        "objective": Pareto(maximize=["accuracy"], minimize=["latency_ms"]),
        "executor": executor or InProcess(evaluate or evaluation(Noisy())),
        "seed": 5,
        "budget": Budget(trials=trials),
        "parallelism": 3,
        "schedule": ProgressiveSchedule(SPACE, stages, trials) if progressive else None,
    }
    with Ledger.open(path) if path.exists() else Ledger.create(path, {}) as ledger:
        run_arm("main", ledger=ledger, **{**arguments, **changes})
        return ledger.archive("main")
