"""Runs the command line as a user does, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Any

import yaml

from efficient_nas.cli import main
from efficient_nas.ledger import Ledger

COMMAND = str(Path(sysconfig.get_path("scripts")) / "efficient-nas")
HERE = str(Path(__file__).parent)

SLOW: dict[str, Any] = {
    "space": {"name": "own_evaluators:plain_space"},
    "evaluator": {"kind": "own_evaluators:Slow", "seconds": 0.01},
    "controller": {"kind": "regularized_evolution"},
    "control_arms": ["random"],
    "budget": {"trials": 60},
}
ALLOW = ("--allow-import", "own_evaluators")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": HERE, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def run(*arguments: str | Path, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def run_here(*arguments: str | Path) -> int:
    """The exit code of a command run in this process: a new one would only cost time."""
    return main([str(argument) for argument in arguments])


def start(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """In a process group of its own and with Ctrl-C at work, as a terminal would start it.

    A background job of a shell inherits SIGINT as ignored, and a search rightly keeps it so. A signal that is
    handled here is back at its default in the new process.
    """
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            cwd=cwd,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, inherited)


def write_config(folder: Path, fields: dict[str, Any], name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(fields))
    return path


def recorded(folder: Path) -> int:
    """Trials in the ledger of a run folder that may be in use, 0 if there is none yet."""
    if not (folder / "ledger.sqlite").exists():
        return 0
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        return len(ledger.trials())


def wait_for(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Until `count` trials are recorded; fails when the search ends before."""
    while recorded(folder) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def archives(folder: Path) -> dict[str, bytes]:
    """The archive of every arm."""
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        return {arm: ledger.archive(arm) for arm in ledger.arms()}
