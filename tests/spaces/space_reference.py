"""The rules of a space in plain Python, straight from their definition: what the native code is held to."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from efficient_nas.spaces import Space

Row = tuple[int, ...]


def active(space: Space, row: Row) -> list[bool]:
    result: list[bool] = []
    for choice in space.choices:
        holds = True
        for parent, values in choice.when.items():
            i = space.index(parent)
            holds = holds and result[i] and space.choices[i].options[row[i]] in values
        result.append(holds)
    return result


def valid(space: Space, row: Row) -> bool:
    if any(value >= len(choice.options) for value, choice in zip(row, space.choices, strict=True)):
        return False
    is_active = active(space, row)
    in_place = all(
        row[i] in space.allowed[i] if is_active[i] else row[i] == 0 for i in range(space.num_choices)
    )
    return in_place and all(row[a] < row[b] for a, b in space.ordered if is_active[a])


def all_rows(space: Space) -> list[Row]:
    """Every genotype, by trying each combination of options."""
    return [row for row in itertools.product(*(range(n) for n in space.cardinalities)) if valid(space, row)]


def changed(space: Space, before: Row, after: Row) -> list[int]:
    """The choices that are active in both rows and differ."""
    both = zip(active(space, before), active(space, after), strict=True)
    return [i for i, (a, b) in enumerate(both) if a and b and before[i] != after[i]]


def neighbours(space: Space, row: Row) -> list[Row]:
    """Rows in which one active choice changes and what becomes active takes its first allowed values."""
    found = []
    was_active = active(space, row)
    for other in all_rows(space):
        is_active = active(space, other)
        new = [i for i in range(space.num_choices) if is_active[i] and not was_active[i]]
        partner = dict(space.ordered)
        first = True
        for i in new:
            if i in partner:
                pairs = itertools.product(space.allowed[i], space.allowed[partner[i]])
                first = first and (other[i], other[partner[i]]) == min(p for p in pairs if p[0] < p[1])
            elif i not in partner.values():
                first = first and other[i] == space.allowed[i][0]
        if first and len(changed(space, row, other)) == 1:
            found.append(other)
    return found


def mutable(space: Space, row: Row) -> set[int]:
    """The active choices that another value can replace while all others stay as they are."""
    is_active = active(space, row)
    result = set()
    for i in range(space.num_choices):
        pairs = [(a, b) for a, b in space.ordered if i in {a, b}]
        for value in space.allowed[i]:
            other = [*row[:i], value, *row[i + 1 :]]
            if is_active[i] and value != row[i] and all(other[a] < other[b] for a, b in pairs):
                result.add(i)
    return result


def rows_of(genotypes: npt.NDArray[np.uint8]) -> list[Row]:
    return [tuple(int(v) for v in row) for row in genotypes]
