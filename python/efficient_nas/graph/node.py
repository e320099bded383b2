"""One node of an architecture."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from efficient_nas import _core


@dataclass(frozen=True, slots=True)
class ArchNode:
    """An operation and its attributes; `operations()` lists the operations.

    `kernel_size` belongs to `conv`, `conv_bn`, `conv_bn_relu` and `mbconv`, `expansion` to `mbconv`;
    `affine` says whether the node's batch norms have weight and bias. Raises TypeError or ValueError for
    anything that the operation does not take (docs/design/architectures.md).
    """

    operation: str
    input_channels: int
    output_channels: int
    stride: int = 1
    kernel_size: int | None = None
    expansion: int = 1
    affine: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.operation, str):
            raise TypeError(f"ArchNode: operation must be a str, got {self.operation!r}")
        for name in ("input_channels", "output_channels", "stride", "kernel_size", "expansion"):
            value = getattr(self, name)
            if is_plain_int(value) or (value is None and name == "kernel_size"):
                continue
            object.__setattr__(self, name, checked_int(f"ArchNode: {name}", value))
        if self.kernel_size is not None and self.kernel_size < 1:
            raise ValueError(f"ArchNode: kernel_size must be positive, got {self.kernel_size}")
        if not isinstance(self.affine, bool):
            raise TypeError(f"ArchNode: affine must be a bool, got {self.affine!r}")
        try:
            _core.check_node(node_tuple(self))
        except ValueError as error:
            raise ValueError(f"ArchNode: {error}") from None


def node_tuple(node: ArchNode) -> tuple[str, int, int, int, int, int, bool]:
    """The node as the native module takes it."""
    return (
        node.operation,
        node.input_channels,
        node.output_channels,
        node.stride,
        node.kernel_size or 0,
        node.expansion,
        node.affine,
    )


def is_plain_int(value: object) -> bool:
    """Whether `checked_int` would return `value` as it is."""
    return type(value) is int and -(2**63) <= value < 2**63


def checked_int(name: str, value: object) -> int:
    """`value` as an int; also accepts numpy integers. Raises TypeError for anything else, bools included."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, got {value!r}")
    number = operator.index(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{name} must fit into 64 bits, got a number of {number.bit_length()} bits")
    return int(number)
