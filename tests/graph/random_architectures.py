"""Architectures that property tests draw."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from efficient_nas.graph import Architecture, ArchNode

SAME_SHAPE = ("none", "skip_connect", "sum", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "concat")


def relabel(arch: Architecture, seed: int) -> Architecture:
    """The same architecture with its nodes and connections in another order."""
    rng = random.Random(seed)
    order = list(range(len(arch.nodes)))
    rng.shuffle(order)
    new = {old: i for i, old in enumerate(order)}
    connections = [(new[a], new[b]) for a, b in arch.connections]
    rng.shuffle(connections)
    return Architecture([arch.nodes[i] for i in order], connections, arch.input_shape)


def random_cell(rng: random.Random, size: int, operations: Sequence[str] = SAME_SHAPE) -> Architecture:
    """Up to `size` nodes of 4 channels at one resolution; a concat is followed by a convolution."""
    nodes, connections, usable = [ArchNode("input", 4, 4)], [], [0]
    for _ in range(size):
        operation = rng.choice(operations)
        read = [rng.choice(usable) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        width = 4 * len(read) if operation == "concat" else 4
        connections += [(source, len(nodes)) for source in read]
        nodes.append(ArchNode(operation, width, width))
        if operation == "concat":
            connections.append((len(nodes) - 1, len(nodes)))
            nodes.append(ArchNode("nor_conv_1x1", width, 4))
        usable.append(len(nodes) - 1)
    for source in rng.choices(usable, k=rng.randint(1, 3)):
        connections.append((source, len(nodes)))
    nodes.append(ArchNode("output", 4, 4))
    return Architecture(nodes, connections, (4, 4, 4))


@st.composite
def cells(draw: st.DrawFn, max_size: int = 9) -> Architecture:
    seed = draw(st.integers(0, 2**32 - 1))
    return random_cell(random.Random(seed), draw(st.integers(0, max_size)))


EVERY = (
    *((name, {}) for name in ("skip_connect", "none", "sum", "avg_pool_3x3", "max_pool_3x3", "bn_relu")),
    *((f"{kind}_{k}x{k}", {}) for kind in ("sep_conv", "dil_conv") for k in (3, 5)),
    *((f"nor_conv_{k}x{k}", {}) for k in (1, 3)),
    *((name, {"kernel_size": 3}) for name in ("conv", "conv_bn", "conv_bn_relu")),
    ("mbconv", {"kernel_size": 5, "expansion": 3}),
    ("mbconv", {"kernel_size": 3}),
    ("resnet_basic_block", {}),
    ("factorized_reduce", {"stride": 2}),
    ("skip_connect", {"stride": 2}),
    ("concat", {}),
    ("linear", {}),
    ("global_avg_pool", {}),
    ("gate", {}),
)
KEEPS_CHANNELS = {"sum", "avg_pool_3x3", "max_pool_3x3", "bn_relu", "global_avg_pool", "concat", "gate"}
FIXED_STRIDE = {"sum", "bn_relu", "concat", "linear", "global_avg_pool", "factorized_reduce", "gate"}


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Every operation, at any resolutions and widths, with dead ends, zeros and repeated connections."""
    shape = (2 * draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    nodes, connections, shapes = [ArchNode("input", shape[0], shape[0])], [], [shape]
    for _ in range(draw(st.integers(0, 10))):
        operation, attributes = draw(st.sampled_from(EVERY))
        first = draw(st.integers(0, len(nodes) - 1))
        fits = [
            i
            for i, other in enumerate(shapes)
            if other == shapes[first] or (operation == "concat" and other[1:] == shapes[first][1:])
        ]
        read = [first, *draw(st.lists(st.sampled_from(fits), max_size=2))]
        channels, height, width = shapes[first]
        if operation == "concat":
            channels = sum(shapes[i][0] for i in read)
        stride = attributes.get("stride", 1)
        if operation not in FIXED_STRIDE | {"skip_connect"}:
            stride = draw(st.sampled_from((1, 2)))
        keeps = operation in KEEPS_CHANNELS or (operation == "skip_connect" and stride == 1)
        out = channels if keeps else draw(st.sampled_from((2, 4)))
        node = ArchNode(
            operation,
            channels,
            out,
            stride=stride,
            kernel_size=attributes.get("kernel_size"),
            expansion=attributes.get("expansion", 1),
            affine=draw(st.booleans()),
        )
        connections += [(i, len(nodes)) for i in read]
        nodes.append(node)
        flat = operation in ("linear", "global_avg_pool")
        shapes.append((out, 1, 1) if flat else (out, -(-height // stride), -(-width // stride)))
    last = draw(st.integers(max(0, len(nodes) - 3), len(nodes) - 1))
    fits = [i for i, other in enumerate(shapes) if other == shapes[last]]
    connections += [(i, len(nodes)) for i in [last, *draw(st.lists(st.sampled_from(fits), max_size=2))]]
    nodes.append(ArchNode("output", shapes[last][0], shapes[last][0]))
    return relabel(Architecture(nodes, connections, shape), draw(st.integers(0, 2**32 - 1)))
