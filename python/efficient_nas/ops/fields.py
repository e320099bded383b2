"""Checks of the numbers in a specification."""

from __future__ import annotations

from efficient_nas.graph.node import checked_int


def positive_int(name: str, value: object) -> int:
    """`value` as an int of at least 1; `name` begins the message of the TypeError or ValueError."""
    number = checked_int(name, value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number


def checked_stride(where: str, stride: object) -> int:
    """`stride` as 1 or 2; TypeError or ValueError for anything else."""
    number = checked_int(f"{where}: stride", stride)
    if number not in {1, 2}:
        raise ValueError(f"{where}: stride must be 1 or 2, got {number}")
    return number
