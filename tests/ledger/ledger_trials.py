"""Trials to put into a ledger."""

from __future__ import annotations

from typing import Any

import numpy as np

from efficient_nas.types import Trial, TrialStatus


def trial(number: int, **changes: Any) -> Trial:
    fields: dict[str, Any] = {
        "arm": "main",
        "trial": number,
        "stage": 0,
        "origin": "random",
        "genotype": np.array([number % 5, 1, 2], np.uint8),
        "architecture": f"a={number}",
        "seed": 2**62 + number,
        "status": TrialStatus.COMPLETED,
        "reason": None,
        "metrics": {"accuracy": 0.1 + number / 7},
        "seconds": 0.5,
    }
    return Trial(**{**fields, **changes})
