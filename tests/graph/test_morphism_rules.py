"""Where an identity layer is exact, how widening splits weights, and the table of layers behind both."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import torch
from morphism_networks import HEAD, Scripted, chain_of, check
from random_architectures import EVERY
from trained_like import images_for, output, relative_error, trained

from efficient_nas import candidates
from efficient_nas.graph import Architecture, ArchNode, morphisms
from efficient_nas.graph.morphisms.draws import Draws
from efficient_nas.graph.morphisms.insertion import Deepen
from efficient_nas.graph.morphisms.layers import Channels, Kind, is_residual, layers_of
from efficient_nas.graph.morphisms.widening import Widen
from efficient_nas.graph.network import module_of


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
            change = deepen.draw(site, Scripted(number))
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


def test_a_relu_where_it_is_not_offered_would_change_the_function() -> None:
    arch = chain_of(ArchNode("conv_bn", 2, 4, kernel_size=3), ArchNode("conv_bn", 4, 6, kernel_size=1), *HEAD)
    state = trained(arch, 0, torch.float64)
    site = next(site for site in Deepen(arch).sites() if site.sources == (1,))
    assert not site.nonnegative and not site.rectified
    forced = type(site)(site.sources, site.connections, site.shape, nonnegative=True, rectified=False)
    deepen = Deepen(arch)
    numbers = [i for i, layer in enumerate(deepen.layers(forced)) if layer.operation == "conv_bn_relu"]
    change = deepen.draw(forced, Scripted(numbers[0]))
    images = images_for(arch, torch.float64)
    wanted = output(arch, state, images)
    child = output(change.architecture, change.carry(dict(state), Draws(0, 0)), images)
    assert relative_error(child, wanted) > 0.01


def nodes_with_modules() -> list[ArchNode]:
    """Every operation that has a module, with each stride and both equal and other channels where it may."""
    found = []
    for (name, options), stride, outputs in product(EVERY, (1, 2), (4, 6)):
        with suppress(ValueError):
            node = ArchNode(name, 4, outputs, **{"stride": stride, **options})
            found += [node] if name in candidates.operations() else []
    return found


PARAMETERS = {
    Kind.NORM: ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    Kind.DENSE: ("weight",),
    Kind.DEPTHWISE: ("weight",),
    Kind.SCALE: ("scale",),
    Kind.LINEAR: ("weight", "bias"),
}


def test_the_table_of_layers_is_that_of_the_modules() -> None:
    nodes = nodes_with_modules()
    assert {node.operation for node in nodes} == set(candidates.operations())
    for node in nodes:
        found = module_of(node, (4, 1, 1)).state_dict()
        layers = layers_of(node)
        names = [layer.key(name) for layer in layers for name in PARAMETERS[layer.kind]]
        assert sorted(names) == sorted(found), node
        width = {
            Channels.RECEIVED: 4,
            Channels.PRODUCED: node.output_channels,
            Channels.FIRST_HALF: node.output_channels // 2,
            Channels.SECOND_HALF: node.output_channels // 2,
            Channels.EXPANDED: 4 * node.expansion,
        }
        for layer in layers:
            weight = found[layer.key(PARAMETERS[layer.kind][0])]
            assert weight.shape[0] == width[layer.writes], (node, layer)
            if layer.kind in (Kind.DENSE, Kind.LINEAR):
                assert weight.shape[1] == width[layer.reads], (node, layer)


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
