"""The folder of one run: where its files lie, and the lock that keeps a second process out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from efficient_nas.errors import RunFolderError
from efficient_nas.ledger.schema import storage_errors

# What a process that died before its ledger was complete may leave behind.
_LEFTOVERS = {".lock", ".pid", "ledger.sqlite.new", "ledger.sqlite.new-journal"}


class RunFolder:
    """Paths inside a run folder (docs/design/search.md)."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.ledger = self.path / "ledger.sqlite"
        self.costs = self.path / "costs"
        self.finalists = self.path / "finalists"
        self.supernet = self.path / "supernet"
        self.report = self.path / "report.html"

    @classmethod
    def create(cls, path: str | Path) -> RunFolder:
        """A new run folder at `path`. Raises RunFolderError if something lies there or it is not writable."""
        folder = cls.check_creatable(path)
        with storage_errors(folder.path):
            folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    @classmethod
    def check_creatable(cls, path: str | Path) -> RunFolder:
        """Raises RunFolderError if `create` would; makes nothing."""
        folder = cls(path)
        with storage_errors(folder.path):
            if folder.path.exists() and not folder.path.is_dir():
                raise RunFolderError(f"{folder.path}: exists and is not a folder")
            if folder.ledger.exists():
                raise RunFolderError(
                    f"{folder.path}: holds a run already; resume it or choose another output"
                )
            if folder.path.is_dir() and any(item.name not in _LEFTOVERS for item in folder.path.iterdir()):
                raise RunFolderError(f"{folder.path}: is not empty; choose another output")
            nearest = next(p for p in (folder.path, *folder.path.absolute().parents) if p.exists())
            if not nearest.is_dir():
                raise RunFolderError(f"{folder.path}: {nearest} is not a folder")
            if not os.access(nearest, os.W_OK | os.X_OK):
                raise RunFolderError(f"{folder.path}: {nearest} is not writable")
        return folder

    @classmethod
    def existing(cls, path: str | Path) -> RunFolder:
        """The run folder at `path`. Raises RunFolderError if there is none."""
        folder = cls(path)
        if not folder.path.is_dir():
            raise RunFolderError(f"{folder.path}: no such folder")
        if not folder.ledger.is_file():
            raise RunFolderError(f"{folder.path}: not a run folder (it has no {folder.ledger.name})")
        return folder

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this process. Raises RunFolderError, naming the holder, if another one has it.

        The kernel drops the lock when its process dies, however it dies.
        """
        lock = filelock.FileLock(self.path / ".lock", timeout=0)
        owner = self.path / ".pid"
        try:
            lock.acquire()
        except filelock.Timeout:
            pid = owner.read_text().strip() if owner.is_file() else "unknown"
            raise RunFolderError(f"{self.path}: in use by another process (pid {pid})") from None
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be locked for writing: {error}") from error
        try:
            with storage_errors(owner):
                owner.write_text(f"{os.getpid()}\n")
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()
