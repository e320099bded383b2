"""The errors that users meet. Everything else is a ValueError or TypeError at the call itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class EfficientNasError(Exception):
    """Base of all errors of this package."""


class ConfigError(EfficientNasError, ValueError):
    """A wrong or unknown field of a configuration. `path` is the field, e.g. `controller.kind`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class RunFolderError(EfficientNasError):
    """A run folder that cannot be used: missing, read-only, in use, or of another version or config."""


class TableError(EfficientNasError, ValueError):
    """A table of results or latencies that cannot be used: missing, empty, truncated, wrong columns."""


class ExportError(EfficientNasError):
    """A network that cannot be exported, or an exporter whose packages are not installed."""


class SearchError(EfficientNasError):
    """A search that cannot go on: nothing but failed trials, or workers that do not start."""


class TrialFailed(EfficientNasError):
    """Raised by an evaluator to record a trial as failed with a reason; the search goes on."""


class SpaceExhausted(EfficientNasError):
    """Raised by `Controller.ask` when no architecture is left that was not proposed before."""


class Interrupted(EfficientNasError):
    """The search was stopped by the user; everything finished is in the ledger of `run_folder`, if known."""

    def __init__(self, message: str, run_folder: Path | None = None) -> None:
        super().__init__(message)
        self.run_folder = run_folder


def closest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name most like a wrong one, or None where none resembles it."""
    close = difflib.get_close_matches(name, sorted(allowed), n=1, cutoff=0.5)
    return close[0] if close else None


def nearest(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean x?)` for the allowed name closest to a wrong one, or an empty string."""
    close = closest(name, allowed)
    return f" (did you mean {close}?)" if close is not None else ""
