"""The exact number of genotypes of a space with conditions, stage masks and ordered pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def count_genotypes(
    allowed: Sequence[Sequence[int]],
    conditions: Sequence[Mapping[int, Sequence[int]]],
    ordered: Sequence[tuple[int, int]],
) -> int:
    """Number of valid genotypes, exact.

    allowed: option indices for each choice. conditions: for each choice, the option indices of each parent
    under which it is active. ordered: pairs that hold strictly increasing options.
    Goes through the choices once and keeps, for the prefixes seen, only which later choices are switched
    off: the work grows with the number of such sets and not with the number of genotypes. Choices that no
    condition or pair connects are counted apart and multiplied.
    """
    size = 1
    for members in _components(len(allowed), conditions, ordered):
        size *= _count(members, allowed, conditions, dict(ordered))
    return size


def _count(
    members: Sequence[int],
    allowed: Sequence[Sequence[int]],
    conditions: Sequence[Mapping[int, Sequence[int]]],
    partner: Mapping[int, int],
) -> int:
    children: dict[int, list[int]] = {c: [k for k in members if c in conditions[k]] for c in members}

    def switched_off(choice: int, option: int) -> int:
        return sum(1 << k for k in children[choice] if option not in conditions[k][choice])

    seconds = set(partner.values())
    states: Counter[int] = Counter({0: 1})  # set of switched-off later choices (bits) -> prefixes
    for c in members:
        if c in seconds:
            continue  # counted with the first choice of its pair
        pair = (c, partner[c]) if c in partner else (c,)
        effects: Counter[int] = Counter()  # what the values of this choice or pair switch off
        for first in allowed[c]:
            for second in [s for s in allowed[pair[-1]] if s > first] if len(pair) == 2 else [first]:
                off = switched_off(c, first)
                effects[off | switched_off(pair[1], second) if len(pair) == 2 else off] += 1
        own = sum(1 << k for k in pair)
        below = sum(1 << k for k in {k for p in pair for k in children[p]})
        following: Counter[int] = Counter()
        for off, prefixes in states.items():
            if off >> c & 1:
                following[off & ~own | below] += prefixes
                continue
            for effect, values in effects.items():
                following[off | effect] += prefixes * values
        states = following
    return states.total()


def _components(
    n: int, conditions: Sequence[Mapping[int, Sequence[int]]], ordered: Sequence[tuple[int, int]]
) -> list[list[int]]:
    """The choices in groups that no condition and no pair connects, each in the order of the space."""
    root = list(range(n))

    def find(c: int) -> int:
        while root[c] != c:
            c = root[c]
        return c

    links = [(c, parent) for c in range(n) for parent in conditions[c]]
    for a, b in [*links, *ordered]:
        low, high = sorted((find(a), find(b)))
        root[high] = low
    groups: dict[int, list[int]] = {}
    for c in range(n):
        groups.setdefault(find(c), []).append(c)
    return list(groups.values())
