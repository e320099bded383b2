"""What an executor runs for every job: evaluator and cost models, with every failure turned into a reason."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from efficient_nas.errors import TrialFailed
from efficient_nas.protocols import Candidate, CostModel, Evaluator
from efficient_nas.types import Genotype, Job, Metrics, Outcome

_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


class Evaluation:
    """Metrics of a job: the predictions of `cost_models`, then what `evaluator` returns (which wins).

    required: metrics that every trial must have. All metrics must be finite numbers. Picklable if its
    parts are.
    """

    def __init__(
        self,
        make_candidate: Callable[[Genotype], Candidate],
        evaluator: Evaluator,
        cost_models: Sequence[CostModel] = (),
        required: Sequence[str] = (),
    ) -> None:
        self.make_candidate = make_candidate
        self.evaluator = evaluator
        self.cost_models = tuple(cost_models)
        self.required = tuple(required)

    def __call__(self, job: Job) -> Metrics:
        """All metrics of the job's architecture. Raises TrialFailed if one is missing or not finite."""
        candidate = self.make_candidate(job.genotype)
        metrics: Metrics = {}
        for model in self.cost_models:
            metrics.update(model.predict(candidate))
        found = self.evaluator.evaluate(candidate, job.seed)
        if not isinstance(found, Mapping):
            raise TrialFailed(f"the evaluator must return metrics by name, got {type(found).__name__}")
        metrics.update({name: _number(name, value) for name, value in found.items()})
        missing = [name for name in self.required if name not in metrics]
        if missing:
            raise TrialFailed(f"metric {missing[0]!r} is missing; there are {', '.join(sorted(metrics))}")
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise TrialFailed(f"metric {name!r} is {value}")
        return metrics


def run_job(evaluate: Callable[[Job], Metrics], job: Job) -> Outcome:
    """The outcome of one job: metrics, or the reason why it failed."""
    start = time.perf_counter()
    try:
        metrics, reason = evaluate(job), None
    except TrialFailed as error:
        metrics, reason = None, _one_line(str(error))
    except (Exception, SystemExit) as error:
        metrics, reason = None, _one_line(f"{type(error).__name__}: {error}")
    return Outcome(job.trial, metrics, reason, time.perf_counter() - start)


def _number(name: Any, value: Any) -> float:
    if not isinstance(name, str):
        raise TrialFailed(f"metric names must be strings, got {name!r}")
    if isinstance(value, (str, bytes)):
        raise TrialFailed(f"metric {name!r} must be a number, got {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise TrialFailed(f"metric {name!r} must be a number, got {type(value).__name__}") from error


def _one_line(text: str) -> str:
    """First line, at most 500 characters, without memory addresses: the ledger must repeat byte for byte."""
    lines = text.strip().splitlines() or ["no reason given"]
    return _ADDRESS.sub("0x…", lines[0])[:500]
