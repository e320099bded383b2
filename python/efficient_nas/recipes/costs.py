"""Cost models: fixed before the first trial and kept in the run folder for a resumed search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from efficient_nas.devices import AnalyticCosts, OperatorTable, describe
from efficient_nas.errors import ConfigError, TableError
from efficient_nas.ledger import RunFolder
from efficient_nas.protocols import CostModel
from efficient_nas.recipes.build import Parts
from efficient_nas.recipes.config import Config, DeviceTable
from efficient_nas.recipes.config_errors import choose, shown

Progress = Callable[[int, int], None]


def check_costs(config: Config, parts: Parts, folder: RunFolder) -> None:
    """Raises ConfigError unless devices and tables fit and every metric of the objective will be known."""
    if config.devices and not parts.space.can_build:
        raise ConfigError("devices", f"space {parts.space.name} builds no architectures to measure")
    for i, device in enumerate(config.devices):
        if isinstance(device, DeviceTable):
            if not table_path(folder, device).is_file():
                load_table(f"devices[{i}].table", device.table, parts)
        else:
            try:
                describe(device)
            except ValueError as error:
                raise ConfigError(f"devices[{i}]", str(error)) from error
    if parts.known_metrics is None:
        return
    available = [*parts.known_metrics]
    available += AnalyticCosts.metrics if parts.space.can_build else ()
    available += OperatorTable.metrics if config.devices else ()
    if config.budget.epochs is not None and "epochs" not in available:
        raise ConfigError("budget.epochs", "this evaluator reports no epochs; limit trials or seconds")
    for metric in parts.objective.metrics:
        if metric not in available:
            hint = "; it comes with devices: [cpu]" if metric in OperatorTable.metrics else ""
            message = f"metric {shown(metric)} is not known in this search; {choose(metric, available)}{hint}"
            raise ConfigError("objective", message)


def required_metrics(config: Config, parts: Parts) -> tuple[str, ...]:
    """What every trial must report: the objective's metrics, and its epochs where those are limited."""
    epochs = () if config.budget.epochs is None else ("epochs",)
    return tuple(dict.fromkeys([*parts.objective.metrics, *epochs]))


def cost_models(
    config: Config, parts: Parts, folder: RunFolder, progress: Progress | None = None
) -> tuple[CostModel, ...]:
    """The cost models of a run: exact counts, and the device's table from `costs/`.

    A table that is not there yet is measured, or copied from where the config says, and appears whole or not
    at all.
    """
    models: list[CostModel] = [AnalyticCosts()] if parts.space.can_build else []
    for i, device in enumerate(config.devices):
        stored = table_path(folder, device)
        if stored.is_file():
            models.append(OperatorTable.load(stored))
            continue
        if isinstance(device, DeviceTable):
            table = load_table(f"devices[{i}].table", device.table, parts)
        else:
            table = OperatorTable.for_space(
                parts.space,
                parts.input_shape,
                parts.num_classes,
                parts.macro,
                device=device,
                seed=config.seed,
                progress=progress,
            )
        stored.parent.mkdir(exist_ok=True)
        draft = stored.with_suffix(".new")
        table.save(draft)
        draft.replace(stored)
        models.append(OperatorTable.load(stored))
    return tuple(models)


def load_table(path: str, table_file: str, parts: Parts) -> OperatorTable:
    """A stored table that covers the space. Raises ConfigError naming what is wrong or lacking."""
    try:
        table = OperatorTable.load(table_file)
        for genotype in parts.space.covering_genotypes():
            table.predict(parts.candidate(genotype))
    except TableError as error:
        raise ConfigError(path, str(error).removeprefix("operator table: ")) from error
    return table


def table_path(folder: RunFolder, device: str | DeviceTable) -> Path:
    """Where a run keeps the table of a device."""
    name = Path(device.table).stem if isinstance(device, DeviceTable) else device.replace(":", "-")
    return folder.costs / f"{name}.json"
