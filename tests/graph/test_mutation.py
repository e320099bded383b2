"""Mutations and crossover of architectures: always valid, repeatable, and what each kind does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_architectures import architectures

import efficient_nas as nas
from efficient_nas.graph import MUTATION_KINDS, Architecture, ArchNode, crossover, morphisms, mutate

SPACES = {
    "nasbench201": {"channels": 4, "cells_per_stage": 1},
    "nasbench_macro": {"channels": 4, "head_channels": 8},
    "darts": {"channels": 4, "layers": 3},
    "mbconv": {},
}
seeds = st.integers(0, 2**64 - 1)


def sampled(name: str, seed: int) -> Architecture:
    """A random architecture of a built-in space, small."""
    space = nas.spaces.create(name)
    return space.build(space.sample(1, seed)[0], input_shape=(3, 16, 16), num_classes=4, **SPACES[name])


def chain(*nodes: ArchNode, input_shape: tuple[int, int, int] = (3, 8, 8)) -> Architecture:
    """Nodes one after the other between input and output."""
    channels = input_shape[0]
    layers = [ArchNode("input", channels, channels), *nodes]
    layers.append(ArchNode("output", layers[-1].output_channels, layers[-1].output_channels))
    return Architecture(layers, [(i, i + 1) for i in range(len(layers) - 1)], input_shape)


RESIDUAL = Architecture(
    [
        ArchNode("input", 3, 3),
        ArchNode("conv_bn", 3, 8, kernel_size=3),
        ArchNode("conv_bn_relu", 8, 8, kernel_size=3),
        ArchNode("conv_bn", 8, 8, kernel_size=3),
        ArchNode("sum", 8, 8),
        ArchNode("global_avg_pool", 8, 8),
        ArchNode("linear", 8, 5),
        ArchNode("output", 5, 5),
    ],
    [(0, 1), (1, 2), (2, 3), (3, 4), (1, 4), (4, 5), (5, 6), (6, 7)],
    (3, 8, 8),
)


def check_child(parent: Architecture, child: Architecture) -> None:
    assert child.input_shape == parent.input_shape
    assert child.shapes[child.execution_order[-1]] == parent.shapes[parent.execution_order[-1]]
    assert child.prune() == child
    assert child.topological_order == list(range(len(child.nodes)))


@settings(max_examples=150)
@given(parent=architectures(), seed=seeds)
def test_any_architecture_has_a_valid_mutant_of_another_form(parent: Architecture, seed: int) -> None:
    text = parent.to_json()
    try:
        child, weights = mutate(parent, seed)
    except ValueError as error:
        assert "no kind applies" in str(error)
        assert parent.execution_order == [] or len(parent.execution_order) == 2  # input and output alone
        return
    assert weights is None
    check_child(parent, child)
    assert child.canonical_bytes() != parent.canonical_bytes()
    assert parent.to_json() == text
    assert mutate(parent, seed) == (child, None)


@pytest.mark.parametrize("name", SPACES)
def test_every_kind_applies_to_the_built_in_spaces_and_the_networks_run(name: str) -> None:
    made: Counter[str] = Counter()
    for seed in range(3):
        parent = sampled(name, seed)
        for step in range(12):
            kind = MUTATION_KINDS[(step + 5 * seed) % len(MUTATION_KINDS)]
            try:
                child, _ = mutate(parent, 100 * seed + step, kinds=(kind,))
            except ValueError:
                continue
            check_child(parent, child)
            made[kind] += 1
            parent = child
        images = torch.randn(2, *parent.input_shape)
        assert parent.to_pytorch().eval()(images).shape == (2, 4)
    assert set(made) >= set(MUTATION_KINDS) - {"narrow", "change_stride"}, made


def operations_of(arch: Architecture) -> Counter[str]:
    return Counter(node.operation for node in arch.nodes)


@pytest.mark.parametrize("seed", range(20))
class TestKinds:
    """What each kind does to a small residual network."""

    def test_add(self, seed: int) -> None:
        child, _ = mutate(RESIDUAL, seed, kinds=("add",))
        assert operations_of(child) > operations_of(RESIDUAL)

    def test_remove(self, seed: int) -> None:
        child, _ = mutate(RESIDUAL, seed, kinds=("remove",))
        assert child.params < RESIDUAL.params

    def test_replace(self, seed: int) -> None:
        child, _ = mutate(RESIDUAL, seed, kinds=("replace",))
        changed = [i for i in range(8) if child.nodes[i] != RESIDUAL.nodes[i]]
        assert len(changed) == 1
        assert child.connections == RESIDUAL.connections

    def test_rewire(self, seed: int) -> None:
        child, _ = mutate(RESIDUAL, seed, kinds=("rewire",))
        assert child.connections != RESIDUAL.connections
        assert child.depth <= RESIDUAL.depth

    def test_widen_and_narrow(self, seed: int) -> None:
        wide, _ = mutate(RESIDUAL, seed, kinds=("widen",))
        narrow, _ = mutate(RESIDUAL, seed, kinds=("narrow",))
        assert wide.params > RESIDUAL.params > narrow.params
        for child in (wide, narrow):
            assert child.connections == RESIDUAL.connections  # both sides of the sum change: no projection
            assert child.nodes[1].output_channels == child.nodes[3].output_channels

    def test_deepen(self, seed: int) -> None:
        child, _ = mutate(RESIDUAL, seed, kinds=("deepen",))
        assert len(child.nodes) == 9
        assert child.depth == RESIDUAL.depth + 1

    def test_add_skip(self, seed: int) -> None:
        child, _ = mutate(RESIDUAL, seed, kinds=("add_skip",))
        assert len(child.connections) > len(RESIDUAL.connections)
        assert child.depth == RESIDUAL.depth

    def test_change_kernel(self, seed: int) -> None:
        child, _ = mutate(RESIDUAL, seed, kinds="change_kernel")
        changed = [i for i in range(8) if child.nodes[i] != RESIDUAL.nodes[i]]
        assert len(changed) == 1
        assert child.nodes[changed[0]].kernel_size in {1, 5, 7}

    def test_the_classifier_stays(self, seed: int) -> None:
        arch = RESIDUAL
        for step in range(8):
            arch, _ = mutate(arch, 8 * seed + step)
            assert arch.nodes[-2].operation == "linear"
            assert arch.nodes[-2].output_channels == 5


def conv(channels: int, stride: int = 1) -> ArchNode:
    return ArchNode("conv_bn", channels, channels, stride=stride, kernel_size=3)


def test_strides_move_along_a_chain() -> None:
    parent = chain(conv(4, stride=2), conv(4), conv(4, stride=2), input_shape=(4, 8, 8))
    children = {mutate(parent, seed, kinds=("change_stride",))[0] for seed in range(30)}
    strides = {tuple(node.stride for node in child.nodes[1:-1]) for child in children}
    assert strides == {(1, 2, 2), (2, 2, 1)}


def test_a_stride_moves_in_front_of_all_branches() -> None:
    nodes = [ArchNode("input", 4, 4), conv(4), conv(4, 2), ArchNode("skip_connect", 4, 4, stride=2)]
    nodes += [conv(4), ArchNode("output", 4, 4)]
    parent = Architecture(nodes, [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5)], (4, 8, 8))
    children = {mutate(parent, seed, kinds=("change_stride",))[0] for seed in range(30)}
    assert {tuple(node.stride for node in child.nodes) for child in children} == {
        (1, 2, 1, 1, 1, 1),  # before both
        (1, 1, 1, 1, 2, 1),  # behind both
    }


def test_a_skip_between_other_shapes_gets_a_projection() -> None:
    parent = chain(
        ArchNode("conv_bn_relu", 3, 8, stride=2, kernel_size=3), ArchNode("conv_bn", 8, 8, kernel_size=3)
    )
    seen = set()
    for seed in range(40):
        child, _ = mutate(parent, seed, kinds=("add_skip",))
        seen |= {n for n in child.nodes if n not in parent.nodes}
    assert ArchNode("conv_bn", 3, 8, stride=2, kernel_size=1) in seen


def test_a_kind_that_does_not_apply_is_not_drawn() -> None:
    parent = chain(ArchNode("max_pool_3x3", 3, 3))
    for seed in range(10):
        child, _ = mutate(parent, seed, kinds=("widen", "narrow", "deepen", "change_kernel", "replace"))
        assert len(child.nodes) == 3
    with pytest.raises(ValueError, match="no kind applies, of widen, narrow, deepen, change_kernel"):
        mutate(parent, 0, kinds=("widen", "narrow", "deepen", "change_kernel"))


def test_kinds_are_drawn_evenly() -> None:
    drawn = Counter()
    for seed in range(600):
        child, _ = mutate(RESIDUAL, seed, kinds=("widen", "narrow", "deepen"))
        drawn[(len(child.nodes), child.params > RESIDUAL.params)] += 1
    assert set(drawn) == {(8, True), (8, False), (9, True)}
    assert all(150 < count < 250 for count in drawn.values()), (
        drawn
    )  # 200 expected, 11.5 a standard deviation


def test_networks_without_a_living_node_are_refused() -> None:
    with pytest.raises(ValueError, match="no kind applies"):
        mutate(chain(ArchNode("none", 3, 3), ArchNode("conv_bn", 3, 3, kernel_size=3)), 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ("grow",)}, "kinds must be among add, remove, .*; got 'grow'"),
        ({"kinds": ()}, "kinds must hold at least one"),
        ({"kinds": ("remove",), "preserve_function": True}, "'remove', which does not preserve the function"),
        ({"seed": -1}, "seed must be an integer in"),
        ({"seed": 1.5}, "seed must be an integer in"),
    ],
)
def test_bad_arguments(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mutate(RESIDUAL, **({"seed": 0} | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", morphisms.PRESERVING_KINDS)
def test_only_preserving_kinds_that_are_wanted_are_drawn(kind: str) -> None:
    for seed in range(20):
        child, _ = mutate(RESIDUAL, seed, kinds=[kind], preserve_function=True)
        assert child == morphisms.apply(RESIDUAL, kind, seed)[0]


def test_all_preserving_kinds_are_drawn() -> None:
    usable = morphisms.applicable(RESIDUAL)
    drawn: Counter[str] = Counter()
    for seed in range(50 * len(usable)):
        child, _ = mutate(RESIDUAL, seed, preserve_function=True)
        drawn.update(kind for kind in usable if child == morphisms.apply(RESIDUAL, kind, seed)[0])
    assert all(25 <= drawn[kind] <= 85 for kind in usable), drawn


def test_naming_a_kind_twice_changes_nothing() -> None:
    for seed in range(40):
        once, _ = mutate(RESIDUAL, seed, kinds=("widen", "narrow"))
        assert once == mutate(RESIDUAL, seed, kinds=("widen", "widen", "widen", "narrow"))[0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mutate(None, 0), TypeError, "mutate: arch must be an Architecture, got NoneType"),
        (lambda: mutate("x", 0, preserve_function=True), TypeError, "arch must be an Architecture, got str"),
        (lambda: crossover(3, RESIDUAL, 0), TypeError, "crossover: a must be an Architecture, got int"),
        (lambda: crossover(RESIDUAL, 3, 0), TypeError, "crossover: b must be an Architecture, got int"),
        (lambda: morphisms.applicable(None), TypeError, "arch must be an Architecture"),
        (lambda: morphisms.apply(RESIDUAL, ["widen"], 0), ValueError, "does not preserve"),
        (lambda: mutate(RESIDUAL, None), ValueError, "mutate: seed must be an integer .* got None"),
        (lambda: crossover(RESIDUAL, RESIDUAL, None), ValueError, "crossover: seed must be .* got None"),
        (lambda: mutate(RESIDUAL, 0, kinds=3), TypeError, "kinds must be names among add, .*; got 3"),
        (lambda: mutate(RESIDUAL, 0, kinds=[["add"]]), ValueError, r"kinds must be among .*; got \['add'\]"),
        (lambda: mutate(RESIDUAL, 0, preserve_function="no"), TypeError, "must be a bool, got 'no'"),
    ],
)
def test_arguments_of_wrong_types(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def random_weights(arch: Architecture, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return arch.to_pytorch().to(dtype).state_dict()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", MUTATION_KINDS)
def test_weights_follow_their_nodes(kind: str, dtype: torch.dtype) -> None:
    parent = sampled("nasbench201", 3)
    weights = random_weights(parent, dtype)
    before = {name: tensor.clone() for name, tensor in weights.items()}
    child, carried = mutate(parent, 7, kinds=(kind,), state_dict=weights)
    assert carried is not None
    network = child.to_pytorch().to(dtype)
    network.load_state_dict(carried)
    assert {tensor.dtype for tensor in carried.values()} <= {dtype, torch.int64}
    again = mutate(parent, 7, kinds=(kind,), state_dict=weights)[1]
    assert again is not None
    assert all(torch.equal(again[name], tensor) for name, tensor in carried.items())
    # Convolution weights are random: one that is equal to a parent's was carried over.
    known = [t for t in before.values() if t.dim() == 4]
    new = [t for t in carried.values() if t.dim() == 4]
    kept = sum(any(t.shape == k.shape and torch.equal(t, k) for k in known) for t in new)
    assert kept >= len(known) - 6
    for tensor in carried.values():
        if tensor.is_floating_point():
            tensor.fill_(9.0)
    assert all(torch.equal(weights[name], tensor) for name, tensor in before.items())


def test_seeds_may_be_numpy_integers() -> None:
    weights = random_weights(RESIDUAL)
    for preserve in (False, True):
        _, expected = mutate(RESIDUAL, 3, preserve_function=preserve, state_dict=weights)
        _, state = mutate(RESIDUAL, np.int64(3), preserve_function=preserve, state_dict=weights)
        assert state is not None and expected is not None and state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in state)


def test_fresh_weights_seed_no_generator_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def seeded(seed: int) -> None:
        raise AssertionError("the random numbers of the user's GPUs start anew")

    weights = random_weights(RESIDUAL)
    before = torch.random.get_rng_state()
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)
    mutate(RESIDUAL, 0, kinds=("add",), state_dict=weights)
    assert torch.equal(before, torch.random.get_rng_state())


def test_state_dicts_of_other_networks_are_refused() -> None:
    weights = random_weights(RESIDUAL)
    some = next(iter(weights))
    with pytest.raises(ValueError, match=f"it lacks '{some}'"):
        mutate(RESIDUAL, 0, state_dict={k: v for k, v in weights.items() if k != some})
    with pytest.raises(ValueError, match="'extra'"):
        mutate(RESIDUAL, 0, state_dict=weights | {"extra": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"must have shape .*3, 3, 3"):
        mutate(RESIDUAL, 0, state_dict=weights | {some: torch.zeros(1)})


def test_preserving_kinds_keep_the_function() -> None:
    weights = random_weights(RESIDUAL)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    def logits(arch: Architecture, state: dict[str, torch.Tensor] | None) -> torch.Tensor:
        network = arch.to_pytorch().eval()
        network.load_state_dict(state or {})
        return network(images).detach()

    children = [mutate(RESIDUAL, seed, preserve_function=True, state_dict=weights) for seed in range(12)]
    for child, carried in children:
        assert child.canonical_bytes() != RESIDUAL.canonical_bytes()
        torch.testing.assert_close(logits(child, carried), logits(RESIDUAL, weights), rtol=1e-5, atol=1e-5)
    assert len({child.canonical_bytes() for child, _ in children}) > 4
    assert mutate(RESIDUAL, 3, preserve_function=True) == (children[3][0], None)


def test_mutation_leaves_the_global_random_state_alone() -> None:
    weights = random_weights(RESIDUAL)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    mutate(RESIDUAL, 3, state_dict=weights)
    assert torch.rand(1) == expected


@pytest.mark.parametrize("name", SPACES)
def test_crossover_takes_a_front_and_a_back(name: str) -> None:
    mixed = 0
    for seed in range(15):
        a, b = sampled(name, 2 * seed), sampled(name, 2 * seed + 1)
        child = crossover(a, b, seed)
        check_child(a, child)
        assert child == crossover(a, b, seed)
        assert operations_of(child) <= operations_of(a) + operations_of(b)
        mixed += child.canonical_bytes() not in {a.canonical_bytes(), b.canonical_bytes()}
    # Every DARTS cell reads two cells before it: only the stem and the head hang on single tensors.
    assert mixed >= (0 if name == "darts" else 5)


def test_crossover_without_a_cut_copies_the_first() -> None:
    a, b = chain(ArchNode("conv", 3, 4, kernel_size=3)), chain(ArchNode("conv", 3, 4, kernel_size=5))
    assert crossover(a, b, 0) == a
    zeros = chain(conv(3), ArchNode("none", 3, 4), conv(4))
    assert crossover(a, zeros, 0) == a


def test_crossover_needs_equal_ends() -> None:
    a = chain(conv(3))
    with pytest.raises(ValueError, match="crossover: architectures must have equal input shapes"):
        crossover(a, chain(conv(4), input_shape=(4, 8, 8)), 0)
    with pytest.raises(ValueError, match="crossover: architectures must have equal output shapes"):
        crossover(a, chain(conv(3, stride=2)), 0)
