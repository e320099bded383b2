"""A trained network as a folder of plain data: architecture.json, weights.safetensors, metrics.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from efficient_nas.errors import RunFolderError
from efficient_nas.files import replacing
from efficient_nas.graph import Architecture

ARCHITECTURE, WEIGHTS, METRICS = "architecture.json", "weights.safetensors", "metrics.json"


def save_network(
    folder: str | Path, architecture: Architecture, module: nn.Module, metrics: Mapping[str, float | None]
) -> None:
    """Writes a network that `load_network` gives back; the folder is made if missing.

    module: `architecture.to_pytorch()` after training, on any device. metrics: stored beside it; a value
    that is not finite becomes null, as JSON has no such numbers.
    """
    target = Path(folder)
    # Clones: safetensors refuses tensors that share memory, as tied weights do.
    weights = {name: value.detach().cpu().clone().contiguous() for name, value in module.state_dict().items()}
    finite = {k: v if v is not None and math.isfinite(v) else None for k, v in metrics.items()}
    with replacing(target / ARCHITECTURE) as path:
        path.write_text(architecture.to_json(), encoding="utf-8")
    with replacing(target / WEIGHTS) as path:
        save_file(weights, path)
    with replacing(target / METRICS) as path:
        path.write_text(json.dumps(finite, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def load_network(folder: str | Path) -> nn.Module:
    """The network of a folder in evaluation mode on the CPU, every weight in place.

    Reads JSON and safetensors only, so a folder of unknown origin runs no code. Raises RunFolderError naming
    what is missing, unreadable or does not fit.
    """
    source = Path(folder)
    for name in (ARCHITECTURE, WEIGHTS):
        if not (source / name).is_file():
            raise RunFolderError(f"load_network: {source} has no {name}")
    try:
        architecture = Architecture.from_json((source / ARCHITECTURE).read_text(encoding="utf-8"))
    except ValueError as error:  # includes broken JSON and broken UTF-8
        raise RunFolderError(f"load_network: {source / ARCHITECTURE}: {error}") from error
    module: nn.Module = architecture.to_pytorch()
    try:
        module.load_state_dict(load_file(source / WEIGHTS), strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise RunFolderError(f"load_network: {source / WEIGHTS}: {error}") from error
    return module.eval()
