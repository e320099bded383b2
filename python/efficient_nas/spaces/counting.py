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
    children = {c: [k for k in members if c in conditions[k]] for c in members}

    def switched_off(choice: int, option: int) -> int:
        return sum(1 << k for k in children[choice] if option not in conditions[k][choice])

    def effects(choice: int) -> Counter[int]:
        """What the values of an active choice, or of it and its partner, switch off, and how many do."""
        if choice not in partner:
            return Counter(switched_off(choice, a) for a in allowed[choice])
        second = partner[choice]
        pairs = ((a, b) for a in allowed[choice] for b in allowed[second] if a < b)
        return Counter(switched_off(choice, a) | switched_off(second, b) for a, b in pairs)

    seconds = set(partner.values())
    states = Counter({0: 1})  # later choices that are switched off (bits) -> number of prefixes
    for c in members:
        if c in seconds:
            continue  # counted with the first choice of its pair
        unit = [c, partner[c]] if c in partner else [c]
        own = sum(1 << k for k in unit)
        dependent = sum(1 << k for k in {child for k in unit for child in children[k]})
        following: Counter[int] = Counter()
        for off, prefixes in states.items():
            if off >> c & 1:
                following[(off & ~own) | dependent] += prefixes
                continue
            for effect, values in effects(c).items():
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
