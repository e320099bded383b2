"""Networks and checks that the tests of morphisms share."""

from __future__ import annotations

import torch
from trained_like import StateDict, images_for, output, relative_error

from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.graph.morphisms.draws import Draws

BOUND = {torch.float32: 1e-5, torch.float64: 1e-12}
HEAD = [ArchNode("global_avg_pool", 6, 6), ArchNode("linear", 6, 3)]


def chain_of(*nodes: ArchNode, size: int = 6) -> Architecture:
    """The nodes one after another, between input and output."""
    first, last = nodes[0].input_channels, nodes[-1].output_channels
    everything = [ArchNode("input", first, first), *nodes, ArchNode("output", last, last)]
    connections = [(i, i + 1) for i in range(len(everything) - 1)]
    return Architecture(everything, connections, (first, size, size))


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
        ArchNode("concat", 16, 16),  # 18: 15, 16, 17
        ArchNode("gate", 16, 16),  # 19
        ArchNode("linear", 16, 5),  # 20: 18 + 19
        ArchNode("bn_relu", 5, 5),  # 21
        ArchNode("linear", 5, 3),  # 22
        ArchNode("output", 3, 3),  # 23
        ArchNode("nor_conv_3x3", 4, 8),  # 24: dead
    ]
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


class Scripted(Draws):
    """Draws one given choice."""

    def __init__(self, number: int) -> None:
        super().__init__(0, 0)
        self._number = number

    def below(self, bound: int) -> int:
        assert self._number < bound
        return self._number
