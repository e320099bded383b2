"""Checks of options that several rooms share."""

from __future__ import annotations

from typing import Any


def integer(name: str, value: Any, low: int = 1) -> int:
    """The value, or a ValueError where it is no int >= low."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name} must be an int >= {low}, got {value!r}")
    return value


def number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    """The value as a finite float, or a ValueError that names the allowed interval."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (
        numeric
        and float("-inf") < value < float("inf")
        and (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
        and (below is None or value < below)
    ):
        bounds = ((">=", low), (">", above), ("<=", high), ("<", below))
        allowed = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
        raise ValueError(f"{name} must be a number {allowed}, got {value!r}")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """The value, or a ValueError where it is no bool."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return value
