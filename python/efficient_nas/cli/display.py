"""Live progress of a search on the terminal; plain lines where there is none."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from efficient_nas.cli.results import shown_number
from efficient_nas.recipes import Observer, Progress
from efficient_nas.recipes.progress import Silent

REFRESH_SECONDS = 0.1
LINE_SECONDS = 5.0


@contextlib.contextmanager
def display(quiet: bool) -> Iterator[Observer]:
    """An observer that writes to stderr."""
    console = Console(stderr=True)
    if quiet:
        yield Silent()
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
        )
        with Bars(*columns, console=console) as bars:
            yield _Live(bars)
    else:
        yield _Lines()


class _Live:
    """One bar per phase; the finished ones stay."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._shown = 0.0

    def begin(self, progress: Progress) -> None:
        self._task = self._bars.add_task(progress.phase, total=progress.total, status="")

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._shown > REFRESH_SECONDS or progress.done == progress.total:
            self._shown = now
            self._bars.update(
                self._task, completed=progress.done, total=progress.total, status=status(progress)
            )

    def note(self, text: str) -> None:
        self._bars.console.print(text, highlight=False, markup=False)


class _Lines:
    """A line at the begin and end of every phase, and every few seconds between."""

    def __init__(self) -> None:
        self._shown = 0.0

    def begin(self, progress: Progress) -> None:
        self._shown = time.monotonic()

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._shown > LINE_SECONDS or progress.done == progress.total:
            self._shown = now
            total = f"/{progress.total}" if progress.total else ""
            self.note(f"{progress.phase} {progress.done}{total}  {status(progress)}".rstrip())

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def status(progress: Progress) -> str:
    """Best trial, size of the front, failures and time left, as far as there are any."""
    parts = []
    if progress.best is not None:
        metrics = progress.best.metrics
        best = " ".join(f"{name} {shown_number(name, metrics[name])}" for name in progress.metrics)
        parts.append(f"best: {best}")
    if len(progress.front) > 1:
        parts.append(f"front {len(progress.front)}")
    if progress.failed:
        parts.append(f"failed {progress.failed}")
    left = progress.seconds_left()
    if left is not None and left >= 1:
        parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
    return " | ".join(parts)
