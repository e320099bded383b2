"""Small spaces on which the controller contract is checked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas.spaces import Choice, Space


class SymmetricSpace(Space):
    """A space in which genotypes with the same multiset of options are one architecture."""

    def canonical_bytes(self, genotypes: npt.NDArray[np.uint8], kind: str = "graph") -> list[bytes]:
        return [bytes(sorted(row.tolist())) for row in genotypes]


def symmetric_space(length: int) -> Space:
    """3**length genotypes of (length + 1) * (length + 2) / 2 architectures."""
    options = ["skip", "conv", "pool"]
    choices = [Choice(f"op{i}", options, role="operation") for i in range(length)]
    return SymmetricSpace(choices, name=f"symmetric{length}")


def conditional_space() -> Space:
    """A depth of 1 to 4 layers, each with an operation and, for convolutions, a width."""
    choices = [Choice("depth", [1, 2, 3, 4], role="depth")]
    for layer in range(1, 5):
        deep_enough = {"depth": [depth for depth in (1, 2, 3, 4) if depth >= layer]}
        operations = ["skip", "conv3x3", "conv5x5", "pool"]
        choices.append(Choice(f"op{layer}", operations, when=deep_enough, role="operation"))
        convolution = {f"op{layer}": ["conv3x3", "conv5x5"]}
        choices.append(Choice(f"width{layer}", [8, 16, 32], when=convolution, role="width"))
    return Space(choices, name="conditional")
