"""Which channels of an architecture must be copied together when one of its tensors gets wider."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import numpy.typing as npt

from efficient_nas.graph.architecture import Architecture
from efficient_nas.graph.morphisms.layers import is_residual
from efficient_nas.graph.node import ArchNode

IntArray = npt.NDArray[np.int64]

KEEPS = (
    "input",
    "output",
    "sum",
    "concat",
    "max_pool_3x3",
    "avg_pool_3x3",
    "global_avg_pool",
    "bn_relu",
    "gate",
)


class ChannelGroups:
    """The channels that every node receives and produces, in groups that are copied equally often.

    Channels are in one group if a node adds them, if it hands the one on as the other (pools, batch norms,
    residuals, concatenations), or if they are at the same place in the two halves of a factorized_reduce,
    which must stay equally wide. Every copy stands right behind its original: then tensors that were equally
    ordered stay so, in sums of concatenations too.
    """

    def __init__(self, arch: Architecture) -> None:
        received = [shape[0] for shape in arch.received_shapes]
        produced = [shape[0] for shape in arch.shapes]
        ends = list(accumulate(received + produced, initial=0))
        nodes = len(arch.nodes)
        self._received = [slice(ends[i], ends[i + 1]) for i in range(nodes)]
        self._produced = [slice(ends[nodes + i], ends[nodes + i + 1]) for i in range(nodes)]
        self._label = np.arange(ends[-1])
        self._join(arch)
        _, self._label = np.unique(self._label, return_inverse=True)
        self.count = int(self._label.max()) + 1

    def received(self, node: int) -> IntArray:
        """Groups of the channels that the node receives, in their order."""
        return self._label[self._received[node]]

    def produced(self, node: int) -> IntArray:
        """Groups of the channels that the node produces, in their order."""
        return self._label[self._produced[node]]

    def _join(self, arch: Architecture) -> None:
        pairs: list[tuple[IntArray, IntArray]] = []
        everything = np.arange(len(self._label))
        read = [0] * len(arch.nodes)  # channels of a concat that are taken already
        for source, target in arch.connections:
            here, there = everything[self._produced[source]], everything[self._received[target]]
            if arch.nodes[target].operation == "concat":
                there = there[read[target] : read[target] + len(here)]
                read[target] += len(here)
            pairs.append((here, there))
        for i, node in enumerate(arch.nodes):
            output = everything[self._produced[i]]
            if _keeps_channels(node):
                pairs.append((everything[self._received[i]], output))
            if node.operation == "factorized_reduce" or (
                node.operation == "skip_connect" and node.stride == 2
            ):
                first, second = np.split(output, 2)
                pairs.append((first, second))
        a = np.concatenate([pair[0] for pair in pairs])
        b = np.concatenate([pair[1] for pair in pairs])
        # Every label is one of its group; labels only fall, until each group has that of its least channel.
        label = self._label
        while not np.array_equal(label[a], label[b]):
            least = np.minimum(label[a], label[b])
            np.minimum.at(label, label[a], least)
            np.minimum.at(label, label[b], least)
            while not np.array_equal(label[label], label):
                label = label[label]
        self._label = label


def _keeps_channels(node: ArchNode) -> bool:
    identity = node.operation == "skip_connect" and node.stride == 1
    return node.operation in KEEPS or identity or is_residual(node)
