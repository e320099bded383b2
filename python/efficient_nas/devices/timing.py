"""Times calls: warm-up, passes over all calls in turn, medians with their spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

WARM_UP_CALLS = 3
MIN_PASSES = 5
MIN_REPEATS = 2
MAX_REPEATS = 200


@dataclass(frozen=True, slots=True)
class Timing:
    """Median and interquartile range of the repeats of one call, in milliseconds."""

    median_ms: float
    spread_ms: float
    repeats: int


def time_call(
    call: Callable[[], object], device: torch.device, seconds: float, repeats: int | None = None
) -> Timing:
    """The timing of one call: warmed up, then repeated until `seconds` have passed, or `repeats` times.

    At least 5 repeats in any case. Run it inside `quiet_measurement`.
    """
    clock = timing_clock(device)
    warm_until = time.perf_counter() + 0.2 * seconds
    for i in range(WARM_UP_CALLS + 1_000):
        _timed(call, device, clock)
        if i >= WARM_UP_CALLS - 1 and (repeats is not None or time.perf_counter() > warm_until):
            break
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < (repeats or 5) or (repeats is None and time.perf_counter() < end):
        samples.append(_timed(call, device, clock))
    return _summary(samples, len(samples))


def time_in_turn(
    calls: Sequence[Callable[[], object]],
    device: torch.device,
    seconds: float,
    progress: Callable[[int, int], None] | None = None,
    passes: int = 7,
) -> list[Timing]:
    """One timing per call, in about `seconds` for all of them together.

    Each pass visits every call in turn (one untimed call, then its repeats), so that a slow phase of the
    machine touches all calls alike; the result is the median of the passes' medians. Slow calls get fewer
    repeats, never fewer than 2 in each of 5 passes, so that very slow ones may take longer than `seconds`.
    progress: called with (visits done, visits in all). Run it inside `quiet_measurement`.
    """
    clock = timing_clock(device)
    estimates = []
    for call in calls:
        for _ in range(WARM_UP_CALLS - 1):
            call()
        estimates.append(max(_timed(call, device, time.perf_counter_ns), 1e-3))
    if 1e-3 * sum(estimates) * passes * (1 + MIN_REPEATS) > seconds:
        passes = MIN_PASSES
    share = 1e3 * seconds / (max(len(calls), 1) * passes)
    repeats = [int(np.clip(share / ms - 1, MIN_REPEATS, MAX_REPEATS)) for ms in estimates]
    medians = np.empty((len(calls), passes))
    for turn in range(passes):
        for i, call in enumerate(calls):
            _timed(call, device, clock)
            medians[i, turn] = np.median([_timed(call, device, clock) for _ in range(repeats[i])])
            if progress is not None:
                progress(turn * len(calls) + i + 1, passes * len(calls))
    return [_summary(row, passes * count) for row, count in zip(medians, repeats, strict=True)]


def timing_clock(device: torch.device) -> Callable[[], int]:
    """The clock of a measurement, in nanoseconds.

    On the CPU with one torch thread it is the time that this thread runs: on an idle machine the same as
    elapsed time, on a busy one without the time that other processes take from it. Otherwise elapsed time.
    """
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    if alone and time.get_clock_info("thread_time").resolution <= 1e-6:
        return time.thread_time_ns
    return time.perf_counter_ns


def _timed(call: Callable[[], object], device: torch.device, clock: Callable[[], int]) -> float:
    """Milliseconds of one call; on a GPU until its work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (clock() - start) * 1e-6


def _summary(samples: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], repeats: int) -> Timing:
    low, median, high = np.percentile(np.asarray(samples), [25, 50, 75])
    return Timing(float(median), float(high - low), repeats)
