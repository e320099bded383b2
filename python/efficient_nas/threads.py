"""Torch's number of threads, fixed for a while: sums then have one order, whoever shares the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def check_threads(threads: int) -> int:
    """The number of threads, or a ValueError where it is no positive int."""
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads must be an int >= 1, got {threads!r}")
    return threads


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Runs the body with this number of torch threads and restores the caller's."""
    before = torch.get_num_threads()
    torch.set_num_threads(check_threads(threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
