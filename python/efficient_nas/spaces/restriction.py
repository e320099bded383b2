"""The options that a progressive stage leaves open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from efficient_nas.errors import nearest
from efficient_nas.spaces.choice import Option

if TYPE_CHECKING:
    from efficient_nas.spaces.space import Space


def restricted_options(
    space: Space,
    max_depth: float | None,
    max_width: float | None,
    operations: Collection[str] | None,
) -> tuple[tuple[int, ...], ...]:
    """For each choice the option indices that stay allowed. `Space.restrict` says what the limits mean.

    ValueError where the space has no choice of the role, an operation is unknown, or a choice would be left
    without an option.
    """
    allowed = list(space.allowed)

    def keep(role: str, wanted: Callable[[Option], bool], what: str) -> None:
        columns = [i for i, choice in enumerate(space.choices) if choice.role == role]
        if not columns:
            raise ValueError(f"restrict: {what}: space {space.name} has no choice of the role {role}")
        for i in columns:
            choice = space.choices[i]
            rest = tuple(o for o in allowed[i] if wanted(choice.options[o]))
            if not rest:
                held = ", ".join(str(choice.options[o]) for o in allowed[i])
                raise ValueError(f"restrict: {what} leaves no option of choice {choice.name}; it has {held}")
            allowed[i] = rest

    for role, limit in (("depth", max_depth), ("width", max_width)):
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise TypeError(f"restrict: max_{role} must be a number, got {limit!r}")
        keep(role, _at_most(limit), f"max_{role}={limit}")
    if operations is not None:
        names = [operations] if isinstance(operations, str) else list(operations)
        _check_operations(space, names)
        keep("operation", lambda option: option in names, f"operations={names}")
    return tuple(allowed)


def kept_options(space: Space, options: Mapping[str, Collection[Option]]) -> tuple[tuple[int, ...], ...]:
    """For each choice the option indices that stay allowed where choices keep only these option values."""
    allowed = list(space.allowed)
    for name, values in options.items():
        column = space.index(name)
        choice = space.choices[column]
        wanted = {choice.index(value) for value in values}
        rest = tuple(option for option in allowed[column] if option in wanted)
        if not rest:
            held = ", ".join(str(choice.options[o]) for o in allowed[column])
            raise ValueError(f"keep: {list(values)} leaves no option of choice {name}; it has {held}")
        allowed[column] = rest
    return tuple(allowed)


def _at_most(limit: float) -> Callable[[Option], bool]:
    """Options of the roles depth and width are numbers; `Choice` sees to it."""
    return lambda option: not isinstance(option, str) and option <= limit


def _check_operations(space: Space, names: Collection[str]) -> None:
    known = {option for choice in space.choices if choice.role == "operation" for option in choice.options}
    texts = sorted(map(str, known))
    for name in names:
        if known and name not in known:
            hint = nearest(str(name), texts)
            raise ValueError(
                f"restrict: unknown operation {name!r}{hint}; {space.name} has {', '.join(texts)}"
            )
