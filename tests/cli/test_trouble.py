"""Searches that are killed, interrupted, out of disk, or kept out lose nothing and say what to do."""

from __future__ import annotations

import os
import random
import resource
import shlex
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from running import ALLOW, SLOW, archives, recorded, run, run_here, start, wait_for, write_config

from efficient_nas import spaces
from efficient_nas.devices import OperatorTable
from efficient_nas.recipes import load_run

TRAINED: dict[str, Any] = {
    "space": {"name": "mbconv", "stem_channels": 4, "stages": [{"widths": [4, 8], "depths": [1, 2]}]},
    "task": {"dataset": "digits"},
    "evaluator": {"kind": "trained", "epochs": 1, "data_fraction": 0.3},
    "objective": {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["latency_ms"]},
    "controller": {"kind": "hybrid"},
    "progressive": {"stages": [{"until": 0.5, "max_depth": 1}, {"until": 1.0}]},
    "budget": {"trials": 10},
    "execution": {"parallelism": 3},
    "control_arms": ["random"],
    "devices": [{"table": "cpu.json"}],
    "final": {"top": 0},
}


def test_kill_9_of_a_trained_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in either arm and resumed: the archive of an unbroken run with the same cost table."""
    monkeypatch.chdir(tmp_path)
    space = spaces.create(**TRAINED["space"])
    OperatorTable.for_space(space, (1, 8, 8), 10, seconds=0.3).save(tmp_path / "cpu.json")
    write_config(tmp_path, TRAINED)
    folder = tmp_path / "killed"
    process = start("search", "config.yaml", "--output", folder, "--workers", "2", cwd=tmp_path)
    wait_for(process, folder, random.choice([4, 12]))
    time.sleep(random.random() / 4)
    process.kill()
    process.communicate()
    assert run_here("search", "--resume", folder) == 0
    assert run_here("search", "config.yaml", "--output", "unbroken") == 0
    assert archives(folder) == archives(tmp_path / "unbroken")
    assert [archive.count(b"\n") for archive in archives(folder).values()] == [10, 10]


def test_kill_9_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it starts, when there may be no run folder yet: then the same command starts it."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, SLOW)
    folder = tmp_path / "killed"

    def how() -> tuple[str | Path, ...]:
        known = (folder / "ledger.sqlite").exists()
        return ("--resume", folder) if known else ("config.yaml", "--output", folder)

    for seconds in (0.5, 1.5, 2.5):
        process = start("search", *how(), *ALLOW, cwd=tmp_path)
        time.sleep(seconds + random.random())
        process.kill()
        output, errors = process.communicate()
        assert process.returncode in {-signal.SIGKILL, 0}, (output, errors)
    assert run_here("search", *how(), *ALLOW) == 0
    assert run_here("search", "config.yaml", "--output", "unbroken", *ALLOW) == 0
    assert archives(folder) == archives(tmp_path / "unbroken")
    assert (folder / "report.html").is_file() and (folder / "config.yaml").is_file()


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 0)])
def test_interrupted_then_resumed_as_the_message_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, workers: int
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, {**SLOW, "execution": {"workers": workers}})
    process = start("search", "config.yaml", "--output", "a run", *ALLOW, cwd=tmp_path)
    wait_for(process, tmp_path / "a run", 10)
    os.killpg(process.pid, number)
    _, errors = process.communicate()
    assert process.returncode == 3, errors
    assert "Traceback" not in errors
    *_, where, resume = errors.strip().splitlines()
    assert where.endswith("a run: stopped; everything finished is kept")
    assert resume == "resume with: efficient-nas search --resume 'a run' --allow-import own_evaluators"
    # No worker took the signal: that would be recorded as a crash, which an unbroken run does not have.
    assert not load_run(tmp_path / "a run").trials["reason"].notna().any()
    words = shlex.split(resume.removeprefix("resume with: efficient-nas "))
    assert run_here(*words, "--workers", "0") == 0
    assert recorded(tmp_path / "a run") == 120


def test_a_full_disk_stops_the_search_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files stands for the disk."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, {**SLOW, "evaluator": {"kind": "own_evaluators:Slow"}, "budget": {"trials": 400}})

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, resource.RLIM_INFINITY))

    full = run("search", "config.yaml", "--output", "a", *ALLOW, cwd=tmp_path, preexec_fn=limit)
    assert full.returncode == 2 and "Traceback" not in full.stderr
    assert full.stderr.splitlines()[-1].startswith("error: a/ledger.sqlite: ")
    kept = archives(tmp_path / "a")["main"]
    assert 10 < kept.count(b"\n") < 400
    assert run_here("search", "--resume", "a", *ALLOW) == 0
    assert archives(tmp_path / "a")["main"].startswith(kept)
    assert recorded(tmp_path / "a") == 800


def test_a_folder_in_use_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, {**SLOW, "budget": {"seconds": 60}})
    process = start("search", "config.yaml", "--output", "a", *ALLOW, cwd=tmp_path)
    try:
        wait_for(process, tmp_path / "a", 3)
        assert run_here("search", "--resume", "a", *ALLOW) == 2
        message = f"error: a: in use by another process (pid {process.pid})\n"
        assert capsys.readouterr() == ("", message)
        assert run_here("report", "a") == 0  # looking at it is allowed
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_read_only_folders_and_newer_ledgers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    unprivileged: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path, {**SLOW, "budget": {"trials": 2}})
    closed = tmp_path / "closed"
    assert run_here("search", config, "--output", closed / "a", *ALLOW) == 0
    for path in [*closed.rglob("*"), closed]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    outputs = [
        run("search", config, "--output", closed / "b", *ALLOW, cwd=tmp_path, **unprivileged),
        run("search", "--resume", closed / "a", *ALLOW, cwd=tmp_path, **unprivileged),
        run("report", closed / "a", cwd=tmp_path, **unprivileged),
    ]
    for path in [closed, *closed.rglob("*")]:
        path.chmod(0o755)
    assert [done.returncode for done in outputs] == [2, 2, 2]
    assert outputs[0].stderr == f"error: {closed}/b: {closed} is not writable\n"
    assert "cannot be locked for writing" in outputs[1].stderr
    assert outputs[2].stderr.startswith(f"error: {closed}/a/report.html: ")

    connection = sqlite3.connect(closed / "a" / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    capsys.readouterr()
    for command in (("search", "--resume"), ("report",), ("export",)):
        assert run_here(*command, closed / "a") == 2
        assert "the ledger has schema version 7, this efficient-nas reads up to 1" in capsys.readouterr().err
