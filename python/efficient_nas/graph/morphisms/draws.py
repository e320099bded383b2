"""The random numbers of one mutation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from efficient_nas._core import random_u64

T = TypeVar("T")


class Draws:
    """Random numbers that are a function of (seed, stream, which call of this object).

    A mutation draws its architecture and its weights from streams of their own, so that the architecture does
    not depend on whether weights are carried.
    """

    __slots__ = ("_calls", "_seed", "_stream")

    def __init__(self, seed: int, stream: int) -> None:
        self._seed = seed
        self._stream = stream
        self._calls = 0

    def _words(self, n: int) -> npt.NDArray[np.uint64]:
        words = random_u64(self._seed, (self._calls << 8) | self._stream, n)
        self._calls += 1
        return words

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound); the bias is at most bound / 2**64."""
        return (int(self._words(1)[0]) * bound) >> 64

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`, all equally likely."""
        return options[self.below(len(options))]

    def many_below(self, bound: int, n: int) -> npt.NDArray[np.int64]:
        """n uniform integers in [0, bound), bound < 2**32, int64 [n]; the bias is at most bound / 2**32."""
        high = self._words(n) >> np.uint64(32)
        return ((high * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)

    def uniforms(self, *shape: int) -> npt.NDArray[np.float64]:
        """Uniform floats in [0, 1) with 53 random bits, float64 of this shape."""
        words = self._words(int(np.prod(shape)))
        return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)
