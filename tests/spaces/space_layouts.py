"""Small and realistic spaces that the tests of this folder share."""

from __future__ import annotations

from efficient_nas.spaces import Choice, Space

OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


def cell() -> Space:
    """Six operations of five: the layout of NAS-Bench-201."""
    return Space([Choice(f"op{i}", OPERATIONS, role="operation") for i in range(6)], name="cell")


def paired_cell() -> Space:
    """The layout of DARTS: 2 cells of 4 nodes with 2 ordered predecessors and operations."""
    choices, ordered = [], []
    for kind in ("normal", "reduce"):
        for node in range(4):
            names = [f"{kind}/{node}/{side}" for side in "ab"]
            for name in names:
                choices.append(Choice(name, list(range(node + 2)), role="predecessor"))
                choices.append(Choice(f"{name}/op", OPERATIONS, role="operation"))
            ordered.append((names[0], names[1]))
    return Space(choices, name="paired_cell", ordered=ordered)


def stages() -> Space:
    """Five stages of 2 to 4 blocks, each with a kernel and an expansion, as in MobileNet spaces."""
    choices = []
    for stage in range(5):
        depth = f"stage{stage}/depth"
        choices.append(Choice(depth, [2, 3, 4], role="depth"))
        choices.append(Choice(f"stage{stage}/width", [16, 24, 32], role="width"))
        for block in range(4):
            when = {depth: [d for d in (2, 3, 4) if d > block]}
            choices.append(Choice(f"stage{stage}/{block}/kernel", [3, 5, 7], when, role="kernel"))
            choices.append(Choice(f"stage{stage}/{block}/expansion", [3, 6], when, role="expansion"))
    return Space(choices, name="stages")
