"""The state of a training in one file: tensors in safetensors, plain values as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from efficient_nas.errors import RunFolderError
from efficient_nas.files import replacing
from efficient_nas.supernet.options import EpochRecord

FILE = "training.safetensors"
VERSION = 1
_KEY = "efficient_nas.supernet"


def write(folder: str | Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> Path:
    """Writes both to `folder`, which is made if missing, and returns the file's path.

    The file appears whole or not at all, so that values always belong to their tensors.
    """
    path = Path(folder) / FILE
    # Clones: safetensors refuses tensors that share memory, and other layouts than the usual.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    header = {_KEY: json.dumps({"version": VERSION, **values})}
    with replacing(path) as partial:
        save_file(plain, partial, header)
    return path


def read(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors on the CPU and values of what `write` wrote. RunFolderError for what is no such file, whole."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise RunFolderError(f"{folder} has no {FILE}: no training was saved there")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
        values = json.loads(header) if header is not None else None
    except (SafetensorError, OSError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from error
    if not isinstance(values, dict):
        raise RunFolderError(f"{path} is no saved training of a supernet")
    if values.get("version") != VERSION:
        raise RunFolderError(f"{path} has version {values.get('version')}, this package reads {VERSION}")
    return tensors, values


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """What the optimizer remembers of each parameter, by `<parameter>.<what>`."""
    return {
        f"{name}.{key}": value
        for name, parameter in named.items()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Gives the optimizer back what `optimizer_tensors` took out."""
    optimizer.state.clear()
    for path, value in tensors.items():
        name, _, key = path.rpartition(".")
        parameter = named[name]
        # In the parameter's own memory layout, which fused optimizers rely on; Adam counts steps on the CPU.
        kept = value if key == "step" else torch.empty_like(parameter).copy_(value)
        optimizer.state[parameter][key] = kept


def check_setup(folder: str | Path, saved: Any, own: Mapping[str, Any]) -> None:
    """RunFolderError naming the first option in which a saved training differs from this one."""
    if not isinstance(saved, dict):
        raise RunFolderError(f"{Path(folder) / FILE} is damaged: it says nothing of its options")
    for name, value in own.items():
        if saved.get(name) != value:
            raise RunFolderError(
                f"{Path(folder) / FILE} belongs to another training: {name} was {saved.get(name)!r} there "
                f"and is {value!r} here"
            )


def records_of(folder: str | Path, saved: Any) -> list[EpochRecord]:
    """The records of a saved training."""
    try:
        return [EpochRecord.from_json(record) for record in saved]
    except (TypeError, ValueError) as error:
        raise RunFolderError(f"{Path(folder) / FILE} is damaged: {error}") from error


def parts_of(
    folder: str | Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]
) -> dict[str, dict[str, Tensor]]:
    """The tensors of `supernet`, `sgd`, `adam` and `sampler` by the names that they have there.

    shapes: of the supernet's tensors. RunFolderError where those of the file or of its optimizers differ.
    """
    parts: dict[str, dict[str, Tensor]] = {"supernet": {}, "sgd": {}, "adam": {}, "sampler": {}}
    for path, value in tensors.items():
        prefix, _, name = path.partition(".")
        parts.setdefault(prefix, {})[name] = value
    found = {name: value.shape for name, value in parts["supernet"].items()}
    for optimizer in ("sgd", "adam"):
        for path, value in parts[optimizer].items():
            name, _, key = path.rpartition(".")
            if key != "step" and shapes.get(name) != value.shape:
                found[name] = value.shape
    wrong = sorted(n for n in {**found, **shapes} if found.get(n) != shapes.get(n))
    if wrong:
        name = wrong[0]
        raise RunFolderError(
            f"{Path(folder) / FILE} belongs to another supernet: {name} has shape "
            f"{_shape(found.get(name))} there and {_shape(shapes.get(name))} here"
        )
    return parts


def _shape(shape: torch.Size | None) -> str:
    return "no" if shape is None else str(list(shape))
