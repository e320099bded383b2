"""One decision of a search space: its name, its options, and when it is made at all."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from efficient_nas.errors import nearest

Option: TypeAlias = str | int | float
ROLES = ("operation", "depth", "width", "kernel", "expansion", "predecessor")
MAX_OPTIONS = 255


@dataclass(frozen=True, init=False)
class Choice:
    """A named choice among options, for `Space`.

    options: 1 to 255 distinct strings, ints or floats; a genotype holds the index of one of them.
    when: maps earlier choices to the option value (or values) under which this choice is active; all must
        hold, and an inactive choice holds 0. None: always active.
    role: what the choice decides, for `Space.restrict`: operation, depth, width, kernel, expansion or
        predecessor. Depth and width need numbers.
    """

    name: str
    options: tuple[Option, ...]
    when: Mapping[str, tuple[Option, ...]]
    role: str | None

    def __init__(
        self,
        name: str,
        options: Sequence[Option],
        when: Mapping[str, Option | Collection[Option]] | None = None,
        role: str | None = None,
    ) -> None:
        if not isinstance(name, str) or not name or any(c in ",=" or c.isspace() for c in name):
            raise ValueError(
                f"choice: name must be a string without commas, equals signs and spaces, got {name!r}"
            )
        where = f"choice {name}"
        if isinstance(options, str) or not 1 <= len(options) <= MAX_OPTIONS:
            raise ValueError(
                f"{where}: options must be a sequence of 1 to {MAX_OPTIONS} values, got {options!r}"
            )
        for option in options:
            _check_option(where, option)
        if len({str(o) for o in options}) < len(options) or len(set(options)) < len(options):
            raise ValueError(f"{where}: options must be distinct, got {list(options)!r}")
        if role is not None and role not in ROLES:
            raise ValueError(
                f"{where}: unknown role {role!r}{nearest(role, ROLES)}; roles: {', '.join(ROLES)}"
            )
        if role in {"depth", "width"} and any(isinstance(o, str) for o in options):
            raise ValueError(f"{where}: options of role {role} must be numbers, got {list(options)!r}")
        conditions: dict[str, tuple[Option, ...]] = {}
        for parent, wanted in (when or {}).items():
            values = (wanted,) if isinstance(wanted, (str, int, float)) else tuple(wanted)
            if not values:
                raise ValueError(f"{where}: when[{parent!r}] is empty, so the choice could never be active")
            conditions[parent] = values
        for field, value in (
            ("name", name),
            ("options", tuple(options)),
            ("when", conditions),
            ("role", role),
        ):
            object.__setattr__(self, field, value)

    def index(self, option: Option) -> int:
        """The index of an option value; ValueError lists what is allowed."""
        if option in self.options:
            return self.options.index(option)
        names = [str(o) for o in self.options]
        hint = nearest(str(option), names)
        raise ValueError(f"choice {self.name}: unknown option {option!r}{hint}; options: {', '.join(names)}")


def _check_option(where: str, option: Option) -> None:
    if not isinstance(option, (str, int, float)):
        raise TypeError(f"{where}: an option must be a string, int or float, got {option!r}")
    if isinstance(option, float) and not math.isfinite(option):
        raise ValueError(f"{where}: an option must be finite, got {option!r}")
    if isinstance(option, str) and (not option or "," in option or option != option.strip()):
        raise ValueError(
            f"{where}: an option must not be empty, hold commas or start or end with spaces, got {option!r}"
        )
