"""The least arithmetic and traffic of the mixed operations in a step of gradient search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench_mixed_op import BATCH, Case

# Both passes compute outputs and data gradients, that of the weights their gradients too.
PARTS = 5 / 3
PASSES = 2


class Cost(NamedTuple):
    flops: float
    bytes: float


def _image(channels: int, size: int) -> int:
    return 4 * BATCH * channels * size**2


def _cells() -> Iterator[tuple[int, int, int]]:
    """Of each cell of DARTS the channels, the size of its nodes, and the stride of edges from its inputs."""
    channels, size = 16, 32
    for cell in range(8):
        stride = 2 if cell in {8 // 3, 2 * 8 // 3} else 1
        channels, size = channels * stride, size // stride
        yield channels, size, stride


def darts(divisor: int = 1) -> Cost:
    """Every kept image and every state is written and read once in a pass, and so is a state's gradient."""
    flops = traffic = 0.0
    for channels, size, stride in _cells():
        for count, of_edge in ((8, stride), (6, 1)):  # edges from the inputs, edges between nodes
            case = Case(channels // divisor, size * of_edge, of_edge)
            flops += count * PARTS * case.flops
            kept = 6 + (of_edge == 2)
            traffic += count * PASSES * 2 * kept * _image(channels // divisor, size)
        traffic += PASSES * 4 * (2 * _image(channels, size * stride) + 4 * _image(channels, size))
    return Cost(flops, traffic)


def nasbench201() -> Cost:
    """15 cells of 6 edges; dense convolutions of 1x1 and 3x3, whose results are kept."""
    flops = traffic = 0.0
    for stage in range(3):
        channels, size = 16 << stage, 32 >> stage
        edges = 5 * 6
        flops += edges * PARTS * 3 * 2 * BATCH * size**2 * channels**2 * (1 + 9)
        traffic += PASSES * (edges * 2 * 2 + 5 * 4 * 4) * _image(channels, size)
    return Cost(flops, traffic)
