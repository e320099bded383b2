"""Plain data that crosses the layers. No behaviour beyond what the data itself implies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Genotype: TypeAlias = npt.NDArray[np.uint8]
"""One architecture: uint8 [num_choices]; a batch is uint8 [n, num_choices]. Inactive choices hold 0."""

Metrics: TypeAlias = dict[str, float]
"""Measured or predicted quantities by name, with the unit in the name: accuracy, latency_ms, params."""


def derive_seed(seed: int, *path: int | str) -> int:
    """A 63-bit seed for one use of `seed`, e.g. `derive_seed(seed, "trial", 7)`; same on every platform."""
    text = "/".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What a controller asks to be evaluated. `origin` says which part of it proposed, e.g. `mutation`."""

    trial: int
    genotype: Genotype
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a controller is told: the objective's view of one finished trial.

    values: to be minimised, one per objective; all infinite when the trial failed.
    violation: how far the constraints are missed, 0 when all hold.
    """

    trial: int
    genotype: Genotype
    origin: str
    values: tuple[float, ...]
    violation: float = 0.0
    failed: bool = False


class TrialStatus(str, Enum):
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One evaluation for an executor. `seed` is derived from the search's seed and the trial number."""

    trial: int
    genotype: Genotype
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an executor returns for a job: metrics, or the reason of its failure."""

    trial: int
    metrics: Metrics | None
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One row of the ledger.

    metrics: the evaluator's metrics and the predicted costs. extra: values only reported, never searched
    on (e.g. the test column of a table).
    """

    arm: str
    trial: int
    stage: int
    origin: str
    genotype: Genotype
    architecture: str
    seed: int
    status: TrialStatus
    reason: str | None
    metrics: Mapping[str, float]
    seconds: float
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an exported file's outputs are from the module it was made of.

    max_abs_error: largest absolute difference of any logit. ok: it is at most `tolerance`; a NaN is not.
    """

    format: str
    path: str
    max_abs_error: float
    tolerance: float
    ok: bool
