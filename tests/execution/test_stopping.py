"""After kill -9 of a search with workers the next one goes on, and nothing is left running."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_target import TRIALS, run

from efficient_nas.ledger import Ledger

TARGET = Path(__file__).with_name("kill_target.py")


@contextlib.contextmanager
def searching(path: Path, workers: int) -> Iterator[subprocess.Popen[str]]:
    """A search in a process group of its own, which must be empty at the end."""
    process = subprocess.Popen(
        [sys.executable, str(TARGET), str(path), str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    yield process
    process.wait()
    deadline = time.monotonic() + 20
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("a worker process was left behind")


def recorded(path: Path) -> int:
    if not path.exists():
        return 0
    with Ledger.open(path, read_only=True) as ledger:
        return len(ledger.trials("main"))


def wait_for(path: Path, count: int) -> None:
    while recorded(path) < count:
        time.sleep(0.05)


def test_kill_9_at_a_random_moment_then_resume(tmp_path: Path) -> None:
    unbroken = run(tmp_path / "unbroken", 0, sleep=0)
    path = tmp_path / "killed"
    with searching(path, workers=2) as process:
        wait_for(path, 25)
        time.sleep(random.random() / 4)  # any moment must do
        process.kill()
    assert 25 <= recorded(path) < TRIALS
    assert run(path, 0, sleep=0) == unbroken
