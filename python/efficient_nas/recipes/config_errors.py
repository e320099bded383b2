"""One line about a wrong field: its path, the value seen, what is allowed, the nearest right name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

import pydantic

from efficient_nas.errors import ConfigError, closest


def field_path(parts: Iterable[int | str]) -> str:
    """`progressive.stages[0].until` for ("progressive", "stages", 0, "until")."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def shown(value: Any) -> str:
    """A short repr of a value for an error message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def choose(name: Any, known: Iterable[str]) -> str:
    """`allowed: a, b; did you mean 'a'?`, with the nearest known name if there is one."""
    names = sorted(known)
    near = closest(str(name), names)
    return f"allowed: {', '.join(names) or 'none'}" + (
        f"; did you mean {near!r}?" if near is not None else ""
    )


def unknown(path: str, what: str, name: Any, known: Iterable[str]) -> ConfigError:
    """The error for a name that does not exist."""
    return ConfigError(path, f"unknown {what} {shown(name)}; {choose(name, known)}")


def first_error(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], fields: Mapping[str, Any]
) -> ConfigError:
    """One of the errors that pydantic found, in our words.

    Unknown fields come first, as a typo causes the others; then the most deeply nested field, as unions also
    report their other members.
    """
    found = [(*_existing(detail, fields), detail) for detail in error.errors(include_url=False)]
    location, value, detail = max(found, key=lambda f: (f[2]["type"] == "extra_forbidden", len(f[0])))
    path, kind = field_path(location) or "config", detail["type"]
    if kind == "extra_forbidden":
        known = _fields_at(model, location[:-1], fields)
        return ConfigError(path, f"unknown field (value {shown(value)}); {choose(location[-1], known)}")
    if kind == "missing":
        return ConfigError(path, "is required")
    if kind == "value_error":
        return ConfigError(path, f"{detail['ctx']['error']}, got {shown(value)}")
    if kind == "literal_error":
        allowed = [part.strip(" '") for part in detail["ctx"]["expected"].replace(" or ", ",").split(",")]
        return unknown(path, "value", value, allowed)
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return ConfigError(path, f"must be a mapping of fields, got {shown(value)}")
    message = re.sub(r"^(Input|List|String|Dictionary) should ", "must ", detail["msg"])
    message = re.sub(r" after validation, not \d+$", "", message)
    return ConfigError(path, f"{message[0].lower()}{message[1:]}, got {shown(value)}")


def _existing(detail: Any, fields: Any) -> tuple[list[int | str], Any]:
    """Where in the user's fields the error is, and the value there; unions add names of types, which go."""
    value, kept = fields, []
    for part in detail["loc"]:
        if isinstance(value, Mapping):
            inside = part in value
        else:
            inside = isinstance(value, (list, tuple)) and isinstance(part, int) and part < len(value)
        if inside:
            value = value[part]
            kept.append(part)
    if detail["type"] == "missing":
        kept.append(detail["loc"][-1])
    return kept, value


def _fields_at(model: type[pydantic.BaseModel], location: Iterable[int | str], value: Any) -> list[str]:
    """Names of the fields that the section at `location` knows."""
    for part in location:
        value = value[part]
        if isinstance(part, str):
            models = list(_models(model.model_fields[part].annotation))
            # Of a union of sections, the one that shares most names with what the user wrote.
            model = max(models, key=lambda m: len(m.model_fields.keys() & set(_keys(value))))
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _keys(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        value = value[0] if value else {}
    return value if isinstance(value, Mapping) else ()
