"""One architecture on its way through evaluators and cost models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from efficient_nas.graph import Architecture
from efficient_nas.spaces.space import COSTS, Space
from efficient_nas.types import Genotype


class Candidate:
    """A genotype [num_choices] of a space together with the task it is built for. Can be pickled.

    input_shape: (C, H, W) of the images. macro: further options of `space.build`.
    """

    def __init__(
        self,
        space: Space,
        genotype: Genotype,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        macro: Mapping[str, Any] | None = None,
    ) -> None:
        space.require_valid(genotype)
        self.space = space
        self.genotype = genotype
        self.input_shape = input_shape
        self.num_classes = num_classes
        self.macro = dict(macro or {})

    @cached_property
    def text(self) -> str:
        """The genotype in the space's notation."""
        return self.space.to_string(self.genotype)

    @cached_property
    def architecture(self) -> Architecture:
        """The built architecture; made when first read."""
        return self.space.build(self.genotype, self.input_shape, self.num_classes, **self.macro)

    @cached_property
    def costs(self) -> dict[str, int]:
        """macs, params and peak_activation_bytes for one image; a built-in space builds nothing for them."""
        if type(self.space).costs is Space.costs:
            return {name: getattr(self.architecture, name) for name in COSTS}
        rows = self.space.costs(self.genotype[None], self.input_shape, self.num_classes, **self.macro)
        return {name: int(column[0]) for name, column in rows.items()}
