"""Random changes of architectures, native; every result is valid (docs/design/graph-mutations.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from efficient_nas import _core
from efficient_nas.graph import morphisms
from efficient_nas.graph.architecture import Architecture
from efficient_nas.graph.inheritance import inherited_weights
from efficient_nas.graph.node import ArchNode

MUTATION_KINDS = tuple(_core.mutation_kinds())
"""The kinds that `mutate` draws from unless the function is preserved."""


def mutate(
    arch: Architecture,
    seed: int,
    kinds: Iterable[str] | None = None,
    preserve_function: bool = False,
    state_dict: Mapping[str, Tensor] | None = None,
) -> tuple[Architecture, dict[str, Tensor] | None]:
    """A mutant of `arch` and, if `state_dict` (of `arch.to_pytorch()`) is given, weights for it.

    One change, of a kind drawn uniformly among those of `kinds` that apply to `arch`, then shape repair. The
    mutant has no dead nodes, the same input and output shape, and other `canonical_bytes` than `arch`.
    kinds: among `MUTATION_KINDS`, or `morphisms.PRESERVING_KINDS` if `preserve_function`; None: all of them.
    Weights of nodes that stay are copied where their shape stays, the others are fresh, drawn from `seed`;
    with `preserve_function` the network computes what it did in evaluation mode (`morphisms.apply`).
    Neither `arch` nor `state_dict` is changed. Same seed, same mutant and weights.
    Raises ValueError for an unknown kind, if none of them applies, or if `state_dict` does not fit `arch`.
    """
    _check_architecture("mutate: arch", arch)
    if not isinstance(preserve_function, bool):
        raise TypeError(f"mutate: preserve_function must be a bool, got {preserve_function!r}")
    if preserve_function:
        return _preserving(arch, seed, kinds, state_dict)
    wanted = checked_kinds("mutate", kinds, MUTATION_KINDS)
    made = _core.mutate_graph(arch._native, wanted, seed)
    if made is None:
        raise ValueError(f"mutate: no kind applies, of {', '.join(wanted)}: {arch!r}")
    child = from_native(made, arch.input_shape)
    return child, None if state_dict is None else inherited_weights(arch, child, made[2], state_dict, seed)


def crossover(a: Architecture, b: Architecture, seed: int) -> Architecture:
    """The front of `a` and the back of `b`, spliced at tensors of equal shape.

    Both tensors lie on every path from input to output of their network; the pair of them is drawn uniformly,
    input with input and last with last excepted. Where no pair exists the child is `a` without dead nodes.
    Raises ValueError unless both have the same input shape and the same output shape.
    """
    _check_architecture("crossover: a", a)
    _check_architecture("crossover: b", b)
    return from_native(_core.cross_graphs(a._native, b._native, seed), a.input_shape)


def _check_architecture(name: str, arch: object) -> None:
    if not isinstance(arch, Architecture):
        raise TypeError(f"{name} must be an Architecture, got {type(arch).__name__}")


def _preserving(
    arch: Architecture, seed: int, kinds: Iterable[str] | None, state_dict: Mapping[str, Tensor] | None
) -> tuple[Architecture, dict[str, Tensor] | None]:
    wanted = checked_kinds("mutate", kinds, morphisms.PRESERVING_KINDS)
    usable = [kind for kind in morphisms.applicable(arch) if kind in wanted]
    if not usable:
        raise ValueError(
            f"mutate: no kind that preserves the function applies, of {', '.join(wanted)}: {arch!r}"
        )
    return morphisms.apply(arch, usable[_core.draw_kind(seed, len(usable))], seed, state_dict)


def checked_kinds(where: str, kinds: Iterable[str] | None, known: Sequence[str]) -> list[str]:
    """`kinds` without repetitions; all that are known if None."""
    if kinds is not None and not isinstance(kinds, Iterable):
        raise TypeError(f"{where}: kinds must be names among {', '.join(known)}; got {kinds!r}")
    named = known if kinds is None else [kinds] if isinstance(kinds, str) else list(kinds)
    for kind in named:
        if kind not in known:
            lost = ", which does not preserve the function" if kind in MUTATION_KINDS else ""
            raise ValueError(f"{where}: kinds must be among {', '.join(known)}; got {kind!r}{lost}")
    wanted = list(dict.fromkeys(named))
    if not wanted:
        raise ValueError(f"{where}: kinds must hold at least one of {', '.join(known)}; got none")
    return wanted


def from_native(made: _core.GraphTuple, input_shape: tuple[int, int, int]) -> Architecture:
    """The architecture that native code describes."""
    nodes = [
        ArchNode(operation, inputs, outputs, stride, kernel_size or None, expansion, affine)
        for operation, inputs, outputs, stride, kernel_size, expansion, affine in made[0]
    ]
    return Architecture(nodes, made[1], input_shape)
