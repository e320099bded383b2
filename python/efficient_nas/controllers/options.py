"""Checks of options; `where` names the controller and the option in the error."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np


def check_int(where: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int in [low, high]."""
    allowed = f"an int >= {low}" if high is None else f"an int in [{low}, {high}]"
    wrong_type = not isinstance(value, int | np.integer) or isinstance(value, bool)
    if wrong_type or value < low or (high is not None and value > high):  # type: ignore[operator]
        raise ValueError(f"{where} must be {allowed}, got {value!r}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def check_float(where: str, value: object, low: float, high: float = math.inf) -> float:
    """`value` as a finite float in [low, high]."""
    allowed = f"a finite number >= {low}" if high == math.inf else f"a number in [{low}, {high}]"
    wrong_type = not isinstance(value, Real) or isinstance(value, bool)
    if wrong_type or not low <= value <= high or not math.isfinite(value):  # type: ignore[operator,arg-type]
        raise ValueError(f"{where} must be {allowed}, got {value!r}")
    return float(value)  # type: ignore[arg-type]
