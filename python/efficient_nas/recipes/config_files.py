"""Reading a config: YAML, overrides and environment variables, to plain mappings."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from efficient_nas.errors import ConfigError
from efficient_nas.recipes.config_errors import field_path, shown

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class _Loader(yaml.SafeLoader):
    """Plain values only; a repeated key is an error, 1e-3 a number (YAML 1.1 wants 1.0e-3), a date text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"field names must be text, got {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"repeated field {key!r}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# Copied before it is changed: resolvers are shared with every other loader in the process.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def read_config(path: str | Path) -> dict[str, Any]:
    """The fields of a YAML file. Raises ConfigError when it is missing, no YAML or no mapping."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "config", f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    fields = _parse(text, str(path))
    if not isinstance(fields, dict):
        raise ConfigError("config", f"{path} must hold a mapping of fields, got {shown(fields)}")
    return fields


def apply_overrides(fields: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of `fields` with every `KEY=VALUE` set; KEY is dotted, VALUE is YAML.

    `budget.trials=100`, `progressive.stages[0].until=0.5`, `devices=[cpu]`. Sections on the way are made.
    """
    result = copy.deepcopy(dict(fields))
    for override in overrides:
        key, separator, text = override.partition("=")
        parts: list[int | str] = [int(i) if i else name for name, i in _PART.findall(key.strip())]
        if not separator or field_path(parts) != key.strip() or not parts:
            raise ConfigError("--set", f"must look like section.field=value, got {override!r}")
        _assign(result, parts, _parse(text, f"--set {key}"))
    return result


def expand_variables(value: Any, parts: tuple[int | str, ...] = ()) -> Any:
    """`value` with `${NAME}` in every text replaced by that environment variable; paths become text.

    Raises ConfigError, naming the field, if a variable is not set or a value is no plain data.
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ConfigError(field_path(parts) or "config", f"field names must be text, got {key!r}")
        return {key: expand_variables(item, (*parts, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [expand_variables(item, (*parts, i)) for i, item in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if value is None or type(value) in {bool, int, float}:
        return value
    if not isinstance(value, str):
        message = f"must be text, a number, true, false, null, a list or a mapping, got {shown(value)}"
        raise ConfigError(field_path(parts) or "config", message)
    for name in _VARIABLE.findall(value):
        if name not in os.environ:
            raise ConfigError(field_path(parts), f"environment variable {name!r} is not set, got {value!r}")
    return _VARIABLE.sub(lambda match: os.environ[match[1]], value)


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError("config", f"{where}:{place}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError("config", f"{where}: {str(error).splitlines()[0]}") from None


def _assign(target: Any, parts: list[int | str], value: Any) -> None:
    for index, part in enumerate(parts):
        path = field_path(parts[:index]) or "config"
        if isinstance(part, int):
            if not isinstance(target, list) or part >= len(target):
                length = len(target) if isinstance(target, list) else 0
                raise ConfigError(path, f"--set: there is no element {part}, it has {length}")
        elif not isinstance(target, dict):
            raise ConfigError(path, f"--set: has no fields, it is {shown(target)}")
        if index + 1 == len(parts):
            target[part] = value
        elif isinstance(part, str):
            target = target.setdefault(part, {})
        else:
            target = target[part]
