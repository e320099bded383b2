"""Function-preserving mutations: the child computes what the parent does."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from morphism_networks import BOUND, chain_of, check, everything_at_once
from random_architectures import architectures, random_cell
from trained_like import SMALL, images_for, output, relative_error, small_network, trained

from efficient_nas.graph import Architecture, ArchNode, morphisms
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.kinds import _MORPHISMS

KINDS = morphisms.PRESERVING_KINDS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("space_name", SMALL)
def test_chains_keep_the_function_of_networks_of_the_spaces(space_name: str, dtype: torch.dtype) -> None:
    seen: Counter[str] = Counter()
    for start in range(3):
        first = arch = small_network(space_name, seed=start)
        first_state = state = trained(arch, start, dtype)
        images = images_for(arch, dtype)
        wanted = output(arch, state, images)
        assert (wanted - wanted.mean(0)).abs().max() > 0.01 * wanted.abs().max(), "a constant hides errors"
        for step in range(8):
            kind = min(morphisms.applicable(arch), key=seen.__getitem__)
            child, grown = morphisms.apply(arch, kind, 100 * start + step, state)
            assert grown is not None
            check(arch, state, child, grown, kind)
            arch, state = child, grown
            seen[kind] += 1
        error = relative_error(output(arch, state, images), wanted)
        assert error <= BOUND[dtype], f"eight steps changed the output by {error:.2e} of its scale"
        assert first != arch and first_state.keys() <= state.keys()
    assert min(seen[kind] for kind in KINDS) > 0, seen


@given(architectures(), st.integers(0, 2**63))
@settings(max_examples=60)
def test_every_kind_keeps_the_function_of_random_architectures(arch: Architecture, seed: int) -> None:
    state = trained(arch, 0, torch.float64)
    dtype = torch.float64 if state else torch.float32  # without weights, new ones are float32
    images = images_for(arch, dtype)
    for kind in morphisms.applicable(arch):
        child, grown = morphisms.apply(arch, kind, seed, state)
        assert grown is not None
        wanted = output(arch, state, images)
        # Batch norms of a constant amplify rounding: weight / sqrt(0.01), layer after layer.
        error = relative_error(output(child, grown, images), wanted)
        assert error <= (1e-9 if arch.params else 1e-5), (
            f"{kind} changed the output by {error:.2e} of its scale"
        )
        assert child.canonical_bytes() != arch.canonical_bytes(), kind


@given(st.integers(0, 2**32), st.integers(0, 9), st.integers(0, 2**64 - 1 - 10))
@settings(max_examples=15)
def test_chains_keep_the_function_of_random_cells(cell: int, size: int, seed: int) -> None:
    arch = random_cell(random.Random(cell), size)
    state = trained(arch, 0, torch.float64)
    for step in range(6):
        kinds = morphisms.applicable(arch)
        if not kinds:
            assert not arch.params
            return
        kind = kinds[(seed + step) % len(kinds)]
        child, grown = morphisms.apply(arch, kind, seed + step, state)
        assert grown is not None
        check(arch, state, child, grown, kind)
        arch, state = child, grown


@pytest.mark.parametrize("kind", KINDS)
def test_every_site_of_a_network_with_everything_is_exact(kind: str) -> None:
    arch = everything_at_once()
    state = trained(arch, 1, torch.float64)
    morphism = _MORPHISMS[kind](arch)
    sites = morphism.sites()
    assert len(sites) > 5
    for number, site in enumerate(sites):
        for repeat in range(2):
            change = morphism.draw(site, Draws(repeat, number))
            check(arch, state, change.architecture, change.carry(dict(state), Draws(repeat, 255)), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_was_passed_is_changed_or_shared(kind: str) -> None:
    arch = everything_at_once()
    state = trained(arch, 0)
    nodes, kept = arch.nodes, {name: tensor.clone() for name, tensor in state.items()}
    random_state = torch.get_rng_state()
    child, grown = morphisms.apply(arch, kind, 7, state)
    assert grown is not None
    for tensor in grown.values():
        assert not tensor.requires_grad
        tensor.zero_()
    assert arch.nodes == nodes and child != arch
    assert all(torch.equal(state[name], tensor) for name, tensor in kept.items())
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_child_with_and_without_weights(kind: str) -> None:
    arch = everything_at_once()
    state = trained(arch, 0)
    children = {}
    for seed in (0, 1, 2, 2**64 - 1):
        child, grown = morphisms.apply(arch, kind, seed, state)
        again, same = morphisms.apply(arch, kind, seed, state)
        alone, nothing = morphisms.apply(arch, kind, seed)
        assert child == again == alone and nothing is None
        assert grown is not None and same is not None and grown.keys() == same.keys()
        assert all(torch.equal(grown[name], same[name]) for name in grown)
        children[child.canonical_bytes()] = seed
    assert len(children) > 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_the_dtype_of_weights_stays(kind: str, dtype: torch.dtype) -> None:
    arch = everything_at_once()
    child, grown = morphisms.apply(arch, kind, 0, trained(arch, 0, dtype))
    assert grown is not None
    assert {t.dtype for t in grown.values() if t.is_floating_point()} == {dtype}
    with torch.device("meta"):
        expected = child.to_pytorch().state_dict()
    assert {name: t.shape for name, t in grown.items()} == {name: t.shape for name, t in expected.items()}


def test_only_kinds_with_a_place_are_applicable() -> None:
    pooled = chain_of(ArchNode("global_avg_pool", 2, 2), ArchNode("linear", 2, 3))
    assert morphisms.applicable(pooled) == ("deepen", "identity")
    with pytest.raises(ValueError, match="kind 'widen' has no place in this architecture"):
        morphisms.apply(pooled, "widen", 0)
    nothing = chain_of(ArchNode("none", 2, 2))
    assert morphisms.applicable(nothing) == ()
    with pytest.raises(ValueError, match="kind 'deepen' has no place"):
        morphisms.apply(nothing, "deepen", 0)
    assert morphisms.applicable(everything_at_once()) == KINDS


@pytest.mark.parametrize("kind", ["remove", "rewire", "Widen", "", None])
def test_kinds_that_do_not_preserve_the_function_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"does not preserve .* kinds that do: widen, deepen, identity"):
        morphisms.apply(everything_at_once(), kind, 0)


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (-1, ValueError, r"seed must be between 0 and 2\*\*64 - 1, got -1"),
        (2**64, ValueError, "seed must be between"),
        (1.5, TypeError, "seed must be an int"),
        (True, TypeError, "seed must be an int"),
    ],
)
def test_a_wrong_seed_is_named(seed: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        morphisms.apply(everything_at_once(), "widen", seed)


def test_a_state_dict_of_another_network_is_refused() -> None:
    arch = everything_at_once()
    state = trained(arch, 0)
    name = "operations.1.0.weight"
    short = {key: tensor for key, tensor in state.items() if key != name}
    for wrong, error, message in [
        ([], TypeError, "state_dict must be a dict of tensors, got list"),
        (short, ValueError, f"it lacks '{name}'"),
        ({**state, "module.x": state[name]}, ValueError, "it has 'module.x'"),
        ({**state, name: state[name][:1]}, ValueError, r"must have shape \[4, 2, 3, 3\], got \[1, 2, 3, 3\]"),
        ({**state, name: 3.0}, TypeError, f"state_dict\\['{name}'\\] must be a tensor, got float"),
        ({**state, name: state[name].long()}, ValueError, "must be floating point, got torch.int64"),
    ]:
        with pytest.raises(error, match=message):
            morphisms.apply(arch, "widen", 0, wrong)  # type: ignore[arg-type]
