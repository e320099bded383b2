"""Which candidate of a mixed operation computes what an operation of an architecture does."""

from __future__ import annotations

from efficient_nas.graph import ArchNode
from efficient_nas.ops import OpSpec

_NORMALISED = (
    "nor_conv_1x1",
    "nor_conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
_POOLS = ("max_pool_3x3", "avg_pool_3x3")


def spec_of(node: ArchNode) -> OpSpec | None:
    """The candidate whose tensors, in order, are those of the node's module; None where there is none."""
    norm = "affine" if node.affine else "plain"
    if node.operation == "mbconv":
        return OpSpec("mbconv", norm, kernel_size=node.kernel_size, expansion=node.expansion)
    if node.operation in _NORMALISED:
        return OpSpec(node.operation, norm)
    if node.operation in _POOLS:
        return OpSpec(node.operation)
    if node.operation in {"skip_connect", "factorized_reduce"}:
        return OpSpec("skip_connect", norm)
    return None
