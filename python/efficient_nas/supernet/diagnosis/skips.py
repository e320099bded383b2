"""Skip connections of a derived cell, and when there are so many that the search has collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from efficient_nas.spaces import Space
from efficient_nas.types import Genotype

SKIP = "skip_connect"


class Limit(NamedTuple):
    """A rule of collapse: the kind of cell, the number of skip connections that it begins at, and whether the
    genotype of an earlier epoch is taken instead of the one that met the rule."""

    cell: str
    skips: int
    goes_back: bool


LIMITS = {"darts": Limit("normal", 2, False), "nasbench201": Limit("cell", 4, True)}


def skip_connections(genotype: Genotype, space: Space) -> dict[str, int]:
    """Number of skip connections in each kind of cell: `normal` and `reduce`, or `cell` where there is one.

    genotype [num_choices]. Counts active choices of operations; {} for a space without skip connections.
    """
    values = space.values(genotype)
    counts: dict[str, int] = {}
    for choice in space.choices:
        if choice.role == "operation" and SKIP in choice.options:
            cell = choice.name.split("/")[0] if "/" in choice.name else "cell"
            counts[cell] = counts.get(cell, 0) + int(values.get(choice.name) == SKIP)
    return counts


def collapse(genotype: Genotype, space: Space) -> str | None:
    """Why the genotype counts as collapsed, or None.

    darts: two or more skip connections in the normal cell, the first criterion of DARTS+ (Liang et al. 2019,
    arXiv:1909.06035). nasbench201 has no published rule; by analogy, more than half of its six edges, from
    where accuracy falls in the benchmark: the median after 12 epochs on CIFAR-10 is 69.7 to 73.8 % with up
    to three skip connections and 63.7, 50.4 and 33.9 % with four, five and six. ValueError for a space
    without a rule.
    """
    if space.name not in LIMITS:
        raise ValueError(f"collapse: space {space.name} has no rule; spaces with one: {', '.join(LIMITS)}")
    cell, limit, _ = LIMITS[space.name]
    skips = skip_connections(genotype, space)[cell]
    where = "cell" if cell == "cell" else f"{cell} cell"
    return f"{skips} skip connections in the {where}, collapse begins at {limit}" if skips >= limit else None


def last_before_collapse(history: Sequence[tuple[int, Mapping[str, float]]], space: Space) -> int | None:
    """The last epoch whose genotype had not collapsed; None if there is none, or the space does not go back.

    history: epochs and their `skips_<cell>`. DARTS+ keeps the genotype that met its criterion, which for
    darts is still a mild one; in nasbench201 it would be a collapsed cell.
    """
    cell, limit, goes_back = LIMITS[space.name]
    fine = [epoch for epoch, values in history if values[f"skips_{cell}"] < limit]
    return fine[-1] if goes_back and fine else None
