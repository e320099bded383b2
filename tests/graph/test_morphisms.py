"""Function-preserving mutations: the child computes what the parent does, and goes on learning."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_architectures import EVERY, architectures, random_cell
from torch import Tensor, nn
from trained_like import (
    SMALL,
    StateDict,
    images_for,
    network_of,
    output,
    relative_error,
    small_network,
    trained,
)

from efficient_nas.graph import Architecture, ArchNode, morphisms
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.insertion import Deepen, InsertIdentity
from efficient_nas.graph.morphisms.layers import Channels, Kind, is_residual, layers_of
from efficient_nas.graph.morphisms.widening import Widen
from efficient_nas.graph.network import module_of

KINDS = morphisms.PRESERVING_KINDS
BOUND = {torch.float32: 1e-5, torch.float64: 1e-12}
KEEP_IN_TRAINING = ("widen", "identity", "add_skip", "change_kernel")


def chain_of(*nodes: ArchNode, size: int = 6) -> Architecture:
    """The nodes one after another, between input and output."""
    first, last = nodes[0].input_channels, nodes[-1].output_channels
    everything = [ArchNode("input", first, first), *nodes, ArchNode("output", last, last)]
    connections = [(i, i + 1) for i in range(len(everything) - 1)]
    return Architecture(everything, connections, (first, size, size))


HEAD = [ArchNode("global_avg_pool", 6, 6), ArchNode("linear", 6, 3)]


def everything_at_once() -> Architecture:
    """Every way in which channels hang together.

    Sums of concatenations and of halves, depthwise layers, residuals, zeros, and a linear on 2 x 2 pixels.
    """
    nodes = [
        ArchNode("input", 2, 2),
        ArchNode("conv_bn_relu", 2, 4, kernel_size=3),  # 1
        ArchNode("factorized_reduce", 4, 4, stride=2),  # 2
        ArchNode("skip_connect", 4, 2, stride=2, affine=False),  # 3
        ArchNode("concat", 2, 4),  # 4: 3, 3
        ArchNode("max_pool_3x3", 4, 4, stride=2),  # 5
        ArchNode("sum", 4, 4),  # 6: 2 + 4 + 5
        ArchNode("none", 4, 4),  # 7
        ArchNode("sep_conv_3x3", 4, 4),  # 8: 6 + 7
        ArchNode("mbconv", 4, 4, kernel_size=3, expansion=2),  # 9: 6
        ArchNode("mbconv", 4, 6, kernel_size=3, expansion=1, affine=False),  # 10: 8 + 9
        ArchNode("resnet_basic_block", 6, 6),  # 11: 10
        ArchNode("resnet_basic_block", 6, 4),  # 12: 10 + 11
        ArchNode("concat", 14, 14),  # 13: 12, 11, 7
        ArchNode("bn_relu", 14, 14),  # 14
        ArchNode("dil_conv_3x3", 14, 4, stride=2),  # 15
        ArchNode("resnet_basic_block", 4, 6, stride=2),  # 16: 6
        ArchNode("mbconv", 4, 6, kernel_size=3, expansion=3, stride=2),  # 17: 6
        ArchNode("concat", 4, 16),  # 18: 15, 16, 17
        ArchNode("gate", 16, 16),  # 19
        ArchNode("linear", 16, 5),  # 20: 18 + 19
        ArchNode("bn_relu", 5, 5),  # 21
        ArchNode("linear", 5, 3),  # 22
        ArchNode("output", 3, 3),  # 23
        ArchNode("nor_conv_3x3", 4, 8),  # 24: dead
    ]
    nodes[18] = ArchNode("concat", 16, 16)
    inputs = {
        1: [0],
        2: [1],
        3: [1],
        4: [3, 3],
        5: [1],
        6: [2, 4, 5],
        7: [6],
        8: [6, 7],
        9: [6],
        10: [8, 9],
        11: [10],
        12: [10, 11],
        13: [12, 11, 7],
        14: [13],
        15: [14],
        16: [6],
        17: [6],
        18: [15, 16, 17],
        19: [18],
        20: [18, 19],
        21: [20],
        22: [21],
        23: [22],
        24: [6],
    }
    connections = [(source, target) for target, sources in inputs.items() for source in sources]
    return Architecture(nodes, connections, (2, 7, 7))


def check(parent: Architecture, state: StateDict, child: Architecture, grown: StateDict, kind: str) -> None:
    """The child is another architecture with the same function, up to rounding."""
    assert child.canonical_bytes() != parent.canonical_bytes(), kind
    assert child.nodes[: len(parent.nodes)] == parent.nodes or kind in ("widen", "change_kernel")
    dtype = next(t.dtype for t in grown.values() if t.is_floating_point())
    images = images_for(parent, dtype)
    wanted = output(parent, state, images)
    error = relative_error(output(child, grown, images), wanted)
    assert error <= BOUND[dtype], f"{kind} changed the output by {error:.2e} of its scale"


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
    import random

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
    from efficient_nas.graph.morphisms.kinds import _MORPHISMS

    arch = everything_at_once()
    state = trained(arch, 1, torch.float64)
    morphism = _MORPHISMS[kind](arch)
    sites = morphism.sites()
    assert len(sites) > 5
    for number, site in enumerate(sites):
        for repeat in range(2):
            change = morphism.draw(site, Draws(repeat, number))
            check(arch, state, change.architecture, change.carry(dict(state), Draws(repeat, 255)), kind)


def test_every_layer_that_deepening_offers_is_exact() -> None:
    arch = chain_of(
        ArchNode("conv_bn_relu", 2, 4, kernel_size=3),
        ArchNode("max_pool_3x3", 4, 4),
        ArchNode("nor_conv_3x3", 4, 4),
        ArchNode("sep_conv_3x3", 4, 6),
        ArchNode("resnet_basic_block", 6, 6),
        *HEAD,
    )
    state = trained(arch, 0, torch.float64)
    deepen = Deepen(arch)
    offered: dict[int, set[str]] = {}
    for site in deepen.sites():
        layers = deepen.layers(site)
        offered[site.sources[0]] = {layer.operation for layer in layers}
        for number in range(len(layers)):
            change = deepen.draw(site, _Scripted(number))
            check(arch, state, change.architecture, change.carry(dict(state), Draws(0, 0)), "deepen")
    with_relu = {source for source, names in offered.items() if "conv_bn_relu" in names}
    # Behind the convolution with a ReLU and the pool of it; in front of sep_conv, which begins with one.
    assert with_relu == {1, 2, 3}
    assert offered.keys() == {0, 1, 2, 3, 4, 5, 6}, "not behind the logits"
    assert offered[0] == {"conv", "conv_bn"}


def test_a_relu_in_front_of_a_sum_has_to_be_that_of_the_whole_sum() -> None:
    """relu(relu(a) + b) is not relu(a + b)."""
    nodes = [
        ArchNode("input", 2, 2),
        ArchNode("conv_bn", 2, 4, kernel_size=3),
        ArchNode("conv_bn", 2, 4, kernel_size=1),
        ArchNode("nor_conv_3x3", 4, 6),
        *HEAD,
        ArchNode("output", 3, 3),
    ]
    connections = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6)]
    arch = Architecture(nodes, connections, (2, 6, 6))
    rectified = {site.sources: site.rectified for site in Deepen(arch).sites()}
    assert rectified[1,] is False and rectified[2,] is False
    assert rectified[1, 2] is True
    state = trained(arch, 0, torch.float64)
    for number, site in enumerate(Deepen(arch).sites()):
        for repeat in range(8):
            change = Deepen(arch).draw(site, Draws(number, repeat))
            check(arch, state, change.architecture, change.carry(dict(state), Draws(0, 0)), "deepen")


class _Scripted(Draws):
    """Draws one given choice."""

    def __init__(self, number: int) -> None:
        super().__init__(0, 0)
        self._number = number

    def below(self, bound: int) -> int:
        assert self._number < bound
        return self._number


def test_a_relu_where_it_is_not_offered_would_change_the_function() -> None:
    arch = chain_of(ArchNode("conv_bn", 2, 4, kernel_size=3), ArchNode("conv_bn", 4, 6, kernel_size=1), *HEAD)
    state = trained(arch, 0, torch.float64)
    site = next(site for site in Deepen(arch).sites() if site.sources == (1,))
    assert not site.nonnegative and not site.rectified
    forced = type(site)(site.sources, site.connections, site.shape, nonnegative=True, rectified=False)
    deepen = Deepen(arch)
    numbers = [i for i, layer in enumerate(deepen.layers(forced)) if layer.operation == "conv_bn_relu"]
    change = deepen.draw(forced, _Scripted(numbers[0]))
    images = images_for(arch, torch.float64)
    wanted = output(arch, state, images)
    child = output(change.architecture, change.carry(dict(state), Draws(0, 0)), images)
    assert relative_error(child, wanted) > 0.01


@pytest.mark.parametrize(
    ("operation", "stride"),
    [(name, s) for name, _ in EVERY for s in (1, 2)],
)
def test_the_table_of_layers_is_that_of_the_modules(operation: str, stride: int) -> None:
    for options in [options for name, options in EVERY if name == operation]:
        for outputs in (4, 6):
            try:
                node = ArchNode(operation, 4, outputs, **{"stride": stride, **options})
                module = (
                    module_of(node, (4, 3, 3))
                    if operation not in ("none", "sum", "concat")
                    else nn.Identity()
                )
            except ValueError:
                continue
            found = module.state_dict()
            layers = layers_of(node)
            parameters = {
                Kind.NORM: ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
                Kind.DENSE: ("weight",),
                Kind.DEPTHWISE: ("weight",),
                Kind.SCALE: ("scale",),
                Kind.LINEAR: ("weight", "bias"),
            }
            assert {layer.key(p) for layer in layers for p in parameters[layer.kind]} == found.keys()
            width = {
                Channels.RECEIVED: 4,
                Channels.PRODUCED: outputs,
                Channels.FIRST_HALF: outputs // 2,
                Channels.SECOND_HALF: outputs // 2,
                Channels.EXPANDED: 4 * node.expansion,
            }
            for layer in layers:
                weight = found[layer.key("scale" if layer.kind is Kind.SCALE else "weight")]
                assert weight.shape[0] == width[layer.writes]
                if layer.kind is Kind.DENSE:
                    assert weight.shape[1] == width[layer.reads]


def test_widening_never_makes_a_block_residual() -> None:
    arch = chain_of(
        ArchNode("conv_bn", 2, 4, kernel_size=3),
        ArchNode("mbconv", 4, 5, kernel_size=3, expansion=2),
        ArchNode("resnet_basic_block", 5, 6),
        *HEAD,
    )
    widths = set()
    for seed in range(60):
        child, _ = morphisms.apply(arch, "widen", seed)
        assert list(map(is_residual, child.nodes)) == list(map(is_residual, arch.nodes))
        widths.add(tuple(node.output_channels for node in child.nodes))
    assert {(4 + more, 5) for more in (2, 3)} & {w[1:3] for w in widths}, "some drew past the equal width"


def test_widening_splits_weights_between_copies() -> None:
    arch = chain_of(ArchNode("conv", 2, 1, kernel_size=1), ArchNode("conv", 1, 6, kernel_size=1), *HEAD)
    state = trained(arch, 0, torch.float64)
    widen = Widen(arch)
    change = widen.draw((1, False), Draws(0, 1))
    grown = change.carry(dict(state), Draws(0, 2))
    assert change.architecture.nodes[1].output_channels == 2
    first, second = grown["operations.1.weight"]
    assert torch.equal(first, second) and torch.equal(first, state["operations.1.weight"][0])
    shares = grown["operations.2.weight"] / state["operations.2.weight"]
    torch.testing.assert_close(shares.sum(1), torch.ones(6, 1, 1, dtype=torch.float64))
    assert shares.min() > 0.2 and len(shares[:, 0].unique()) == 6


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_copies_grow_apart_in_training(optimizer: Any) -> None:
    wide = ArchNode("conv_bn_relu", 4, 6, kernel_size=1)
    arch = chain_of(ArchNode("conv_bn_relu", 2, 4, kernel_size=3), wide, *HEAD)
    change = Widen(arch).draw((1, False), _Scripted(0))
    drawn = change.carry(trained(arch, 0), Draws(0, 2))
    halves = dict(drawn)
    weight = halves["operations.2.0.weight"] = drawn["operations.2.0.weight"].clone()
    weight[:, :2] = weight[:, :2].mean(1, keepdim=True)
    apart = []
    for state in (drawn, halves):
        network = network_of(change.architecture, state, train=True)
        steps = optimizer(network.parameters(), lr=0.05)
        for _ in range(10):
            train_step(network, images_for(arch, torch.float32), steps)
        weight = network.get_parameter("operations.1.0.weight")
        apart.append((weight[0] - weight[1]).abs().max().item())
    assert apart[0] > 1e-3, "random shares break the symmetry"
    assert apart[1] < 1e-5, "equal ones, as in the paper, would not"


def train_step(network: nn.Module, images: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    logits = network(images)
    loss = nn.functional.cross_entropy(logits, torch.arange(len(images)) % logits.shape[1])
    loss.backward()
    optimizer.step()


def test_a_closed_gate_gets_a_gradient() -> None:
    arch = small_network("nasbench201", 0)
    child, grown = morphisms.apply(arch, "add_skip", 0, trained(arch, 0))
    assert child.nodes[-1].operation == "gate" and grown is not None
    network = network_of(child, grown, train=True)
    gate = network.get_parameter(f"operations.{len(arch.nodes)}.scale")
    assert not gate.any()
    network(images_for(arch, torch.float32)).square().sum().backward()
    assert gate.grad is not None and gate.grad.abs().min() > 0


@pytest.mark.parametrize("number", range(len(InsertIdentity.BLOCKS)))
def test_an_inserted_block_learns(number: int) -> None:
    arch = chain_of(ArchNode("conv_bn_relu", 2, 6, kernel_size=3), *HEAD)
    identity = InsertIdentity(arch)
    site = next(site for site in identity.sites() if site.sources == (1,))
    change = identity.draw(site, _Scripted(number))
    state = trained(arch, 0)
    grown = change.carry(dict(state), Draws(0, 2))
    check(arch, state, change.architecture, grown, "identity")
    network = network_of(change.architecture, grown, train=True)
    block = network.operations[str(len(arch.nodes))]  # type: ignore[index, union-attr]
    last = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)][-1]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    train_step(network, images_for(arch, torch.float32), optimizer)
    assert last.weight.abs().min() > 0
    train_step(network, images_for(arch, torch.float32), optimizer)
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", KEEP_IN_TRAINING)
@pytest.mark.parametrize("space_name", SMALL)
def test_these_kinds_keep_the_function_in_training_mode_too(space_name: str, kind: str) -> None:
    arch = small_network(space_name, 0)
    state = trained(arch, 0, torch.float64)
    images = images_for(arch, torch.float64, n=8)
    wanted = output(arch, state, images, train=True)
    for seed in range(3):
        child, grown = morphisms.apply(arch, kind, seed, state)
        assert grown is not None
        error = relative_error(output(child, grown, images, train=True), wanted)
        assert error < 1e-9, f"{kind} changed the output in training mode by {error:.2e} of its scale"


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
