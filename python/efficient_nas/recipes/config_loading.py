"""A checked config from all that a caller gives: file or mapping, sections, overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from efficient_nas.errors import ConfigError
from efficient_nas.evaluators import datasets
from efficient_nas.recipes.config import Config, parse
from efficient_nas.recipes.config_errors import shown
from efficient_nas.recipes.config_files import apply_overrides, expand_variables, read_config

Fields = Mapping[str, Any]


def load_config(
    config_or_path: Fields | str | Path | None, given: Fields, overrides: Sequence[str] = ()
) -> Config:
    """The checked config: environment variables filled in, paths absolute."""
    if isinstance(config_or_path, (str, Path)):
        fields: dict[str, Any] = read_config(config_or_path)
    elif config_or_path is None or isinstance(config_or_path, Mapping):
        fields = dict(config_or_path or {})
    else:
        raise ConfigError(
            "config", f"must be a mapping or the path of a YAML file, got {shown(config_or_path)}"
        )
    fields = expand_variables(apply_overrides({**fields, **given}, overrides))
    return parse(_absolute_paths(fields))


def _absolute_paths(fields: dict[str, Any]) -> dict[str, Any]:
    """Paths of tables and datasets do not depend on where a run is resumed from."""
    task, devices = fields.get("task"), fields.get("devices")
    if isinstance(task, dict):
        # What `path` is to a dataset of the user's own is not for us to know.
        names = {"table", "path"} if task.get("dataset") in datasets() else {"table"}
        fields["task"] = {k: _absolute(v) if k in names else v for k, v in task.items()}
    if isinstance(devices, list):
        fields["devices"] = [
            {k: _absolute(v) if k == "table" else v for k, v in device.items()}
            if isinstance(device, dict)
            else device
            for device in devices
        ]
    return fields


def _absolute(path: Any) -> Any:
    return str(Path(path).absolute()) if isinstance(path, str) and path else path
