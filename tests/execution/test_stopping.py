"""Whatever ends the process of a search, the next one goes on, and nothing is left running."""

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


@pytest.mark.parametrize(("workers", "counts"), [(0, (5, 30)), (2, (25,))])
def test_kill_9_at_random_moments_then_resume(tmp_path: Path, workers: int, counts: tuple[int, ...]) -> None:
    unbroken = run(tmp_path / "unbroken", 0, sleep=0)
    path = tmp_path / "killed"
    moments = random.Random()  # a new one each time: any moment must do
    for count in counts:
        with searching(path, workers) as process:
            wait_for(path, count)
            time.sleep(moments.uniform(0, 0.2))
            process.kill()
        assert count <= recorded(path) < TRIALS
    assert run(path, 0, sleep=0) == unbroken


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 0)])
def test_interrupts_keep_what_is_finished(tmp_path: Path, number: signal.Signals, workers: int) -> None:
    path = tmp_path / "l"
    with searching(path, workers) as process:
        wait_for(path, 10)
        os.killpg(process.pid, number)  # as a terminal does: to the workers, too
        output, errors = process.communicate()
    assert errors == "" and process.returncode == 0
    assert output.startswith("arm main: stopped after ")
    with Ledger.open(path, read_only=True) as ledger:
        trials = ledger.trials("main")
    assert 10 <= len(trials) < TRIALS
    # No worker took the signal, which would be recorded as a crash that an unbroken run does not have.
    assert {t.reason for t in trials} <= {None, "RuntimeError: out of memory at <object object at 0x…>"}
