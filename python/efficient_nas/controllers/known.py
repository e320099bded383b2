"""Which architectures were proposed or told, and how to find one that was not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas._core import random_u64
from efficient_nas.controllers.draws import Draws
from efficient_nas.errors import SpaceExhausted
from efficient_nas.protocols import SearchSpace
from efficient_nas.types import Genotype

ENUMERABLE = 200_000
"""Spaces up to this many genotypes are enumerated when sampling finds nothing new."""

_SAMPLE_SIZES = (1, 8, 64)
_LARGE_SAMPLE_SIZES = (512, 4096)
_STEP = 64
_REMAINING_STREAM = (1 << 64) - 1  # apart from those of `Draws`


class KnownArchitectures:
    """The set of architectures that need not be proposed again, by their canonical bytes.

    Two genotypes of one architecture are one entry; what is compared are the bytes, never a hash of them.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._keys: set[bytes] = set()
        self._genotypes = bytearray()
        self._shuffled: npt.NDArray[np.uint8] | None = None
        self._position = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, genotype: Genotype) -> None:
        """Makes the architecture of `genotype` known."""
        self.claim(genotype[None])

    def claim(self, genotypes: npt.NDArray[np.uint8]) -> Genotype | None:
        """The first row of `genotypes` [n, num_choices] that is not known, which is known from now on.

        None when all of them are known.
        """
        for index, key in enumerate(self._space.canonical_bytes(genotypes)):
            if key not in self._keys:
                found: Genotype = genotypes[index].copy()
                self._keys.add(key)
                self._genotypes += found.tobytes()
                return found
        return None

    def claim_sample(self, draws: Draws) -> Genotype:
        """A random genotype whose architecture was not known; it is from now on.

        Spaces of at most `ENUMERABLE` genotypes are searched to the end, so that `SpaceExhausted` means
        that every architecture is known; larger ones give up after several thousand samples.
        """
        small = self._space.size <= ENUMERABLE
        for n in _SAMPLE_SIZES if small else _SAMPLE_SIZES + _LARGE_SAMPLE_SIZES:
            found = self.claim(self._space.sample(n, draws.seed()))
            if found is not None:
                return found
        found = self._next_remaining() if small else None
        if found is None:
            raise SpaceExhausted(
                f"ask: no architecture of space {self._space.name!r} is left that was not proposed before "
                f"({len(self)} known among {self._space.size} genotypes)"
            )
        return found

    def open_stage(self, space: SearchSpace) -> None:
        """Looks in `space` from now on; what is known stays known."""
        self._space = space
        self._shuffled = None
        self._position = 0

    def state_dict(self) -> dict[str, Any]:
        """One genotype of every known architecture: uint8 [n, num_choices]."""
        rows = np.frombuffer(bytes(self._genotypes), np.uint8)
        return {"genotypes": rows.reshape(-1, self._space.num_choices)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        genotypes = np.ascontiguousarray(state["genotypes"], np.uint8)
        self._genotypes = bytearray(genotypes.tobytes())
        self._keys = set(self._space.canonical_bytes(genotypes)) if len(genotypes) else set()
        self._position = 0

    def _next_remaining(self) -> Genotype | None:
        """The first unknown genotype in one fixed random order of the whole space.

        The order depends on the seed and the space alone, not on when it is first needed, and what is
        known stays known; so neither the order nor the position need to be part of the state.
        """
        if self._shuffled is None:
            everything = self._space.enumerate(ENUMERABLE)
            keys = random_u64(self._seed, _REMAINING_STREAM, len(everything))
            self._shuffled = everything[np.argsort(keys, kind="stable")]
        while self._position < len(self._shuffled):
            found = self.claim(self._shuffled[self._position : self._position + _STEP])
            if found is not None:
                return found
            self._position += _STEP
        return None
