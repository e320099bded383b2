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


def check_float(where: str, value: object, low: float, high: float = math.inf, above: bool = False) -> float:
    """`value` as a finite float in [low, high], or above `low` where `above` is set."""
    bound = f"a finite number {'>' if above else '>='} {low}"
    allowed = bound if high == math.inf else f"a number in [{low}, {high}]"
    wrong_type = not isinstance(value, Real) or isinstance(value, bool)
    if wrong_type or not math.isfinite(value) or not low <= value <= high or (above and value == low):  # type: ignore[arg-type,operator]
        raise ValueError(f"{where} must be {allowed}, got {value!r}")
    return float(value)  # type: ignore[arg-type]
