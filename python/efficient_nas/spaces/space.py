"""A search space: named choices, native operations on genotypes, and how to build an architecture."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas import _core
from efficient_nas.errors import nearest
from efficient_nas.graph import Architecture
from efficient_nas.spaces.choice import Choice, Option
from efficient_nas.spaces.counting import count_genotypes
from efficient_nas.spaces.covering import covering_genotypes
from efficient_nas.spaces.restriction import kept_options, restricted_options
from efficient_nas.types import Genotype

Genotypes = npt.NDArray[np.uint8]
"""A batch: uint8 [n, num_choices]."""

CANONICAL_KINDS = ("graph", "expression")
COSTS = ("macs", "params", "peak_activation_bytes")


def check_kind(where: str, kind: str) -> str:
    """`kind` of canonical form; ValueError unless it is one of CANONICAL_KINDS."""
    if kind not in CANONICAL_KINDS:
        hint = nearest(str(kind), CANONICAL_KINDS)
        raise ValueError(f"{where}: unknown kind {kind!r}{hint}; kinds: {', '.join(CANONICAL_KINDS)}")
    return kind


class Space:
    """Named choices with conditions, and how to build an architecture from them.

    choices: in the order of the genotype's columns; a choice may depend on earlier ones (`Choice.when`).
    build: `build(values, input_shape, num_classes, **macro) -> Architecture`, where values maps each active
        choice to its option value. Only what needs architectures fails without it.
    ordered: pairs of choice names with equal options and conditions that must hold increasing options, e.g.
        the two distinct predecessors of a DARTS node.

    Row i of a random batch depends on the seed and i only. All arrays are numpy; genotypes of another dtype
    are refused with a TypeError, another shape or rows that are not valid with a ValueError that says why.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        build: Callable[..., Architecture] | None = None,
        name: str = "custom",
        ordered: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name = name
        self.choices = tuple(choices)
        for choice in self.choices:
            if not isinstance(choice, Choice):
                raise TypeError(f"space {name}: choices must be spaces.Choice objects, got {choice!r}")
        self._index = {choice.name: i for i, choice in enumerate(self.choices)}
        if len(self._index) < len(self.choices):
            names = [choice.name for choice in self.choices]
            twice = next(n for n in names if names.count(n) > 1)
            raise ValueError(f"space {name}: two choices are named {twice!r}")
        self._build = build
        self._conditions = tuple(self._indexed_conditions(i) for i in range(len(self.choices)))
        self._ordered = tuple((self.index(a), self.index(b)) for a, b in ordered)
        self._base: Space | None = None
        self._set_allowed(tuple(tuple(range(len(choice.options))) for choice in self.choices))

    def _indexed_conditions(self, i: int) -> dict[int, tuple[int, ...]]:
        choice = self.choices[i]
        conditions = {}
        for name, values in choice.when.items():
            parent = self._index.get(name, len(self.choices))
            if parent >= i:
                hint = nearest(str(name), [c.name for c in self.choices[:i]])
                raise ValueError(
                    f"space {self.name}: choice {choice.name}: when must name earlier choices, "
                    f"got {name!r}{hint}"
                )
            conditions[parent] = tuple(sorted({self.choices[parent].index(v) for v in values}))
        return dict(sorted(conditions.items()))

    def _set_allowed(self, allowed: tuple[tuple[int, ...], ...]) -> None:
        self._allowed = allowed
        self._size: int | None = None
        self._native = _core.SpaceSpec(
            [choice.name for choice in self.choices],
            [[str(option) for option in choice.options] for choice in self.choices],
            [list(options) for options in allowed],
            [[(parent, list(v)) for parent, v in c.items()] for c in self._conditions],
            list(self._ordered),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_native"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_allowed(self._allowed)

    def __repr__(self) -> str:
        kind = "restricted " if self._base is not None else ""
        return f"<{kind}space {self.name}: {self.num_choices} choices, {self.size} genotypes>"

    # ---- what it contains

    @property
    def num_choices(self) -> int:
        """Number of choices: the columns of a genotype."""
        return len(self.choices)

    @property
    def spec(self) -> _core.SpaceSpec:
        """The compiled choices, for native code that draws genotypes itself."""
        return self._native

    @property
    def cardinalities(self) -> npt.NDArray[np.uint8]:
        """Number of options of each choice, uint8 [num_choices], restricted or not."""
        return np.array([len(choice.options) for choice in self.choices], dtype=np.uint8)

    @property
    def allowed(self) -> tuple[tuple[int, ...], ...]:
        """For each choice the option indices that the space (after `restrict`) allows, ascending."""
        return self._allowed

    @property
    def ordered(self) -> tuple[tuple[int, int], ...]:
        """Pairs of columns that hold strictly increasing options while active."""
        return self._ordered

    @property
    def base(self) -> Space:
        """The space without restrictions (itself if it has none)."""
        return self if self._base is None else self._base

    @property
    def size(self) -> int:
        """Number of valid genotypes, an exact int; inactive choices hold 0 and do not count."""
        if self._size is None:
            self._size = count_genotypes(self._allowed, self._conditions, self._ordered)
        return self._size

    def index(self, name: str) -> int:
        """The column of the choice with this name."""
        if name not in self._index:
            hint = nearest(str(name), self._index)
            raise ValueError(
                f"space {self.name}: unknown choice {name!r}{hint}; choices: {', '.join(self._index)}"
            )
        return self._index[name]

    # ---- genotypes, native

    def sample(self, n: int, seed: int) -> Genotypes:
        """Random genotypes, uint8 [n, num_choices].

        Every active choice is uniform over its allowed options, an ordered pair over its valid pairs. Under
        conditions this is not uniform over genotypes: each option of a controlling choice is equally likely.
        """
        return self._native.sample(n, seed)

    def mutate(self, genotypes: Genotypes, seed: int, mutations: int = 1) -> Genotypes:
        """Mutants, row by row: uint8 [n, num_choices].

        Changes min(mutations, mutable) distinct active choices, each drawn uniformly, to another allowed
        value, drawn uniformly. Mutable are the active choices that have another value with which the row is
        valid, given the others. Choices that become inactive are zeroed, those that become active are drawn.
        Fewer choices change only where the changes already made leave no mutable one.
        """
        return self._native.mutate(genotypes, seed, mutations)

    def crossover(self, a: Genotypes, b: Genotypes, seed: int) -> Genotypes:
        """Children of the rows of a and b by uniform crossover: uint8 [n, num_choices], always valid.

        From the first choice to the last, an ordered pair as one: an active choice takes the value of a
        parent in which it is active (either with equal chance if both), and is drawn if active in neither.
        """
        return self._native.crossover(a, b, seed)

    def repair(self, genotypes: Genotypes, seed: int) -> Genotypes:
        """Valid rows that keep what they can of any uint8 rows: uint8 [n, num_choices].

        For genotypes that were varied elsewhere; valid rows stay as they are. From the first choice to the
        last: inactive choices get 0, an ordered pair the wrong way round is swapped, what is not allowed is
        drawn uniformly.
        """
        return self._native.repair(genotypes, seed)

    def validate(self, genotypes: Genotypes) -> npt.NDArray[np.bool_]:
        """Which rows are genotypes of this space: bool [n]."""
        return self._native.validate(genotypes)

    def why_invalid(self, genotype: Genotype) -> str | None:
        """Which choice makes a genotype [num_choices] invalid and what it may hold; None if valid."""
        return self._native.why_invalid(genotype)

    def active(self, genotypes: Genotypes) -> npt.NDArray[np.bool_]:
        """Which choices are active in each row: bool [n, num_choices]."""
        return self._native.active(genotypes)

    def neighbours(self, genotype: Genotype) -> Genotypes:
        """All genotypes that differ in exactly one active choice: uint8 [m, num_choices].

        Sorted by choice, then option. Choices that the change activates take their first allowed option,
        those it deactivates 0.
        """
        return self._native.neighbours(genotype)

    def enumerate(self, limit: int = 1_000_000) -> Genotypes:
        """Every genotype: uint8 [size, num_choices], sorted. ValueError if there are more than `limit`."""
        if self.size > limit:
            raise ValueError(
                f"enumerate: space {self.name} has {self.size} genotypes, more than limit {limit}"
            )
        return self._native.enumerate(limit)

    def option_mask(self, prefix: Genotypes, index: int) -> npt.NDArray[np.bool_]:
        """The options of choice `index` that can follow a prefix: bool [cardinality].

        A batch of prefixes gives bool [n, cardinality].

        prefix: uint8 [num_choices] or [n, num_choices]; only the values before `index` count. An option is
        allowed when a valid genotype starts with the prefix and it; for an inactive choice only option 0 is.
        """
        single = isinstance(prefix, np.ndarray) and prefix.ndim == 1
        mask = self._native.option_mask(prefix[None] if single else prefix, index)
        return mask.reshape(-1) if single else mask

    def features(self, genotypes: Genotypes, kind: str = "onehot") -> npt.NDArray[np.float32]:
        """Inputs for predictors: float32 [n, d].

        onehot: d = sum of the cardinalities, 1 at the option of each active choice, else 0.
        """
        if kind != "onehot":
            raise ValueError(f"features: unknown kind {kind!r}; kinds: onehot")
        return self._native.one_hot(genotypes)

    # ---- values and text

    def values(self, genotype: Genotype) -> dict[str, Option]:
        """The option value of each active choice of a valid genotype [num_choices], by name."""
        self.require_valid(genotype)
        active = self._native.active(genotype[None])[0]
        return {
            choice.name: choice.options[genotype[i]] for i, choice in enumerate(self.choices) if active[i]
        }

    def genotype(self, values: Mapping[str, Option]) -> Genotype:
        """The genotype uint8 [num_choices] with these option values; inverse of `values`."""
        row = np.zeros(self.num_choices, dtype=np.uint8)
        for name, value in values.items():
            i = self.index(name)
            row[i] = self.choices[i].index(value)
        active = self._native.active(row[None])[0]
        for i, choice in enumerate(self.choices):
            if active[i] and choice.name not in values:
                raise ValueError(f"space {self.name}: a value for choice {choice.name} is missing")
            if not active[i] and choice.name in values:
                raise ValueError(
                    f"space {self.name}: choice {choice.name} is inactive here and takes no value"
                )
        self.require_valid(row)
        return row

    def to_string(self, genotype: Genotype) -> str:
        """The genotype as text that `from_string` reads: `name=value` of the active choices, with commas."""
        self.require_valid(genotype)
        return _core.space_to_string(self._native, genotype)

    def from_string(self, text: str) -> Genotype:
        """The genotype uint8 [num_choices] that `to_string` wrote. ValueError names the wrong part."""
        return _core.space_from_string(self._native, text)

    def require_valid(self, genotype: Genotype) -> None:
        """ValueError with the reason unless genotype [num_choices] is valid."""
        reason = self._native.why_invalid(genotype)
        if reason is not None:
            raise ValueError(f"space {self.name}: genotype is not valid: {reason}")

    # ---- sub-spaces

    def restrict(
        self,
        max_depth: float | None = None,
        max_width: float | None = None,
        operations: Collection[str] | None = None,
    ) -> Space:
        """The part of the space that a progressive stage opens; genotypes keep their layout.

        max_depth, max_width: choices of the role depth or width keep the options up to it.
        operations: choices of the role operation keep these options. Restricting again intersects.
        """
        return self._restricted(restricted_options(self, max_depth, max_width, operations))

    def keep(self, options: Mapping[str, Collection[Option]]) -> Space:
        """The part of the space where the named choices keep these option values only, as after `restrict`.

        ValueError for an unknown choice or option, and where a choice would be left without one.
        """
        return self._restricted(kept_options(self, options))

    def _restricted(self, allowed: tuple[tuple[int, ...], ...]) -> Space:
        space = copy.copy(self)
        space._base = self.base
        space._set_allowed(allowed)
        return space

    # ---- architectures

    @property
    def can_build(self) -> bool:
        """Whether `build` makes architectures: False for a space of one's own that has no build callable."""
        return self._build is not None or type(self).build is not Space.build

    def build(
        self,
        genotype: Genotype,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        **macro: Any,
    ) -> Architecture:
        """The `Architecture` of a genotype [num_choices] for images of input_shape (C, H, W).

        macro: options of the space's network around the choices, e.g. cells and channels.
        """
        if self._build is None:
            raise ValueError(f"space {self.name} cannot build architectures: it was made without build=")
        architecture = self._build(self.values(genotype), input_shape, num_classes, **macro)
        if not isinstance(architecture, Architecture):
            raise TypeError(
                f"space {self.name}: build must return an Architecture, got {type(architecture).__name__}"
            )
        return architecture

    def costs(
        self,
        genotypes: Genotypes,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        **macro: Any,
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Costs of each row for one image: macs, params, peak_activation_bytes, each int64 [n].

        A user's own space builds every architecture, which takes about a millisecond each.
        """
        self._native.require_valid(genotypes, "costs")
        architectures = [self.build(row, input_shape, num_classes, **macro) for row in genotypes]
        return {cost: np.array([getattr(a, cost) for a in architectures], dtype=np.int64) for cost in COSTS}

    def canonical_bytes(self, genotypes: Genotypes, kind: str = "graph") -> list[bytes]:
        """For each row bytes that are equal exactly for equal simplified architectures.

        kind: `graph` (isomorphism) or `expression` (sharing ignored), docs/design/architectures.md. A user's
        own space builds every architecture; without a build callable it compares the genotypes themselves.
        """
        check_kind("canonical_bytes", kind)
        self._native.require_valid(genotypes, "canonical_bytes")
        if self.can_build:
            return [self.build(row).canonical_bytes(kind) for row in genotypes]
        return [row.tobytes() for row in genotypes]

    def canonical_form(self, kind: str = "graph") -> _core.CanonicalForm | None:
        """Native canonical bytes of valid genotypes, for native code that compares them itself.

        None where only Python knows what an architecture is: `build`, or a `canonical_bytes` of one's own.
        """
        check_kind("canonical_form", kind)
        own = type(self).canonical_bytes is not Space.canonical_bytes
        return None if self.can_build or own else _core.genotype_form(self.num_choices)

    def canonical_hash(self, genotypes: Genotypes, kind: str = "graph") -> npt.NDArray[np.uint64]:
        """64-bit hashes of `canonical_bytes`, uint64 [n]: an index, equality is decided on the bytes."""
        return _core.hash_keys(self.canonical_bytes(genotypes, kind))

    def deduplicate(self, genotypes: Genotypes, kind: str = "graph") -> npt.NDArray[np.int64]:
        """Ascending indices of the first row of each distinct architecture, int64 [m]."""
        return _core.first_occurrences(self.canonical_bytes(genotypes, kind))

    def covering_genotypes(self) -> Genotypes:
        """Few genotypes whose architectures together hold the operators (node and resolution) of the space.

        uint8 [m, num_choices]. What an operator table measures before a search. Exact for the built-in
        spaces and for any of up to 1,024 genotypes; a larger space of a user's own is sampled until new
        samples bring no new operator.
        """
        return covering_genotypes(self)
