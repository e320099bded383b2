"""A run folder belongs to one process at a time and is never overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from efficient_nas.errors import RunFolderError
from efficient_nas.ledger import Ledger, RunFolder

HOLD = """
import sys, time
from efficient_nas.ledger import RunFolder
with RunFolder(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_new_and_existing(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "deep" / "run")
    with pytest.raises(RunFolderError, match=r"not a run folder \(it has no ledger"):
        RunFolder.existing(folder.path)
    Ledger.create(folder.ledger, {}).close()
    assert RunFolder.existing(folder.path).ledger.is_file()
    with pytest.raises(RunFolderError, match="holds a run already; resume it"):
        RunFolder.create(folder.path)
    with pytest.raises(RunFolderError, match="no such folder"):
        RunFolder.existing(tmp_path / "none")


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="is not empty"):
        RunFolder.create(tmp_path)
    with pytest.raises(RunFolderError, match="is not a folder"):
        RunFolder.create(tmp_path / "thesis.txt")
    with pytest.raises(RunFolderError, match=r"thesis\.txt is not a folder"):
        RunFolder.create(tmp_path / "thesis.txt" / "run")


def test_a_death_before_the_ledger_leaves_a_usable_folder(tmp_path: Path) -> None:
    for name in (".lock", ".pid", "ledger.sqlite.new"):
        (tmp_path / name).touch()
    with RunFolder.create(tmp_path).lock(), Ledger.create(tmp_path / "ledger.sqlite", {}) as ledger:
        assert ledger.trials() == []


def test_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for _ in range(2):  # a refusal must not disturb the holder
            message = rf"in use by another process \(pid {holder.pid}\)"
            with pytest.raises(RunFolderError, match=message), RunFolder(tmp_path).lock():
                pass
    finally:
        holder.kill()
        holder.communicate()
    with RunFolder(tmp_path).lock():  # the kernel has released it
        assert (tmp_path / ".pid").read_text() == f"{os.getpid()}\n"
        with pytest.raises(RunFolderError, match=f"pid {os.getpid()}"), RunFolder(tmp_path).lock():
            pass
    assert not (tmp_path / ".pid").exists()


def test_read_only_places_are_refused(tmp_path: Path, unprivileged: dict[str, Any]) -> None:
    code = """
import sys
from efficient_nas.errors import RunFolderError
from efficient_nas.ledger import RunFolder
try:
    RunFolder.create(sys.argv[1] + "/run")
except RunFolderError as error:
    print(error)
try:
    with RunFolder(sys.argv[1]).lock():
        pass
except RunFolderError as error:
    print(error)
"""
    tmp_path.chmod(0o555)
    command = [sys.executable, "-c", code, str(tmp_path)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/", **unprivileged)
    tmp_path.chmod(0o755)
    first, second = run.stdout.splitlines()
    assert first == f"{tmp_path}/run: {tmp_path} is not writable"
    assert second.startswith(f"{tmp_path}: cannot be locked for writing") and "Permission denied" in second
