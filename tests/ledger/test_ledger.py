"""The ledger keeps what it was told, whatever happens to its process, and opens nothing it cannot read."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledger_trials import trial

from efficient_nas.errors import RunFolderError
from efficient_nas.ledger import Ledger
from efficient_nas.types import TrialStatus


def test_trials_read_back_in_order(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "l.sqlite", {}) as ledger:
        failed = trial(
            2, status=TrialStatus.FAILED, reason="NaN", metrics={}, extra={"x": float("nan"), "y": [1]}
        )
        for one in (trial(1), failed, trial(0), trial(0, arm="random")):
            ledger.record(one, elapsed=3.0)
        read = ledger.trials("main")
        assert [t.trial for t in read] == [0, 1, 2]
        assert np.array_equal(read[1].genotype, trial(1).genotype) and read[1].genotype.dtype == np.uint8
        assert read[1].metrics == trial(1).metrics and read[1].seed == 2**62 + 1
        assert read[2].status is TrialStatus.FAILED and read[2].reason == "NaN"
        assert np.isnan(read[2].extra["x"]) and read[2].extra["y"] == [1]
        assert ledger.arms() == ["main", "random"] and len(ledger.trials()) == 4
        assert ledger.elapsed("main") == 3.0 and ledger.elapsed("other") == 0.0


def test_a_trial_is_recorded_once(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "l.sqlite", {}) as ledger:
        ledger.record(trial(0))
        with pytest.raises(RunFolderError, match="UNIQUE"):
            ledger.record(trial(0, seconds=1.0))
        assert len(ledger.trials()) == 1


def test_archive_leaves_out_times_and_nothing_else(tmp_path: Path) -> None:
    def archive(name: str, **changes: Any) -> bytes:
        with Ledger.create(tmp_path / f"{name}.sqlite", {}) as ledger:
            ledger.record(trial(1))
            ledger.record(trial(0, **changes), elapsed=float(len(name)))
            return ledger.archive("main")

    reference = archive("a")
    assert reference.count(b"\n") == 2
    assert archive("slower", seconds=9.0) == reference
    changes: dict[str, Any] = {
        "stage": 1,
        "origin": "mutation",
        "genotype": np.array([0, 0, 0], np.uint8),
        "architecture": "b",
        "seed": 5,
        "status": TrialStatus.FAILED,
        "reason": "x",
        "metrics": {"accuracy": np.nextafter(0.1, 1)},
        "extra": {"test": 1.0},
    }
    for field, value in changes.items():
        assert archive(field, **{field: value}) != reference, field


def test_meta_snapshots_finalists_events(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger.create(path, {"config": {"seed": 1}}) as ledger:
        ledger.set_meta("config", {"seed": 2})
        ledger.save_snapshot("main", 10, {"x": np.arange(3), "deep": [{"y": np.float32([1.5])}]})
        ledger.save_snapshot("main", 20, {"x": np.arange(4)})
        ledger.save_finalist(2, 7, {"measured": {"latency_ms": float("inf")}})
        ledger.save_finalist(1, 5, {})
        ledger.add_event("space_exhausted", "all tried", "main", 9)
        for _ in range(2):
            ledger.add_event_once("note", {"a": 1})
    with Ledger.open(path) as ledger:
        assert ledger.meta("config") == {"seed": 2} and ledger.meta("nothing") is None
        snapshot = ledger.snapshot("main")
        assert snapshot is not None and snapshot.told == 20 and snapshot.state["x"].tolist() == [0, 1, 2, 3]
        assert ledger.snapshot("random") is None
        assert ledger.finalists() == [(1, 5, {}), (2, 7, {"measured": {"latency_ms": float("inf")}})]
        assert ledger.events("note") == [{"arm": None, "trial": None, "kind": "note", "detail": {"a": 1}}]
        assert len(ledger.events()) == 2
        ledger.clear_finalists()
        assert ledger.finalists() == []


def test_kill_9_loses_no_committed_trial(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from efficient_nas.ledger import Ledger
from ledger_trials import trial
ledger = Ledger.create({str(path)!r}, {{}})
for i in range(500):
    ledger.record(trial(i))
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == -9, run.stderr
    before = sorted((p.name, p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.iterdir())
    with Ledger.open(path, read_only=True) as ledger:  # most of it is still in the write-ahead log
        assert [t.trial for t in ledger.trials("main")] == list(range(500))
        archive = ledger.archive("main")
    assert sorted((p.name, p.stat().st_mtime_ns, p.read_bytes()) for p in tmp_path.iterdir()) == before
    with Ledger.open(path) as ledger:
        assert ledger.archive("main") == archive


def test_read_only_works_where_nothing_may_be_written(tmp_path: Path, unprivileged: dict[str, Any]) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger.create(path, {}) as ledger:
        ledger.record(trial(0))
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    code = (
        "import sys; from efficient_nas.ledger import Ledger; "
        "print(len(Ledger.open(sys.argv[1], read_only=True).trials())); Ledger.open(sys.argv[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        **unprivileged,
    )
    tmp_path.chmod(0o755)
    assert run.stdout == "1\n"
    assert "RunFolderError" in run.stderr and "readonly" in run.stderr


def test_read_only_refuses_writes_and_sees_a_living_writer(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger.create(path, {}) as writer:
        for i in range(50):
            writer.record(trial(i))
            with Ledger.open(path, read_only=True) as reader:
                assert len(reader.trials()) == i + 1
        with Ledger.open(path, read_only=True) as reader, pytest.raises(RunFolderError, match="readonly"):
            reader.record(trial(99))


def damaged(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("not a database at all, but long enough to look at" * 40)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "other":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        connection.close()
    else:
        Ledger.create(path, {}).close()
        if kind == "newer":
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA user_version = 99")
            connection.close()
        elif kind == "truncated":
            os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "not a ledger"),
        ("empty", "not a ledger"),
        ("folder", "no such ledger"),
        ("other", "not a ledger"),
        ("newer", "schema version 99, this efficient-nas reads up to 1; update"),
        ("truncated", "not a ledger|malformed"),
    ],
)
def test_unreadable_files_are_refused(tmp_path: Path, kind: str, message: str, read_only: bool) -> None:
    path = tmp_path / "l.sqlite"
    damaged(path, kind)
    content = path.read_bytes() if path.is_file() else None
    with pytest.raises(RunFolderError, match=message) as error:
        Ledger.open(path, read_only=read_only)
    assert str(path) in str(error.value)
    assert content is None or path.read_bytes() == content


def test_create_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    Ledger.create(path, {}).close()
    with pytest.raises(RunFolderError, match="exists already"):
        Ledger.create(path, {})


def test_a_full_disk_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writes beyond it fail as on a full one."""
    path = tmp_path / "l.sqlite"
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from efficient_nas.errors import RunFolderError
from efficient_nas.ledger import Ledger
from ledger_trials import trial
ledger = Ledger.create({str(path)!r}, {{}})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for i in range(10_000):
    try:
        ledger.record(trial(i))
    except RunFolderError as error:
        print(i, error)
        break
ledger.close()
"""
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    count, _, message = run.stdout.partition(" ")
    assert int(count) > 10 and message.startswith(str(path))
    with Ledger.open(path) as ledger:
        assert [t.trial for t in ledger.trials()] == list(range(int(count)))
        ledger.record(trial(int(count)))
