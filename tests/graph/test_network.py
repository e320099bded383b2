"""Architectures as PyTorch modules: what runs is what the native costs count."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from efficient_nas.graph import Architecture, ArchNode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from live_memory import counted_macs, peak_bytes

CELL_OPERATIONS = (
    ("none", 1),
    ("skip_connect", 1),
    ("nor_conv_1x1", 1),
    ("sep_conv_3x3", 1),
    ("dil_conv_5x5", 1),
    ("max_pool_3x3", 1),
    ("avg_pool_3x3", 1),
    ("resnet_basic_block", 1),
    ("bn_relu", 1),
    ("gate", 1),
    ("sum", 1),
    ("skip_connect", 2),
    ("factorized_reduce", 2),
    ("resnet_basic_block", 2),
    ("max_pool_3x3", 2),
    ("none", 2),
)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Random DAGs at two resolutions, with concat, repeated connections, dead nodes and zeros."""
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    channels = 2 * draw(st.integers(1, 3))
    nodes = [ArchNode("input", channels, channels)]
    connections: list[tuple[int, int]] = []
    halved = [False]
    for index in range(1, draw(st.integers(2, 9))):
        operation, stride = draw(st.sampled_from(CELL_OPERATIONS))
        if stride == 2 and not any(halved):
            sources = [draw(st.sampled_from(range(index)))]
        else:
            half = draw(st.booleans()) and any(halved)
            stride = 1 if half else stride
            if half and operation == "factorized_reduce":
                operation = "nor_conv_3x3"
            pool = [i for i in range(index) if halved[i] == half]
            sources = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
        halved.append(halved[sources[0]] or stride == 2)
        nodes.append(ArchNode(operation, channels, channels, stride=stride))
        connections += [(source, index) for source in sources]
    half = draw(st.booleans()) and any(halved)
    pool = [i for i in range(len(nodes)) if halved[i] == half]
    sources = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))
    end = len(nodes)
    nodes += [
        ArchNode("concat", channels, channels * len(sources)),
        ArchNode("global_avg_pool", channels * len(sources), channels * len(sources)),
        ArchNode("linear", channels * len(sources), 5),
        ArchNode("output", 5, 5),
    ]
    connections += [(s, end) for s in sources] + [(end, end + 1), (end + 1, end + 2), (end + 2, end + 3)]
    return Architecture(nodes, connections, (channels, height, width))


@given(architectures())
@settings(max_examples=120)
def test_native_costs_are_those_of_a_real_run(architecture: Architecture) -> None:
    network = architecture.to_pytorch()
    assert sum(p.numel() for p in network.parameters()) == architecture.params
    assert counted_macs(network, architecture.input_shape) == architecture.macs
    assert peak_bytes(network, architecture.input_shape) == architecture.peak_activation_bytes
    assert network(torch.randn(3, *architecture.input_shape)).shape == (3, 5)


@given(architectures())
@settings(max_examples=30)
def test_pruning_does_not_change_the_network(architecture: Architecture) -> None:
    pruned = architecture.prune()
    network, smaller = architecture.to_pytorch().eval(), pruned.to_pytorch().eval()
    smaller.load_state_dict(dict(zip(smaller.state_dict(), network.state_dict().values(), strict=True)))
    images = torch.randn(2, *architecture.input_shape)
    torch.testing.assert_close(smaller(images), network(images))


def diamond() -> Architecture:
    """Two convolutions of the input, one of them twice, an identity and a pool, summed."""
    nodes = [
        ArchNode("input", 4, 4),
        ArchNode("conv", 4, 4, kernel_size=3),
        ArchNode("conv", 4, 4, kernel_size=1),
        ArchNode("skip_connect", 4, 4),
        ArchNode("sum", 4, 4),
        ArchNode("global_avg_pool", 4, 4),
        ArchNode("linear", 4, 3),
        ArchNode("output", 3, 3),
    ]
    connections = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (2, 4), (3, 4), (4, 5), (5, 6), (6, 7)]
    return Architecture(nodes, connections, (4, 6, 6))


def test_network_computes_sums_with_multiplicity() -> None:
    network = diamond().to_pytorch()
    x = torch.randn(2, 4, 6, 6)
    first, second = network.operations["1"], network.operations["2"]
    features = (first(x) + 2 * second(x) + x).mean((2, 3))
    linear = network.operations["6"].linear
    torch.testing.assert_close(network(x), linear(features))


def test_concat_keeps_the_order_of_its_connections() -> None:
    nodes = [
        ArchNode("input", 2, 2),
        ArchNode("avg_pool_3x3", 2, 2),
        ArchNode("none", 2, 2),
        ArchNode("concat", 2, 6),
        ArchNode("output", 6, 6),
    ]
    network = Architecture(nodes, [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4)], (2, 4, 4)).to_pytorch()
    x = torch.randn(1, 2, 4, 4)
    y = network(x)
    assert torch.equal(y, torch.cat([network.operations["1"](x), torch.zeros_like(x), x], dim=1))


def test_gradients_reach_every_parameter() -> None:
    network = diamond().to_pytorch()
    network(torch.randn(2, 4, 6, 6)).pow(2).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_zero_architecture_gives_zero_logits_for_every_image() -> None:
    nodes = [
        ArchNode("input", 3, 3),
        ArchNode("none", 3, 3),
        ArchNode("nor_conv_3x3", 3, 3),
        ArchNode("global_avg_pool", 3, 3),
        ArchNode("linear", 3, 10),
        ArchNode("output", 10, 10),
    ]
    architecture = Architecture(nodes, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], (3, 8, 8))
    network = architecture.to_pytorch()
    assert architecture.params == 0 and not list(network.parameters())
    assert torch.equal(network(torch.randn(4, 3, 8, 8)), torch.zeros(4, 10))
    assert peak_bytes(network, (3, 8, 8)) == architecture.peak_activation_bytes


def test_network_runs_at_other_image_sizes_and_can_be_pickled() -> None:
    network = diamond().to_pytorch().eval()
    copy = pickle.loads(pickle.dumps(network))
    images = torch.randn(2, 4, 9, 5)
    assert torch.equal(copy(images), network(images))


def test_input_is_left_alone() -> None:
    images = torch.randn(2, 4, 6, 6)
    kept = images.clone()
    diamond().to_pytorch()(images)
    assert torch.equal(images, kept)


def test_network_can_be_traced_by_torch_export() -> None:
    network = diamond().to_pytorch().eval()
    images = torch.randn(2, 4, 6, 6)
    batch = torch.export.Dim("batch")
    program = torch.export.export(network, (images,), dynamic_shapes=({0: batch},))
    more = torch.randn(5, 4, 6, 6)
    np.testing.assert_allclose(program.module()(more).detach(), network(more).detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 5])
def test_wrong_number_of_channels_fails(channels: int) -> None:
    with pytest.raises(RuntimeError):
        diamond().to_pytorch()(torch.randn(2, channels, 6, 6))
