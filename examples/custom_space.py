"""Searches a space of one's own: small networks of blocks with two parallel branches.

python examples/custom_space.py [OUTPUT FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import efficient_nas as nas
from efficient_nas import Architecture, ArchNode
from efficient_nas.spaces import Choice, Space

MAX_BLOCKS = 3


def choices() -> list[Choice]:
    """Width and depth of the network, and for each block its two branches and how they meet."""
    made = [
        Choice("width", [4, 8, 16], role="width"),
        Choice("blocks", list(range(1, MAX_BLOCKS + 1)), role="depth"),
    ]
    for block in range(1, MAX_BLOCKS + 1):
        present = {"blocks": list(range(block, MAX_BLOCKS + 1))}
        made += [
            Choice(f"block{block}/left", ["nor_conv_3x3", "sep_conv_3x3"], present, role="operation"),
            Choice(f"block{block}/right", ["skip_connect", "max_pool_3x3"], present, role="operation"),
            Choice(f"block{block}/merge", ["sum", "concat"], present),
        ]
    return made


def build(values: dict[str, Any], input_shape: tuple[int, int, int], num_classes: int) -> Architecture:
    """The architecture for the option value of each active choice.

    A node with several incoming connections receives their sum; only `concat` concatenates.
    """
    width = values["width"]
    nodes = [
        ArchNode("input", input_shape[0], input_shape[0]),
        ArchNode("conv_bn", input_shape[0], width, kernel_size=3),
    ]
    connections = [(0, 1)]

    def add(node: ArchNode, *sources: int) -> int:
        nodes.append(node)
        connections.extend((source, len(nodes) - 1) for source in sources)
        return len(nodes) - 1

    value, channels = 1, width
    for block in range(1, values["blocks"] + 1):
        left = add(ArchNode(values[f"block{block}/left"], channels, channels), value)
        right = add(ArchNode(values[f"block{block}/right"], channels, channels), value)
        if values[f"block{block}/merge"] == "concat":
            both = add(ArchNode("concat", channels, 2 * channels), left, right)
            value = add(ArchNode("nor_conv_1x1", 2 * channels, channels), both)
        else:
            value = add(ArchNode("sum", channels, channels), left, right)
    value = add(ArchNode("bn_relu", channels, channels), value)
    value = add(ArchNode("global_avg_pool", channels, channels), value)
    value = add(ArchNode("linear", channels, num_classes), value)
    add(ArchNode("output", num_classes, num_classes), value)
    return Architecture(nodes, connections, input_shape)


def main(output: Path) -> None:
    space = Space(choices(), build=build, name="branches")
    print(space)
    result = nas.search(
        {
            "task": {"dataset": "digits"},
            "evaluator": {"kind": "trained", "epochs": 1},
            "objective": {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["macs"]},
            "controller": {"kind": "regularized_evolution"},
            "progressive": {"stages": [{"until": 0.5, "max_depth": 2}, {"until": 1.0}]},
            "budget": {"trials": 6},
            "final": {"top": 1, "epochs": 3},
        },
        output=output,
        space=space,
    )
    print(f"best network {result.best.text}")
    print(f"test accuracy {result.best.measured['test_accuracy']:.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "run")
