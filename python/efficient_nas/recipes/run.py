"""A run folder as an object: what was found, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from efficient_nas import export
from efficient_nas.errors import RunFolderError
from efficient_nas.graph import Architecture
from efficient_nas.ledger import Ledger, RunFolder
from efficient_nas.recipes.build import create_objective
from efficient_nas.recipes.choosing import front
from efficient_nas.recipes.supernet_training import read_supernet
from efficient_nas.reports.data import COLUMNS
from efficient_nas.types import Genotype, Parity, Trial


@dataclass(frozen=True, eq=False)
class Found:
    """One architecture that a search found.

    trial: its number in the main arm. text: in the space's notation. predicted: what the search saw, metrics
    and predicted costs. The rest is of finalists only, else None or empty: rank, architecture (if the space
    builds any), measured (after final training, on the device; report-only columns), exports, folder
    (if trained).
    """

    trial: int
    text: str
    genotype: Genotype
    predicted: dict[str, float]
    rank: int | None = None
    architecture: Architecture | None = None
    measured: dict[str, Any] = field(default_factory=dict)
    exports: tuple[Parity, ...] = ()
    folder: Path | None = None

    def load(self) -> nn.Module:
        """The trained network in evaluation mode. Raises RunFolderError if this one was not trained."""
        if self.folder is None:
            raise RunFolderError(
                f"trial {self.trial} has no trained network: only finalists (final.top) of an evaluator that "
                "trains have one"
            )
        module: nn.Module = export.load_network(self.folder)
        return module


class Run:
    """What a search found so far; read once from its folder, which is never changed.

    supernet: how its supernet was trained (`nas.reports.SupernetData`); None where none was.
    """

    def __init__(self, path: str | Path) -> None:
        folder = RunFolder.existing(path)
        self.path = folder.path
        self.report_path = folder.report
        with Ledger.open(folder.ledger, read_only=True) as ledger:
            self.config: dict[str, Any] = ledger.meta("config")
            self.name: str = ledger.meta("name")
            self.versions: dict[str, str] = ledger.meta("versions")
            self.device: dict[str, Any] = ledger.meta("device")
            self.notes = [_note(event) for event in ledger.events()]
            self._trials = ledger.trials()
            self._finalists = ledger.finalists()
        self.supernet = read_supernet(folder, self._trials)
        self.objective = create_objective(self.config["objective"])
        self.control_arms: list[str] = self.config["control_arms"]

    def __repr__(self) -> str:
        return f"<Run {self.path}: {len(self._trials)} trials, front of {len(self.front)}>"

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial of every arm: `reports.data.COLUMNS`, then one column per metric."""
        rows = [
            {
                **{name: getattr(trial, name) for name in COLUMNS},
                "status": trial.status.value,
                **trial.metrics,
            }
            for trial in self._trials
        ]
        metrics = list(dict.fromkeys(name for trial in self._trials for name in trial.metrics))
        return pd.DataFrame(rows, columns=[*COLUMNS, *metrics])

    @cached_property
    def front(self) -> list[Found]:
        """The main arm's non-dominated feasible architectures, best first value first."""
        main = [trial for trial in self._trials if trial.arm == "main"]
        finalists = {found.trial: found for found in self.finalists}
        return [finalists.get(main[i].trial) or _found(main[i]) for i in front(main, self.objective)]

    @cached_property
    def finalists(self) -> list[Found]:
        """The architectures that were trained or measured after the search, by rank."""
        main = {trial.trial: trial for trial in self._trials if trial.arm == "main"}
        found = []
        for rank, number, record in self._finalists:
            folder = self.path / "finalists" / str(rank)
            trained = folder if (folder / "weights.safetensors").is_file() else None
            found.append(_found(main[number], rank, record, trained))
        return found

    @property
    def best(self) -> Found | None:
        """The leader in the objective's first value: first finalist, else first of the front.

        None if no trial has completed within the limits.
        """
        return next(iter([*self.finalists, *self.front]), None)


def load_run(path: str | Path) -> Run:
    """The run in a folder. Reads only: the folder may be write-protected or in use by a running search."""
    return Run(path)


def _found(
    trial: Trial, rank: int | None = None, record: dict[str, Any] | None = None, folder: Path | None = None
) -> Found:
    record = record or {}
    return Found(
        trial=trial.trial,
        text=trial.architecture,
        genotype=np.array(trial.genotype),
        predicted=dict(trial.metrics),
        rank=rank,
        architecture=Architecture.from_json(record["architecture"]) if record.get("architecture") else None,
        measured=record.get("measured", {}),
        exports=tuple(Parity(**parity) for parity in record.get("exports", ())),
        folder=folder,
    )


def _note(event: dict[str, Any]) -> str:
    where = f"arm {event['arm']}: " if event["arm"] else ""
    return f"{where}{event['detail']}"
