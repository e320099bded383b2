"""Times callables against each other in one process and writes the result as Markdown.

The rounds are interleaved (a b c, a b c, ...), so that a machine that slows down or speeds up does so for all
of them alike. Medians over rounds are the figures to quote; minimum and spread say how quiet the machine was.
"""

from __future__ import annotations

import datetime
import gc
import importlib.metadata
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from efficient_nas import devices

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.01  # a shorter call is repeated within a sample until it takes this long
LONG_SAMPLES = 100  # a call that takes as long as so many samples is not tried again before the rounds
PACKAGES = ("efficient-nas", "numpy", "torch", "nanobind_backend")
PACKAGES += ("pymoo", "pygmo", "deap", "optuna", "moocore", "evotorch", "networkx", "pynauty")


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, over the rounds. items: what a call processes, e.g. rows of a batch."""

    name: str
    seconds: tuple[float, ...]
    items: int = 1

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def minimum(self) -> float:
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """Distance between the quartiles over the median; 0 for a single round."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / self.median

    @property
    def nanoseconds_per_item(self) -> float:
        return self.median / self.items * 1e9

    @property
    def items_per_second(self) -> float:
        return self.items / self.median


def measure(
    calls: Mapping[str, Callable[[], object]], items: int | Mapping[str, int] = 1, rounds: int = 15
) -> dict[str, Timing]:
    """Timings of the calls by name, from interleaved rounds after one warm-up call each.

    items: what one call processes, for all calls or by name. The garbage collector rests meanwhile.
    """
    repeats = {name: _repeats(call) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                seconds[name].append(_sample(call, repeats[name]))
    finally:
        if was_enabled:
            gc.enable()
    counts = {name: items if isinstance(items, int) else items[name] for name in calls}
    return {name: Timing(name, tuple(seconds[name]), counts[name]) for name in calls}


def ratio(slow: Timing, fast: Timing) -> float:
    """How many times longer an item takes in `slow` than in `fast`: the median over the paired rounds."""
    pairs = zip(slow.seconds, fast.seconds, strict=True)
    return statistics.median(a / b for a, b in pairs) * fast.items / slow.items


def _repeats(call: Callable[[], object]) -> int:
    if _sample(call, 1) > LONG_SAMPLES * SAMPLE_SECONDS:
        return 1
    repeats = 1
    while (seconds := _sample(call, repeats) * repeats) < SAMPLE_SECONDS:
        repeats = max(2 * repeats, int(repeats * SAMPLE_SECONDS / max(seconds, 1e-7)))
    return repeats


def _sample(call: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats get three significant digits."""
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def header(title: str, command: str) -> str:
    """Title, machine, versions, commit and command: what it takes to repeat a result."""
    device = devices.describe()
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES if _version(name))
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return "\n".join(
        [
            f"# {title}",
            "",
            f"- {device['cpu']}, {device['cores']} cores, {device['system']}; load {_load()}",
            f"- {today}, commit {commit()}, Python {device['python']}, {versions}",
            f"- `{command}`",
        ]
    )


def _load() -> str:
    """The machine's load average over the last minute: above its cores' number, times are too long."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit() -> str:
    """The short commit of the working tree, marked where files differ from it; `unknown` outside of git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
