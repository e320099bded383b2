"""What a search tells about itself."""

from __future__ import annotations

import dataclasses
import io
import time
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from efficient_nas.cli.display import _Lines, _Live, epoch_status, status
from efficient_nas.execution import Budget
from efficient_nas.recipes import Progress
from efficient_nas.supernet import EpochRecord
from efficient_nas.types import Result, Trial, TrialStatus

GENOTYPE = np.zeros(2, np.uint8)


def add(progress: Progress, accuracy: float | None, latency: float = 1.0, violation: float = 0.0) -> None:
    failed = accuracy is None
    number = progress.done
    metrics = {} if accuracy is None else {"accuracy": accuracy, "latency_ms": latency, "epochs": 2.0}
    state = TrialStatus.FAILED if failed else TrialStatus.COMPLETED
    values = (np.inf, np.inf) if accuracy is None else (-accuracy, latency)
    trial = Trial("main", number, 0, "x", GENOTYPE, "text", 0, state, None, metrics, 0.0)
    progress.add(trial, Result(number, GENOTYPE, "x", values, violation, failed))


def test_best_and_front() -> None:
    progress = Progress("main", 10, metrics=["accuracy", "latency_ms"])
    for point in [(None,), (0.5, 2.0), (0.9, 9.0, 1.0), (0.4, 1.0), (0.6, 2.0), (0.3, 5.0)]:
        add(progress, *point)
    assert progress.best is not None and progress.best.trial == 4  # the infeasible 0.9 does not lead
    assert sorted(progress.front) == [(-0.6, 2.0), (-0.4, 1.0)]
    assert (progress.done, progress.failed) == (6, 1)
    assert status(progress).startswith("best: accuracy 0.6000 latency_ms 2 | front 2 | failed 1")


def test_an_infeasible_best_gives_way_to_a_feasible_one() -> None:
    progress = Progress("main", 10)
    for point in [(0.9, 1.0, 3.0), (0.8, 1.0, 1.0), (0.1, 1.0, 0.0)]:
        add(progress, *point)
    assert progress.best is not None and progress.best.trial == 2 and len(progress.front) == 1


def test_share_follows_the_closest_limit() -> None:
    progress = Progress("main", 100, Budget(trials=100, epochs=8))
    add(progress, 0.5)
    assert progress.share() == 0.25
    assert Progress("main").share() == 0.0
    assert 0.5 <= Progress("main", None, Budget(seconds=100), elapsed=50.0).share() < 0.6


def test_resumed_trials_say_nothing_about_the_pace() -> None:
    progress = Progress("main", 40, already=20)
    for _ in range(20):
        add(progress, 0.5)
    assert progress.seconds_left() is None
    time.sleep(0.05)
    for _ in range(10):
        add(progress, 0.5)
    left = progress.seconds_left()
    assert left is not None and left >= 0.05  # 10 trials took at least that, 10 are left


def test_an_epoch_of_a_supernet_in_a_line() -> None:
    bare = EpochRecord(1, 7.5, 2.25, 0.25, None, None, 0.025, None, None)
    assert epoch_status(bare) == "loss 2.250 accuracy 25.00%"
    rewards = dataclasses.replace(
        bare, alpha_accuracy=0.5, diagnosis={"skips_cell": 3.0, "unreached_alphas": 0.0}
    )
    assert epoch_status(rewards) == "loss 2.250 accuracy 25.00% | alpha accuracy 50.00% | skips 3"
    diagnosis = {
        "skips_normal": 2.0,
        "skips_reduce": 0.0,
        "entropy_normal": 2.0,
        "entropy_share_normal": 0.9618,
        "entropy_share_reduce": 0.5,
        "eigenvalue": 0.31234,
        "unreached_alphas": 2.0,
        "unreached_candidates": 1.0,
    }
    full = dataclasses.replace(rewards, alpha_loss=1.75, diagnosis=diagnosis)
    assert epoch_status(full) == (
        "loss 2.250 accuracy 25.00% | alpha loss 1.750 accuracy 50.00% | skips normal 2, reduce 0 | "
        "entropy normal 0.962, reduce 0.5 | no gradient at 3 | eigenvalue 0.312"
    )


def phases(observer: Any) -> None:
    for progress in (Progress("main", 3), Progress("finalist 1", 2)):
        observer.begin(progress)
        for done in range(1, 4):
            progress.step(done, 3)
            observer.update(progress)
    observer.note("exporting to [onnx]")


def test_terminal_shows_one_bar_per_phase() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=90)
    with Bars(console=console) as bars:
        phases(_Live(bars))
    shown = text.getvalue()
    assert "main" in shown and "finalist 1" in shown and "exporting to [onnx]" in shown
    assert all(task.finished for task in bars.tasks)


def test_without_a_terminal_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    phases(_Lines())
    assert capsys.readouterr().err.splitlines() == ["main 3/3", "finalist 1 3/3", "exporting to [onnx]"]
