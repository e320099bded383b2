"""The tables of `ledger.sqlite`, and opening the file with errors that a user can act on."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from efficient_nas.errors import RunFolderError

APPLICATION_ID = 0x6E61736C
SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (
  arm TEXT NOT NULL, trial INTEGER NOT NULL, stage INTEGER NOT NULL, origin TEXT NOT NULL,
  genotype BLOB NOT NULL, architecture TEXT NOT NULL, seed INTEGER NOT NULL,
  status TEXT NOT NULL, reason TEXT, metrics TEXT NOT NULL, extra TEXT NOT NULL,
  seconds REAL NOT NULL, elapsed REAL NOT NULL, created TEXT NOT NULL,
  PRIMARY KEY (arm, trial)
) WITHOUT ROWID;
CREATE TABLE snapshots (
  arm TEXT PRIMARY KEY, told INTEGER NOT NULL, state TEXT NOT NULL, arrays BLOB NOT NULL
);
CREATE TABLE finalists (rank INTEGER PRIMARY KEY, trial INTEGER NOT NULL, record TEXT NOT NULL);
CREATE TABLE events (
  id INTEGER PRIMARY KEY, arm TEXT, trial INTEGER, kind TEXT NOT NULL, detail TEXT NOT NULL,
  created TEXT NOT NULL
);
"""


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns what SQLite and the file system raise into a RunFolderError that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise RunFolderError(f"{path}: {error}") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode: every statement is one transaction, survived by kill -9."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises RunFolderError unless the file is a ledger that this version can read."""
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise RunFolderError(f"{path}: not a ledger of efficient-nas ({error})") from error
    if application != APPLICATION_ID:
        raise RunFolderError(f"{path}: not a ledger of efficient-nas (application id {application:#x})")
    if version > SCHEMA_VERSION:
        raise RunFolderError(
            f"{path}: the ledger has schema version {version}, this efficient-nas reads up to "
            f"{SCHEMA_VERSION}; update efficient-nas"
        )
    if version < 1 or not {"meta", "trials", "snapshots", "finalists", "events"} <= tables:
        raise RunFolderError(f"{path}: the ledger is incomplete (schema version {version})")


def copy_consistently(path: Path, folder: Path) -> Path:
    """A copy of a ledger and its write-ahead log that belong together, made without touching the original.

    SQLite itself would need to create files beside a WAL database to read it, which fails in a read-only
    folder and is never wanted here. The main file changes only in a checkpoint, which also renews the log's
    header: if neither moved while copying, the pair is consistent (a torn last frame fails its checksum).
    """
    log = path.with_name(path.name + "-wal")
    copy = folder / path.name
    for _ in range(100):
        before = _fingerprint(path, log)
        shutil.copyfile(path, copy)
        copied_log = copy.with_name(log.name)
        copied_log.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(log, copied_log)
        if _fingerprint(path, log) == before:
            return copy
    raise RunFolderError(f"{path}: keeps changing while it is read; try again")


def _fingerprint(path: Path, log: Path) -> tuple[int, int, int, bytes]:
    status = path.stat()
    try:
        with log.open("rb") as file:
            header = file.read(32)
    except FileNotFoundError:
        header = b""
    return status.st_ino, status.st_size, status.st_mtime_ns, header
