"""The random numbers of one proposal."""

from __future__ import annotations

from efficient_nas._core import random_u64

_BLOCK = 32


class Draws:
    """Random numbers that are a function of (key, trial, how many were drawn before).

    A controller makes one for every proposal, so that it holds no generator state: what it proposes
    depends on its seed, the trial number and what it was told.
    """

    __slots__ = ("_block", "_key", "_left", "_trial")

    def __init__(self, key: int, trial: int) -> None:
        self._key = key
        self._trial = trial
        self._block = 0
        self._left: list[int] = []

    def word(self) -> int:
        """64 uniform bits."""
        if not self._left:
            # One stream for each (trial, block); a trial number fits 40 bits.
            self._left = random_u64(self._key, (self._block << 40) | self._trial, _BLOCK).tolist()
            self._block += 1
        return self._left.pop()

    def seed(self) -> int:
        """A seed for one call of a space, 63 bits."""
        return self.word() >> 1

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound); the bias is at most bound / 2**64."""
        return (self.word() * bound) >> 64

    def uniform(self) -> float:
        """A uniform float in [0, 1) with 53 random bits."""
        return (self.word() >> 11) * 2.0**-53
