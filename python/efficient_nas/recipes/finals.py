"""After the search: the chosen few are trained longer, measured, exported and stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from efficient_nas import export
from efficient_nas.devices import OperatorTable, describe, measure
from efficient_nas.errors import ExportError, TrialFailed
from efficient_nas.evaluators import Tabular
from efficient_nas.ledger import Ledger, RunFolder, storage_errors
from efficient_nas.recipes.build import Parts
from efficient_nas.recipes.choosing import choose
from efficient_nas.recipes.config import Config, DeviceTable
from efficient_nas.recipes.costs import table_path
from efficient_nas.recipes.exporting import export_file
from efficient_nas.recipes.progress import Observer, Progress
from efficient_nas.types import Parity, Trial, derive_seed


def run_finals(config: Config, parts: Parts, folder: RunFolder, ledger: Ledger, observer: Observer) -> None:
    """Trains, measures, exports and records every finalist that the ledger does not hold yet."""
    trials = ledger.trials("main")
    chosen = [trials[i] for i in choose(trials, parts.objective, config.final.top)]
    known = [trial for _, trial, _ in ledger.finalists()]
    if known != [trial.trial for trial in chosen[: len(known)]]:
        ledger.clear_finalists()  # the budget was raised, and the front is another one
        known = []
    _note_device(config, folder, ledger)
    for rank, trial in enumerate(chosen, start=1):
        if rank > len(known):
            record = _finalist(rank, trial, config, parts, folder, ledger, observer)
            ledger.save_finalist(rank, trial.trial, record)


def _finalist(
    rank: int,
    trial: Trial,
    config: Config,
    parts: Parts,
    folder: RunFolder,
    ledger: Ledger,
    observer: Observer,
) -> dict[str, Any]:
    """The record of one finalist: architecture, measured metrics, report-only columns, exports.

    What fails (a training that diverges, a network that cannot be exported) is noted, and the rest goes on.
    """

    def failed(what: str, error: Exception) -> None:
        note = f"finalist {rank}: {what} failed: {error}"
        ledger.add_event("finalist_failed", note, trial=trial.trial)
        observer.note(note)

    candidate = parts.candidate(trial.genotype)
    measured: dict[str, Any] = {}
    if isinstance(parts.original, Tabular):
        measured.update(parts.original.report(candidate))
    module = None
    if parts.trainable:
        try:
            module, metrics = _train(rank, trial, config, parts, observer)
            measured.update(metrics)
        except (TrialFailed, RuntimeError, ValueError) as error:
            failed("training", error)
    if config.devices:
        try:
            measured.update(_measure(config, parts, folder, module or candidate.architecture))
        except (RuntimeError, ValueError) as error:  # e.g. the table is of a device that is not here
            failed("measuring", error)
    parities: list[Parity] = []
    if module is not None:
        target = folder.finalists / str(rank)
        with storage_errors(target):
            export.save_network(target, candidate.architecture, module, _numbers(measured))
        for name in config.final.export:
            observer.note(f"finalist {rank}: exporting to {name}")
            try:
                parities.append(export_file(module, parts.input_shape, name, target, folder))
            except ExportError as error:
                failed(f"export to {name}", error)
    return {
        "architecture": candidate.architecture.to_json() if parts.space.can_build else None,
        "measured": measured,
        "exports": [dataclasses.asdict(parity) for parity in parities],
    }


def _train(
    rank: int, trial: Trial, config: Config, parts: Parts, observer: Observer
) -> tuple[Any, Mapping[str, float]]:
    epochs = config.final.epochs or parts.original.epochs
    progress = Progress(f"finalist {rank}", epochs)
    observer.begin(progress)

    def after_epoch(done: int, total: int, accuracy: float) -> None:
        progress.step(done, total)
        observer.update(progress)

    module, metrics = parts.original.train_final(
        parts.candidate(trial.genotype).architecture,
        seed=derive_seed(config.seed, "final", trial.trial),
        epochs=epochs,
        progress=after_epoch,
    )
    return module, metrics


def _measure(config: Config, parts: Parts, folder: RunFolder, network: Any) -> dict[str, Any]:
    """Latency, its spread and memory end to end, as the table was measured: same batch and threads."""
    (device,) = config.devices
    table = OperatorTable.load(table_path(folder, device))
    name = table.device.get("device", "cpu") if isinstance(device, DeviceTable) else device
    result = measure(network, parts.input_shape, table.batch_size, device=name, threads=table.threads)
    return {
        "latency_ms": result.latency_ms,
        "spread_ms": result.spread_ms,
        "memory_bytes": float(result.memory_bytes),
    }


def _note_device(config: Config, folder: RunFolder, ledger: Ledger) -> None:
    """Notes, once, that a stored table is of another machine than the one that measures the finalists."""
    here = describe()["name"]
    for device in config.devices:
        there = OperatorTable.load(table_path(folder, device)).device
        note = f"latency is predicted for {there.get('name')}, finalists are measured on {here}"
        if there.get("device") == "cpu" and there.get("name") != here:
            ledger.add_event_once("device", note)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}
