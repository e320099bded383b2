"""Skip connections of a derived cell, and when there are so many that the search has collapsed."""

from __future__ import annotations

from efficient_nas.spaces import Space
from efficient_nas.types import Genotype

SKIP = "skip_connect"
LIMITS = {"darts": ("normal", 2), "nasbench201": ("cell", 4)}
"""Spaces with a rule of collapse: the kind of cell, and the number of skip connections it begins at."""


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
    where accuracy falls in the benchmark: the median after 12 epochs on CIFAR-10 is 69.7 to 73.8 % with up to
    three skip connections and 63.7, 50.4 and 33.9 % with four, five and six.
    ValueError for a space without a rule.
    """
    if space.name not in LIMITS:
        raise ValueError(f"collapse: space {space.name} has no rule; spaces with one: {', '.join(LIMITS)}")
    cell, limit = LIMITS[space.name]
    skips = skip_connections(genotype, space)[cell]
    where = "cell" if cell == "cell" else f"{cell} cell"
    return f"{skips} skip connections in the {where}, collapse begins at {limit}" if skips >= limit else None
