"""Live progress of a search on the terminal; plain lines where there is none."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from efficient_nas.cli.results import shown_number
from efficient_nas.recipes import Observer, Progress
from efficient_nas.recipes.progress import Silent

if TYPE_CHECKING:  # torch comes with it
    from efficient_nas.supernet import EpochRecord

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


def epoch_status(record: EpochRecord) -> str:
    """One epoch of a supernet in a line: losses and accuracies of weights and alphas, then the diagnosis."""
    parts = [f"loss {record.weight_loss:.3f} accuracy {record.weight_accuracy:.2%}"]
    if record.alpha_accuracy is not None:
        loss = "" if record.alpha_loss is None else f"loss {record.alpha_loss:.3f} "
        parts.append(f"alpha {loss}accuracy {record.alpha_accuracy:.2%}")
    for title, prefix in (("skips", "skips_"), ("entropy", "entropy_share_")):
        named = [(k.removeprefix(prefix), v) for k, v in record.diagnosis.items() if k.startswith(prefix)]
        if len(named) == 1:
            parts.append(f"{title} {named[0][1]:.3g}")
        elif named:
            parts.append(f"{title} {', '.join(f'{cell} {value:.3g}' for cell, value in named)}")
    unreached = sum(value for name, value in record.diagnosis.items() if name.startswith("unreached_"))
    if unreached:
        parts.append(f"no gradient at {unreached:.0f}")
    if "eigenvalue" in record.diagnosis:
        parts.append(f"eigenvalue {record.diagnosis['eigenvalue']:.3g}")
    return " | ".join(parts)


def status(progress: Progress) -> str:
    """Best trial, size of the front, failures and time left, as far as there are any."""
    parts = []
    if progress.epoch is not None:
        parts.append(epoch_status(progress.epoch))
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
