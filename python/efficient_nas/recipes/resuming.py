"""What may change when a run is resumed, and what must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from efficient_nas.errors import ConfigError
from efficient_nas.recipes.config_errors import shown

FREE = ("execution.workers", "execution.timeout_seconds")
"""Fields that do not decide what is found: how many processes serve the slots, when one is given up."""

_ABSENT = object()


def check_unchanged(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises ConfigError for the first field that a resumed run must keep; budgets may be raised.

    before, now: resolved configs (`Config.resolved`).
    """
    old, new = dict(_leaves(before)), dict(_leaves(now))
    for field in [*old, *(field for field in new if field not in old)]:
        was, becomes = old.get(field, _ABSENT), new.get(field, _ABSENT)
        if was == becomes or field in FREE:
            continue
        if field.startswith("budget."):
            if was is not _ABSENT and (becomes is _ABSENT or becomes > was):
                continue
            hint = "a resumed run may raise its budget, not lower it"
        else:
            hint = "a resumed run keeps its config; only the budget may be raised"
        raise ConfigError(field, f"was {_said(was)} in this run, got {_said(becomes)}; {hint}")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _said(value: Any) -> str:
    return "absent" if value is _ABSENT else shown(value)
