"""Learning rate and image size over the course of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def learning_rate(step: int, steps: int, warm_up: int, peak: float) -> float:
    """Linear warm-up over `warm_up` steps to `peak`, then a cosine towards 0 (SGDR, arXiv:1608.03983, eq. 5,
    one cycle)."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return 0.5 * peak * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


class ImageSizes:
    """Which image size an epoch trains on: progressive resizing from small to the task's own size.

    sizes: pairs [share of the epochs done, height], e.g. [[0.0, 16], [0.5, 32]]; the shares start at 0 and
    grow, as the heights do; the last height is the task's. Widths keep the images' proportions.
    """

    def __init__(self, sizes: Sequence[Sequence[float]] | None, shape: tuple[int, int]) -> None:
        self._height, self._width = shape
        self._stages = [(0.0, self._height)] if sizes is None else [self._pair(p) for p in sizes]
        starts, heights = zip(*self._stages, strict=True) if self._stages else ((), ())
        if not starts or starts[0] != 0 or any(b <= a for a, b in pairwise(starts)):
            raise ValueError(f"image_sizes must start at share 0.0 with growing shares, got {sizes!r}")
        if any(b <= a for a, b in pairwise(heights)) or heights[-1] != self._height:
            raise ValueError(
                f"image_sizes must grow and end with the task's own height {self._height}, got {sizes!r}"
            )

    def at(self, epoch: int, epochs: int) -> tuple[int, int]:
        """(height, width) of the images of epoch 0, 1, ... of `epochs`."""
        height = next(h for start, h in reversed(self._stages) if epoch >= round(start * epochs))
        return height, max(1, round(self._width * height / self._height))

    def is_full(self, epoch: int, epochs: int) -> bool:
        """Whether that epoch trains on the task's own size."""
        return self.at(epoch, epochs)[0] == self._height

    @staticmethod
    def _pair(pair: Any) -> tuple[float, int]:
        numbers = (
            isinstance(pair, (list, tuple)) and len(pair) == 2 and not any(isinstance(v, bool) for v in pair)
        )
        if not numbers or not isinstance(pair[0], (int, float)) or not isinstance(pair[1], int):
            raise ValueError(f"image_sizes must hold pairs [share of the epochs, height], got {pair!r}")
        if not 0 <= pair[0] < 1 or pair[1] < 1:
            raise ValueError(f"image_sizes must hold shares in [0, 1) and heights >= 1, got {pair!r}")
        return float(pair[0]), pair[1]
