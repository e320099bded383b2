"""The layers with weights inside each operation: which channels each of them reads and writes.

The names are those of the operations' modules (`candidates`), so `operations.7.` + `Layer.name` + `.weight`
is a key of the network's state dict. A test holds the table to the modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from efficient_nas.graph.node import ArchNode


class Channels(Enum):
    """Whose channels a layer reads or writes."""

    RECEIVED = "received"
    PRODUCED = "produced"
    FIRST_HALF = "first half of produced"
    SECOND_HALF = "second half of produced"
    EXPANDED = "expanded"


class Kind(Enum):
    DENSE = "convolution over all channels"
    DEPTHWISE = "depthwise convolution"
    NORM = "batch norm"
    SCALE = "one factor a channel"
    LINEAR = "linear layer on the flattened input, with bias"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; `name` is empty where the operation's module is the layer itself."""

    name: str
    kind: Kind
    reads: Channels
    writes: Channels

    def key(self, parameter: str) -> str:
        """The name of a parameter within its operation."""
        return f"{self.name}.{parameter}" if self.name else parameter


_IN, _OUT = Channels.RECEIVED, Channels.PRODUCED


def _dense(name: str, reads: Channels = _IN, writes: Channels = _OUT) -> Layer:
    return Layer(name, Kind.DENSE, reads, writes)


def _depthwise(name: str, of: Channels) -> Layer:
    return Layer(name, Kind.DEPTHWISE, of, of)


def _norm(name: str, of: Channels = _OUT) -> Layer:
    return Layer(name, Kind.NORM, of, of)


def is_residual(node: ArchNode) -> bool:
    """Whether the node adds its input to what it computes, which ties the channels of both."""
    adds = node.operation in ("mbconv", "resnet_basic_block")
    return adds and node.stride == 1 and node.input_channels == node.output_channels


def layers_of(node: ArchNode) -> tuple[Layer, ...]:
    """The layers of a node in the order in which they run; none for operations without weights."""
    match node.operation:
        case "nor_conv_1x1" | "nor_conv_3x3":
            return _dense("1"), _norm("2")
        case "conv":
            return (_dense(""),)
        case "conv_bn" | "conv_bn_relu":
            return _dense("0"), _norm("1")
        case "bn_relu":
            return (_norm("0"),)
        case "sep_conv_3x3" | "sep_conv_5x5":
            first = _depthwise("1", _IN), _dense("2", _IN, _IN), _norm("3", _IN)
            return *first, _depthwise("5", _IN), _dense("6"), _norm("7")
        case "dil_conv_3x3" | "dil_conv_5x5":
            return _depthwise("1", _IN), _dense("2"), _norm("3")
        case "skip_connect" if node.stride == 1:
            return ()
        case "factorized_reduce" | "skip_connect":
            even = _dense("even", writes=Channels.FIRST_HALF)
            return even, _dense("odd", writes=Channels.SECOND_HALF), _norm("norm")
        case "resnet_basic_block":
            body = _dense("body.1"), _norm("body.2"), _dense("body.4", _OUT), _norm("body.5")
            if node.stride == 2:
                return *body, _dense("shortcut.1")
            return body if is_residual(node) else (*body, _dense("shortcut.1"), _norm("shortcut.2"))
        case "mbconv" if node.expansion == 1:
            return _depthwise("body.0", _IN), _norm("body.1", _IN), _dense("body.3"), _norm("body.4")
        case "mbconv":
            expanded = Channels.EXPANDED
            expand = _dense("body.0", writes=expanded), _norm("body.1", expanded)
            spatial = _depthwise("body.3", expanded), _norm("body.4", expanded)
            return *expand, *spatial, _dense("body.6", expanded), _norm("body.7")
        case "linear":
            return (Layer("linear", Kind.LINEAR, _IN, _OUT),)
        case "gate":
            return (Layer("", Kind.SCALE, _IN, _OUT),)
        case _:
            return ()


def makes_channels(node: ArchNode) -> bool:
    """Whether the node's output channels are units of a layer of its own, and not its input's channels."""
    return any(layer.kind in (Kind.DENSE, Kind.LINEAR) for layer in layers_of(node))
