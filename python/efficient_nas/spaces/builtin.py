"""The base of the built-in spaces: networks with options, native canonical forms and costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.graph import Architecture
from efficient_nas.spaces.assembly import Shape, check_task
from efficient_nas.spaces.space import COSTS, Genotypes, Space, check_kind
from efficient_nas.types import Genotype


class BuiltInSpace(Space, ABC):
    """A space whose canonical forms and costs are native; the same classes and numbers as `build` gives.

    Canonical forms are those of the network with its default options.
    """

    @abstractmethod
    def _network(
        self, genotype: Genotype, input_shape: Shape, num_classes: int, macro: dict[str, Any]
    ) -> Architecture: ...

    @abstractmethod
    def _cost_tables(
        self, input_shape: Shape, num_classes: int, macro: dict[str, Any]
    ) -> _core.CostTables: ...

    @abstractmethod
    def _canonical_form(self, shared: bool) -> _core.CanonicalForm: ...

    def build(
        self,
        genotype: Genotype,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        **macro: Any,
    ) -> Architecture:
        """The `Architecture` of a genotype [num_choices] for images of input_shape (C, H, W).

        macro: options of the network around the choices; the class documents them.
        """
        self.require_valid(genotype)
        shape, classes = check_task(self.name, input_shape, num_classes)
        return self._network(genotype, shape, classes, macro)

    def costs(
        self,
        genotypes: Genotypes,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        **macro: Any,
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Costs of each row for one image: macs, params, peak_activation_bytes, each int64 [n]."""
        tables = self.cost_tables(input_shape, num_classes, **macro)
        self._require_valid_rows(genotypes)
        return dict(zip(COSTS, tables.costs(genotypes), strict=True))

    def cost_tables(
        self, input_shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 10, **macro: Any
    ) -> _core.CostTables:
        """What `costs` sums, for native code that does so itself."""
        shape, classes = check_task(self.name, input_shape, num_classes)
        return self._cost_tables(shape, classes, macro)

    def canonical_form(self, kind: str = "graph") -> _core.CanonicalForm | None:
        """Native canonical bytes of valid genotypes; None for a subclass with its own `canonical_bytes`."""
        shared = check_kind("canonical_form", kind) == "expression"
        own = type(self).canonical_bytes is not BuiltInSpace.canonical_bytes
        return None if own else self._canonical_form(shared)

    def canonical_bytes(self, genotypes: Genotypes, kind: str = "graph") -> list[bytes]:
        """For each row bytes that are equal exactly for equal simplified architectures.

        kind: `graph` (isomorphism) or `expression` (sharing ignored), docs/design/architectures.md.
        """
        form = self._canonical_form(check_kind("canonical_bytes", kind) == "expression")
        self._require_valid_rows(genotypes)
        return form.canonical_bytes(genotypes)

    def canonical_hash(self, genotypes: Genotypes, kind: str = "graph") -> npt.NDArray[np.uint64]:
        """64-bit hashes of `canonical_bytes`, uint64 [n]: an index, equality is decided on the bytes."""
        form = self._canonical_form(check_kind("canonical_hash", kind) == "expression")
        self._require_valid_rows(genotypes)
        return form.canonical_hash(genotypes)

    def _require_valid_rows(self, genotypes: Genotypes) -> None:
        valid = self.validate(genotypes)
        if not valid.all():
            row = int(np.argmin(valid))
            reason = self.why_invalid(np.ascontiguousarray(genotypes[row]))
            raise ValueError(f"space {self.name}: row {row} of genotypes is not valid: {reason}")
