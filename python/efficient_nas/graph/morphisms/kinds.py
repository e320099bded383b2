"""The function-preserving kinds of mutation, by name."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from efficient_nas.errors import nearest
from efficient_nas.graph.architecture import Architecture
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.insertion import AddSkip, Deepen, InsertIdentity
from efficient_nas.graph.morphisms.kernels import GrowKernel
from efficient_nas.graph.morphisms.weights import Change, StateDict, copied
from efficient_nas.graph.morphisms.widening import Widen


class Morphism(Protocol):
    """One kind of mutation of one architecture."""

    def sites(self) -> Sequence[Any]:
        """Where it can be applied; empty if nowhere."""
        ...

    def draw(self, site: Any, draws: Draws) -> Change:
        """The mutation at one of `sites()`; the rest is drawn."""
        ...


_MORPHISMS: dict[str, Callable[[Architecture], Morphism]] = {
    "widen": Widen,
    "deepen": Deepen,
    "identity": InsertIdentity,
    "add_skip": AddSkip,
    "change_kernel": GrowKernel,
}
PRESERVING_KINDS = tuple(_MORPHISMS)


def applicable(arch: Architecture) -> tuple[str, ...]:
    """Those of `PRESERVING_KINDS` that can be applied to `arch`."""
    _check_architecture(arch)
    return tuple(kind for kind, make in _MORPHISMS.items() if make(arch).sites())


def apply(
    arch: Architecture, kind: str, seed: int, state_dict: Mapping[str, Tensor] | None = None
) -> tuple[Architecture, StateDict | None]:
    """A mutated architecture, and the state dict with which it computes what `arch` does with `state_dict`.

    kind: one of `PRESERVING_KINDS`. seed: decides every draw; the architecture is the same with and without
    `state_dict`. state_dict: of `arch.to_pytorch()`, any floating dtype and device; None gives None back.
    Nodes keep their indices, a new one is the last. The result shares no memory with what was passed.
    Outputs agree in evaluation mode up to rounding (docs/graph-mutations.md).
    Raises ValueError for a kind that does not preserve the function or that `arch` has no place for, and for
    a state dict of another architecture.
    """
    _check_architecture(arch)
    if kind not in PRESERVING_KINDS:
        raise ValueError(
            f"mutate: kind {kind!r} does not preserve the network's function; kinds that do: "
            f"{', '.join(PRESERVING_KINDS)}{nearest(str(kind), PRESERVING_KINDS)}"
        )
    _check_seed(seed)
    state = None if state_dict is None else copied(arch, state_dict)
    morphism = _MORPHISMS[kind](arch)
    sites = morphism.sites()
    if not sites:
        raise ValueError(f"mutate: kind {kind!r} has no place in this architecture")
    draws = Draws(seed, stream=1)  # stream 0 is what a caller draws the kind from
    change = morphism.draw(draws.choice(sites), draws)
    if state is None:
        return change.architecture, None
    return change.architecture, change.carry(state, Draws(seed, stream=2))


def _check_architecture(arch: object) -> None:
    if not isinstance(arch, Architecture):
        raise TypeError(f"morphisms: arch must be an Architecture, got {type(arch).__name__}")


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"mutate: seed must be an int, got {seed!r}")
    if not 0 <= operator.index(seed) < 2**64:
        raise ValueError(f"mutate: seed must be between 0 and 2**64 - 1, got {seed}")
