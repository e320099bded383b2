"""Names in a config to what they name: built-in, registered by a plugin, or imported with permission."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from efficient_nas.errors import ConfigError
from efficient_nas.recipes.config_errors import unknown

Factory = Callable[..., Any]


def resolve(
    path: str, what: str, name: str, builtin: Mapping[str, Factory], allow_imports: Sequence[str]
) -> Factory:
    """The factory called `name`: built-in, of an entry point, or `package.module:factory`.

    path: the field, for errors. what: `space`, `controller`, ...; entry points are in the group
    `efficient_nas.<what>s`. A dotted name is imported only if its package is in `allow_imports`, or if an
    entry point has that value.
    Raises ConfigError for names that do not exist or may not be imported.
    """
    if name in builtin:
        return builtin[name]
    plugins = importlib.metadata.entry_points(group=f"efficient_nas.{what}s")
    for plugin in plugins:
        if name in {plugin.name, plugin.value}:
            return _load(path, plugin.value)
    if ":" not in name:
        raise unknown(path, what, name, [*builtin, *(plugin.name for plugin in plugins)])
    if not _allowed(name, allow_imports):
        package = name.split(":", 1)[0].split(".", 1)[0]
        raise ConfigError(
            path,
            f"{name!r} is imported only with permission: add --allow-import {package} on the command line "
            f"(allow_imports=[{package!r}] in Python)",
        )
    return _load(path, name)


def _allowed(name: str, allow_imports: Iterable[str]) -> bool:
    module = name.split(":", 1)[0]
    return any(module == package or module.startswith(f"{package}.") for package in allow_imports)


def _load(path: str, name: str) -> Factory:
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(path, f"{name!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ConfigError(path, f"{name!r} must be callable, it is {type(found).__name__}")
    factory: Factory = found
    return factory
