"""A user-defined macro space whose networks differ much in size."""

from __future__ import annotations

from typing import Any

from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces import Choice, Space


def build(
    values: dict[str, Any], input_shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 10
) -> Architecture:
    """A stem, `depth` pairs of parallel operations whose outputs are summed, and a classifier."""
    width = values["width"]
    nodes = [
        ArchNode("input", input_shape[0], input_shape[0]),
        ArchNode("conv_bn", input_shape[0], width, kernel_size=3),
    ]
    connections, tail = [(0, 1)], [1]
    for depth in range(values["depth"]):
        stride, wider = (2, 2 * width) if depth == 1 else (1, width)
        first = len(nodes)
        nodes += [
            ArchNode(values["operation"], width, wider, stride=stride),
            ArchNode("mbconv", width, wider, stride=stride, kernel_size=3, expansion=values["expansion"]),
        ]
        connections += [(source, target) for source in tail for target in (first, first + 1)]
        tail, width = [first, first + 1], wider
    last = len(nodes)
    nodes += [
        ArchNode("concat", 2 * width, 2 * width),
        ArchNode("global_avg_pool", 2 * width, 2 * width),
        ArchNode("linear", 2 * width, num_classes),
        ArchNode("output", num_classes, num_classes),
    ]
    connections += [(source, last) for source in tail]
    connections += [(last, last + 1), (last + 1, last + 2), (last + 2, last + 3)]
    return Architecture(nodes, connections, input_shape)


def space() -> Space:
    return Space(
        [
            Choice("depth", [1, 2, 4], role="depth"),
            Choice("width", [8, 16, 32], role="width"),
            Choice("expansion", [1, 4]),
            Choice("operation", ["nor_conv_1x1", "nor_conv_3x3", "sep_conv_5x5"]),
        ],
        build=build,
        name="test",
    )
