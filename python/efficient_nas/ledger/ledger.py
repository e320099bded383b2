"""The durable record of a run."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficient_nas.errors import RunFolderError
from efficient_nas.ledger.encoding import dump_state, dumps, load_state, loads
from efficient_nas.ledger.schema import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    check_version,
    connect,
    copy_consistently,
    storage_errors,
)
from efficient_nas.types import Trial, TrialStatus

_COLUMNS = "arm, trial, stage, origin, genotype, architecture, seed, status, reason, metrics, extra"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State of one arm when the trials 0 to told - 1 had been told."""

    told: int
    state: dict[str, Any]


class Ledger:
    """Every trial, snapshot, finalist and event of a run, in one SQLite file.

    Each write is one transaction that outlives the process (WAL, synchronous NORMAL: a power cut may lose the
    last moments, never the consistency). One writer at a time, guarded by `RunFolder.lock`. Whatever the disk
    refuses (full, read-only, damaged) is a RunFolderError; what was written before stays.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, cleanup: contextlib.ExitStack) -> None:
        self.path = path
        self._connection = connection
        self._cleanup = cleanup

    @classmethod
    def create(cls, path: str | Path, meta: Mapping[str, Any]) -> Ledger:
        """A new ledger at `path`, holding `meta` (JSON values by name). It appears complete or not at all."""
        path = Path(path)
        if path.exists():
            raise RunFolderError(f"{path}: exists already")
        draft = path.with_name(path.name + ".new")
        with storage_errors(path):
            draft.unlink(missing_ok=True)
            connection = sqlite3.connect(draft)
            try:
                connection.executescript(
                    f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION};{SCHEMA}"
                )
                rows = [(key, dumps(value)) for key, value in meta.items()]
                with connection:
                    connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            finally:
                connection.close()
            draft.replace(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path, read_only: bool = False) -> Ledger:
        """The ledger at `path`. `read_only` reads a private copy: the run folder is not touched in any way.

        Raises RunFolderError when the file is missing, damaged, not a ledger or of a newer version.
        """
        path = Path(path)
        if not path.is_file():
            raise RunFolderError(f"{path}: no such ledger")
        with contextlib.ExitStack() as stack, storage_errors(path):
            source = path
            if read_only:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="efficient-nas-"))
                source = copy_consistently(path, Path(folder))
            probe = stack.enter_context(contextlib.closing(sqlite3.connect(source)))
            check_version(probe, path)
            connection = stack.enter_context(contextlib.closing(connect(source)))
            if read_only:
                connection.execute("PRAGMA query_only=ON")
            probe.close()
            return cls(path, connection, stack.pop_all())

    def close(self) -> None:
        """Closes the file. Harmless when called twice."""
        with contextlib.suppress(sqlite3.Error):
            self._cleanup.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def meta(self, key: str) -> Any:
        """The value stored under `key`, or None."""
        rows = self._read("SELECT value FROM meta WHERE key = ?", key)
        return loads(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: Any) -> None:
        """Stores a JSON value under `key`, replacing the one before."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, dumps(value))

    def record(self, trial: Trial, elapsed: float = 0.0) -> None:
        """Commits one finished trial, once. `elapsed`: seconds on the arm's clock."""
        self._write(
            f"INSERT INTO trials ({_COLUMNS}, seconds, elapsed, created) VALUES ({','.join('?' * 14)})",
            trial.arm,
            trial.trial,
            trial.stage,
            trial.origin,
            trial.genotype.tobytes(),
            trial.architecture,
            trial.seed,
            trial.status.value,
            trial.reason,
            dumps(trial.metrics),
            dumps(trial.extra),
            trial.seconds,
            elapsed,
            _now(),
        )

    def trials(self, arm: str | None = None) -> list[Trial]:
        """All trials in order of trial number, of one arm or of every arm in the order the arms began."""
        if arm is None:
            return [trial for name in self.arms() for trial in self.trials(name)]
        rows = self._read(f"SELECT {_COLUMNS}, seconds FROM trials WHERE arm = ? ORDER BY trial", arm)
        return [_trial(row) for row in rows]

    def arms(self) -> list[str]:
        """Names of the arms with at least one trial, in the order they began."""
        rows = self._read("SELECT arm FROM trials GROUP BY arm ORDER BY min(created), arm")
        return [row[0] for row in rows]

    def elapsed(self, arm: str) -> float:
        """Seconds on the arm's clock when its last trial was committed, 0 if there is none."""
        rows = self._read("SELECT max(elapsed) FROM trials WHERE arm = ?", arm)
        return float(rows[0][0] or 0.0)

    def archive(self, arm: str) -> bytes:
        """What a resumed run must repeat byte for byte: one JSON line a trial.

        Every column but the times (`seconds`, `elapsed`, `created`).
        """
        rows = self._read(f"SELECT {_COLUMNS} FROM trials WHERE arm = ? ORDER BY trial", arm)
        lines = (dumps([item.hex() if isinstance(item, bytes) else item for item in row]) for row in rows)
        return "".join(line + "\n" for line in lines).encode()

    def save_snapshot(self, arm: str, told: int, state: Mapping[str, Any]) -> None:
        """Stores the state of an arm (JSON values and numpy arrays), replacing the one before."""
        text, arrays = dump_state(state)
        self._write("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", arm, told, text, arrays)

    def snapshot(self, arm: str) -> Snapshot | None:
        """The latest snapshot of an arm, or None."""
        rows = self._read("SELECT told, state, arrays FROM snapshots WHERE arm = ?", arm)
        return Snapshot(rows[0][0], load_state(rows[0][1], rows[0][2])) if rows else None

    def save_finalist(self, rank: int, trial: int, record: Mapping[str, Any]) -> None:
        """Stores what is known of a finalist (JSON values), replacing the record of that rank."""
        self._write("INSERT OR REPLACE INTO finalists VALUES (?, ?, ?)", rank, trial, dumps(record))

    def finalists(self) -> list[tuple[int, int, dict[str, Any]]]:
        """(rank, trial, record) of every finalist by rank."""
        rows = self._read("SELECT rank, trial, record FROM finalists ORDER BY rank")
        return [(rank, trial, loads(record)) for rank, trial, record in rows]

    def clear_finalists(self) -> None:
        """Forgets all finalists: the front they were chosen from has changed."""
        self._write("DELETE FROM finalists")

    def add_event(self, kind: str, detail: Any, arm: str | None = None, trial: int | None = None) -> None:
        """Notes that something happened (a JSON value), e.g. that an arm ran out of architectures."""
        self._write(
            "INSERT INTO events (arm, trial, kind, detail, created) VALUES (?,?,?,?,?)",
            arm,
            trial,
            kind,
            dumps(detail),
            _now(),
        )

    def add_event_once(
        self, kind: str, detail: Any, arm: str | None = None, trial: int | None = None
    ) -> None:
        """`add_event`, unless the very event is there already: for what a resumed run would note again."""
        if {"arm": arm, "trial": trial, "kind": kind, "detail": detail} not in self.events(kind):
            self.add_event(kind, detail, arm, trial)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """All events in order, as dicts with keys arm, trial, kind, detail; of one kind if given."""
        rows = self._read(
            "SELECT arm, trial, kind, detail FROM events WHERE ? IS NULL OR kind = ? ORDER BY id", kind, kind
        )
        return [{"arm": r[0], "trial": r[1], "kind": r[2], "detail": loads(r[3])} for r in rows]

    def _write(self, statement: str, *values: Any) -> None:
        with storage_errors(self.path):
            self._connection.execute(statement, values)

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with storage_errors(self.path):
            return self._connection.execute(statement, values).fetchall()


def _trial(row: tuple[Any, ...]) -> Trial:
    arm, number, stage, origin, genotype, architecture, seed, status, reason, metrics, extra, seconds = row
    return Trial(
        arm=arm,
        trial=number,
        stage=stage,
        origin=origin,
        genotype=np.frombuffer(genotype, dtype=np.uint8),
        architecture=architecture,
        seed=seed,
        status=TrialStatus(status),
        reason=reason,
        metrics=loads(metrics),
        seconds=seconds,
        extra=loads(extra),
    )


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat()
