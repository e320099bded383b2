"""Exporting the finalists of a finished run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from efficient_nas import export
from efficient_nas.errors import ConfigError, RunFolderError
from efficient_nas.ledger import Ledger, RunFolder, storage_errors
from efficient_nas.recipes.config_errors import unknown
from efficient_nas.recipes.reporting import write_report
from efficient_nas.recipes.run import load_run
from efficient_nas.types import Parity


def export_run(path: str | Path, formats: Sequence[str] | None = None) -> list[tuple[int, Parity]]:
    """(rank, parity) of every file written: `finalists/<rank>/model.<format>` for each trained finalist.

    formats: of `export.EXPORTERS`, by default all that are available. The ledger and the report learn of the
    files. Raises RunFolderError if the run has no trained finalist, ConfigError for an unknown format.
    """
    chosen = list(export.available() if formats is None else formats)
    for name in chosen:
        if name not in export.EXPORTERS:
            raise unknown("--format", "format", name, export.EXPORTERS)
        if name not in export.available():
            raise ConfigError("--format", f"{name!r} needs packages: pip install 'efficient-nas[export]'")
    folder = RunFolder.existing(path)
    with folder.lock():
        written = [
            (found, export_file(found.load(), found.architecture.input_shape, name, found.folder, folder))
            for found in load_run(path).finalists
            if found.folder is not None and found.architecture is not None
            for name in chosen
        ]
        if not written:
            raise RunFolderError(f"{folder.path}: has no trained finalist to export")
        with Ledger.open(folder.ledger) as ledger:
            for rank, trial, record in ledger.finalists():
                new = [dataclasses.asdict(parity) for found, parity in written if found.rank == rank]
                old = [p for p in record["exports"] if p["format"] not in chosen]
                ledger.save_finalist(rank, trial, {**record, "exports": old + new})
        write_report(load_run(path))
    return [(found.rank or 0, parity) for found, parity in written]


def export_file(
    module: nn.Module, input_shape: Sequence[int], name: str, target: Path, folder: RunFolder
) -> Parity:
    """Writes `model.<name>` into `target`; the parity of the reloaded file, its path relative to `folder`.

    Raises ExportError if the network cannot be exported.
    """
    path = target / f"model.{name}"
    with storage_errors(path):
        parity = export.EXPORTERS[name](module, input_shape, path)
    return dataclasses.replace(parity, path=path.relative_to(folder.path).as_posix())
