"""Reads tables of results: CSV (plain or gzip), Parquet and NPZ, as columns by name."""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from efficient_nas.errors import TableError, nearest

Columns: TypeAlias = dict[str, npt.NDArray[Any]]
"""Columns by name, each [n]; an NPZ file may also hold genotypes as [n, num_choices]."""

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".npz")


def read_table(path: str | Path) -> Columns:
    """The columns of a table: numbers as numbers where the file says so (Parquet, NPZ), CSV cells as text.

    Raises TableError for a missing, empty, truncated or unreadable file, naming the file and the reason.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(f"table: {path} is not a file{_nearest_file(path)}")
    readers = {".csv": _read_csv, ".csv.gz": _read_csv, ".parquet": _read_parquet, ".npz": _read_npz}
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise TableError(f"table: {path} must end in one of {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise TableError(f"table: {path} is empty (0 bytes)")
    try:
        columns = readers[suffix](path)
    except OSError as error:
        raise TableError(f"table: {path} cannot be read: {error}") from error
    if not columns or len(next(iter(columns.values()))) == 0:
        raise TableError(f"table: {path} has no rows")
    return columns


def column(
    columns: Mapping[str, npt.NDArray[Any]], name: str, path: str | Path, role: str
) -> npt.NDArray[Any]:
    """The named column; a TableError that gives the nearest name and all names where it is missing."""
    if name in columns:
        return columns[name]
    raise TableError(
        f"table: {path} has no column {name!r} ({role}){nearest(name, columns)}; "
        f"columns: {', '.join(map(repr, columns))}"
    )


def as_numbers(cells: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The cells as float64 of the same shape, to the last digit; NaN where a cell is no number."""
    numbers = np.full(cells.size, np.nan)
    for i, cell in enumerate(cells.ravel()):
        with suppress(TypeError, ValueError):
            numbers[i] = float(cell)
    return numbers.reshape(cells.shape)


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent})"
    return nearest(path.name, (p.name for p in path.parent.iterdir()))


def _read_csv(path: Path) -> Columns:
    compressed = path.name.lower().endswith(".gz")
    opened = gzip.open if compressed else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header, *rows = [row for row in csv.reader(stream, strict=True) if row] or [[]]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"table: {path} is a truncated or damaged gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise TableError(f"table: {path} is not UTF-8 text: {error}") from error
    except csv.Error as error:
        raise TableError(f"table: {path} is not a well-formed CSV file: {error}") from error
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise TableError(f"table: {path} names column {repeated[0]!r} more than once in its header")
    for i, row in enumerate(rows):
        if len(row) != len(header):
            raise TableError(
                f"table: row {i + 1} of {path} has {len(row)} fields, the header {len(header)} (truncated?)"
            )
    return {name: np.array([row[i] for row in rows], dtype=object) for i, name in enumerate(header) if rows}


def _read_parquet(path: Path) -> Columns:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise TableError(
            f"table: {path} needs pyarrow to be read; install it with: pip install 'efficient-nas[tables]'"
        ) from error
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise TableError(f"table: {path} is not a readable Parquet file: {error}") from error
    return {name: table.column(name).to_pandas().to_numpy() for name in table.column_names}


def _read_npz(path: Path) -> Columns:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise TableError(f"table: {path} is a single array, not an NPZ file with one array per column")
        with archive:
            columns = {name: archive[name] for name in archive.files}
    except TableError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TableError(
            f"table: {path} is not a readable NPZ file of plain arrays (nothing pickled): {error}"
        ) from error
    lengths = {name: array.shape[0] if array.ndim else -1 for name, array in columns.items()}
    if len(set(lengths.values())) > 1 or -1 in lengths.values():
        raise TableError(f"table: the arrays of {path} must have one common length, got {lengths}")
    return columns
