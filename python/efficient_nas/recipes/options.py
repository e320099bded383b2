"""Calling a factory with options of a config, checked against its signature."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Mapping
from typing import Any

import pydantic

from efficient_nas.errors import ConfigError, EfficientNasError
from efficient_nas.recipes.config_errors import choose, field_path, shown


def call(path: str, factory: Callable[..., Any], options: Mapping[str, Any], **collaborators: Any) -> Any:
    """What `factory(**collaborators, **options)` returns.

    path: the config section of the options, for errors. collaborators: objects that no option may replace.
    Raises ConfigError for an unknown, missing or wrongly typed option, and for a ValueError or TypeError of
    the factory itself.
    """
    accepted = parameters(path, factory)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    known = {
        name: p
        for name, p in accepted.items()
        if name not in collaborators and p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}
    }
    for name, value in options.items():
        if name in known:
            _check_type(f"{path}.{name}", value, _hints(factory).get(name, Any))
        elif not takes_any:
            message = f"unknown option (value {shown(value)}); {choose(name, known)}"
            raise ConfigError(f"{path}.{name}", message)
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            raise ConfigError(f"{path}.{name}", "is required")
    try:
        return factory(**collaborators, **options)
    except EfficientNasError:
        raise
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError(path, " ".join(str(error).split())) from error


def parameters(path: str, factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a factory by name. Raises ConfigError if it does not say which it has."""
    try:
        return inspect.signature(factory).parameters
    except (ValueError, TypeError) as error:
        raise ConfigError(path, f"names something without a signature: {error}") from error


def refuse(path: str, options: Mapping[str, Any]) -> None:
    """Raises ConfigError if there are options: `path` names something that has none."""
    for name, value in options.items():
        raise ConfigError(f"{path}.{name}", f"unknown option (value {shown(value)}); {choose(name, ())}")


def _check_type(path: str, value: Any, annotation: Any) -> None:
    """Strict, but as JSON: a list is fine for a tuple and an int for a float, a text for neither."""
    try:
        adapter = _adapter(annotation)
        if adapter is not None:
            adapter.validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError as error:
        detail = error.errors(include_url=False)[0]
        inner = [part for part in detail["loc"] if isinstance(part, int)]
        allowed = _readable(annotation)
        message = f"must be {allowed}, got {shown(value)}"
        raise ConfigError(field_path([path, *inner]) if inner else path, message) from None


def _adapter(annotation: Any) -> pydantic.TypeAdapter[Any] | None:
    """None for annotations that are no plain data; the factory itself judges those."""
    try:
        return pydantic.TypeAdapter(annotation)
    except (pydantic.errors.PydanticUserError, TypeError):
        return None


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    target = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError):  # annotations of a user's module that do not resolve
        return {}


def _readable(annotation: Any) -> str:
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if annotation in names:
        return names[annotation]
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return f"one of {', '.join(map(str, parts))}"
    if parts and (typing.get_origin(annotation) is typing.Union or "|" in str(annotation)):
        return " or ".join(_readable(part) for part in parts)
    return str(annotation).replace("collections.abc.", "").replace("typing.", "")
