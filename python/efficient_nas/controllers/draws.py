"""The random numbers of one proposal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from efficient_nas._core import random_u64

_BLOCK = 16
_LOW_32 = np.uint64(32)


class Draws:
    """Random numbers that are a function of (key, trial, which call of this object).

    A controller makes one for every proposal, so that it holds no generator state: what it proposes
    depends on its seed, the trial number and what it was told.
    """

    __slots__ = ("_key", "_left", "_streams", "_trial")

    def __init__(self, key: int, trial: int) -> None:
        self._key = key
        self._trial = trial
        self._streams = 0
        self._left: list[int] = []

    def word(self) -> int:
        """64 uniform bits."""
        if not self._left:
            self._left = self.words(_BLOCK).tolist()
        return self._left.pop()

    def words(self, n: int) -> npt.NDArray[np.uint64]:
        """n times 64 uniform bits, uint64 [n]."""
        # One stream for each (trial, call); trial numbers fit 40 bits.
        words = random_u64(self._key, (self._streams << 40) | self._trial, n)
        self._streams += 1
        return words

    def seed(self) -> int:
        """A seed for one call of a space, 63 bits."""
        return self.word() >> 1

    def uniform(self) -> float:
        """A uniform float in [0, 1) with 53 random bits."""
        return (self.word() >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound); the bias is at most bound / 2**64."""
        return (self.word() * bound) >> 64

    def many_below(self, bound: int, n: int) -> npt.NDArray[np.uint64]:
        """n uniform integers in [0, bound), bound < 2**32, uint64 [n]; the bias is at most bound / 2**32."""
        return ((self.words(n) >> _LOW_32) * np.uint64(bound)) >> _LOW_32

    def uniforms(self, n: int) -> npt.NDArray[np.float64]:
        """n uniform floats in [0, 1) with 53 random bits, float64 [n]."""
        return (self.words(n) >> np.uint64(11)).astype(np.float64) * 2.0**-53
