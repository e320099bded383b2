import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from efficient_nas.graph import Architecture, ArchNode, operations


def small_network() -> Architecture:
    """Stem, a cell with a convolution, a skip and a `none`, classifier."""
    nodes = [
        ArchNode("input", 3, 3),
        ArchNode("conv_bn", 3, 16, kernel_size=3),
        ArchNode("nor_conv_3x3", 16, 16),
        ArchNode("skip_connect", 16, 16),
        ArchNode("none", 16, 16),
        ArchNode("sum", 16, 16),
        ArchNode("global_avg_pool", 16, 16),
        ArchNode("linear", 16, 10),
        ArchNode("output", 10, 10),
    ]
    connections = [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5), (4, 5), (5, 6), (6, 7), (7, 8)]
    return Architecture(nodes, connections, (3, 32, 32))


def test_costs_of_a_small_network() -> None:
    arch = small_network()
    stem, conv, linear = 3 * 16 * 9, 16 * 16 * 9, 16 * 10
    assert arch.macs == (stem + conv) * 32 * 32 + linear
    assert arch.params == stem + 32 + conv + 32 + linear + 10
    # the input, the stem's output (kept for the skip), and two tensors while a step of nor_conv_3x3 runs
    image, tensor = 3 * 32 * 32 * 4, 16 * 32 * 32 * 4
    assert arch.peak_activation_bytes == image + 3 * tensor
    assert arch.depth == 4
    assert arch.shapes[1] == (16, 32, 32)
    assert arch.shapes[8] == (10, 1, 1)
    assert arch.execution_order == [0, 1, 2, 3, 5, 6, 7, 8]
    assert arch.alive == [i != 4 for i in range(9)]
    assert [node.operation for node, _ in arch.operators()][:2] == ["conv_bn", "nor_conv_3x3"]
    assert [size for _, size in arch.operators()] == [(32, 32)] * 5 + [(1, 1)]


def test_prune_removes_none() -> None:
    pruned = small_network().prune()
    assert all(node.operation != "none" for node in pruned.nodes)
    assert pruned.prune() is pruned


def test_an_architecture_is_a_value() -> None:
    arch, other = small_network(), small_network()
    assert arch == other
    assert hash(arch) == hash(other)
    assert arch != Architecture(arch.nodes, arch.connections[::-1], arch.input_shape)
    assert pickle.loads(pickle.dumps(arch)) == arch
    assert copy.deepcopy(arch) == arch
    assert "9 nodes" in repr(arch)
    with pytest.raises(FrozenInstanceError):
        arch.nodes = ()  # type: ignore[misc]
    assert ArchNode("conv", np.int64(3), 4, kernel_size=np.uint8(3)) == ArchNode("conv", 3, 4, kernel_size=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convv", 3, 3), r"unknown operation 'convv', did you mean 'conv'\?"),
        (("sep_conv_3x4", 3, 3), "did you mean 'sep_conv_3x3'"),
        (("conv", 3, 3), "conv needs a kernel_size"),
        (("mbconv", 3, 3, 1, None, 6), "mbconv needs a kernel_size"),
        (("conv", 3, 3, 1, 4), "kernel_size of conv must be odd, got 4"),
        (("conv", 3, 3, 1, 0), "kernel_size must be positive, got 0"),
        (("nor_conv_3x3", 3, 3, 1, 3), "nor_conv_3x3 takes no kernel_size, got 3"),
        (("conv", 3, 3, 1, 3, 6), "conv takes no expansion, got 6"),
        (("skip_connect", 3, 4), "skip_connect with stride 1 needs equal channels, got 3 and 4"),
        (("max_pool_3x3", 3, 4), "max_pool_3x3 needs equal channels, got 3 and 4"),
        (("skip_connect", 3, 5, 2), "output_channels of skip_connect with stride 2 must be even, got 5"),
        (("nor_conv_3x3", 3, 3, 3), "stride of nor_conv_3x3 must be 1 or 2, got 3"),
        (("factorized_reduce", 4, 4), "stride of factorized_reduce must be 2, got 1"),
        (("sum", 4, 4, 2), "stride of sum must be 1, got 2"),
        (("linear", 0, 4), "input_channels must be between 1 and 2147483647, got 0"),
        (("linear", 4, -1), "output_channels must be between 1 and 2147483647, got -1"),
        (("linear", 4, 2**31), "output_channels must be between 1 and 2147483647, got 2147483648"),
        (("linear", 4, 2**70), "output_channels must fit into 64 bits"),
        (("linear", 4, 4, 0), "stride must be between 1"),
        (("mbconv", 4, 4, 1, 3, 0), "expansion must be between 1"),
    ],
)
def test_wrong_nodes(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArchNode(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 3, 3), "operation must be a str, got 3"),
        (("linear", 3.0, 3), "input_channels must be an int, got 3.0"),
        (("linear", True, 3), "input_channels must be an int, got True"),
        (("linear", 3, "3"), "output_channels must be an int, got '3'"),
        (("conv", 3, 3, 1, 3.0), "kernel_size must be an int, got 3.0"),
        (("linear", 3, 3, 1, None, 1, 1), "affine must be a bool, got 1"),
    ],
)
def test_wrong_types_of_nodes(arguments: tuple, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ArchNode(*arguments)


def chain(*operations: ArchNode, connections: list | None = None, shape: tuple = (4, 8, 8)) -> Architecture:
    nodes = [ArchNode("input", 4, 4), *operations, ArchNode("output", 4, 4)]
    return Architecture(nodes, connections or [(i, i + 1) for i in range(len(nodes) - 1)], shape)


CONV = ArchNode("conv", 4, 4, kernel_size=3)
SUM = ArchNode("sum", 4, 4)
WIDE = ArchNode("conv", 4, 8, kernel_size=3)
STRIDED = ArchNode("conv", 4, 4, kernel_size=3, stride=2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Architecture([], [], (1, 1, 1)), "exactly one input node is needed, got 0"),
        (lambda: Architecture([ArchNode("input", 1, 1)], [], (1, 1, 1)), "exactly one output node is needed"),
        (lambda: chain(ArchNode("input", 4, 4), CONV), "exactly one input node is needed, got 2"),
        (lambda: chain(CONV, ArchNode("output", 4, 4)), "exactly one output node is needed, got 2"),
        (lambda: chain(shape=(3, 8, 8)), r"node 0 \(input\) has 4 channels, but input_shape is 3 x 8 x 8"),
        (lambda: chain(shape=(4, 0, 8)), "input_shape must hold numbers between 1 and 2147483647"),
        (lambda: chain(shape=(4, 8)), r"input_shape must be \(channels, height, width\), got \(4, 8\)"),
        (lambda: chain(connections=[(0, 1, 2)]), r"connections\[0\] must be \(from, to\), got \(0, 1, 2\)"),
        (
            lambda: chain(connections=[(0, 2)]),
            r"connections\[0\] = \(0, 2\) refers to node 2, but there are 2",
        ),
        (lambda: chain(connections=[(-1, 1)]), r"connections\[0\] = \(-1, 1\) refers to node -1"),
        (lambda: chain(connections=[(0, 1), (1, 1)]), r"connections\[1\] = \(1, 1\) leaves the output node"),
        (lambda: chain(CONV, connections=[(0, 1), (1, 0), (1, 2)]), r"\(1, 0\) enters the input node"),
        (lambda: chain(CONV, connections=[(0, 2)]), r"node 1 \(conv\) receives nothing"),
        (lambda: chain(CONV, connections=[(0, 1), (1, 1), (1, 2)]), "a cycle: 1 -> 1"),
        (
            lambda: chain(CONV, SUM, CONV, connections=[(0, 2), (2, 1), (1, 3), (3, 2), (2, 4)]),
            "a cycle: 1 -> 3 -> 2 -> 1",
        ),
        (lambda: chain(WIDE), r"node 2 \(output\) receives 8 x 8 x 8 from node 1 \(conv\), but its input_ch"),
        (
            lambda: chain(CONV, STRIDED, SUM, connections=[(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]),
            r"node 3 \(sum\) receives 4 x 8 x 8 from node 1 \(conv\) and 4 x 4 x 4 from node 2 \(conv\)",
        ),
        (
            lambda: chain(CONV, WIDE, SUM, connections=[(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]),
            r"receives 4 x 8 x 8 from node 1 \(conv\) and 8 x 8 x 8 from node 2 \(conv\)",
        ),
        (
            lambda: chain(ArchNode("concat", 4, 4), connections=[(0, 1), (0, 1), (1, 2)]),
            r"node 1 \(concat\) receives 8 channels in total, but its output_channels is 4",
        ),
        (
            lambda: chain(ArchNode("concat", 5, 8), connections=[(0, 1), (0, 1), (1, 2)]),
            "input_channels must be that of every input, or their sum 8, got 5",
        ),
        (lambda: chain(CONV, shape=(4, 2**31 - 1, 2**31 - 1)), r"node 1 \(conv\): a cost does not fit"),
    ],
)
def test_malformed_architectures(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_wrong_types_of_architectures() -> None:
    with pytest.raises(TypeError, match=r"nodes\[0\] must be an ArchNode, got 'input'"):
        Architecture(["input"], [], (1, 1, 1))  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"connections\[0\] must be \(from, to\), got 3"):
        chain(connections=[3])
    with pytest.raises(TypeError, match=r"from of connections\[0\] must be an int, got 0.5"):
        chain(connections=[(0.5, 1)])


def test_a_sum_of_costs_that_overflows_is_an_error() -> None:
    huge = [ArchNode("linear", 2**31 - 1, 2**31 - 1)] * 3
    nodes = [ArchNode("input", 2**31 - 1, 2**31 - 1), *huge, ArchNode("output", 2**31 - 1, 2**31 - 1)]
    with pytest.raises(ValueError, match="macs: a cost does not fit into 64 bits"):
        Architecture(nodes, [(i, i + 1) for i in range(4)], (2**31 - 1, 1, 1))


def test_json_round_trip() -> None:
    arch = small_network()
    assert Architecture.from_json(arch.to_json()) == arch
    assert json.loads(arch.to_json())["version"] == 1
    every = [ArchNode("input", 4, 4), ArchNode("mbconv", 4, 4, 2, 5, 6, False), ArchNode("output", 4, 4)]
    arch = Architecture(every, [(0, 1), (1, 2)], (4, 9, 7))
    assert Architecture.from_json(arch.to_json()) == arch


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("version"), "the document lacks the field 'version'"),
        (lambda d: d.update(version=2), "version must be 1, got 2"),
        (lambda d: d.update(version=True), "version must be 1, got True"),
        (lambda d: d.update(format="x"), "format must be 'efficient-nas/architecture', got 'x'"),
        (lambda d: d.update(node=[]), "unknown field 'node' .did you mean nodes"),
        (lambda d: d.update(nodes={}), "nodes must be a list, got {}"),
        (lambda d: d["nodes"].append(3), r"nodes\[9\] must be an object, got 3"),
        (
            lambda d: d["nodes"][1].update(kernel=3),
            r"nodes\[1\] has an unknown field 'kernel' .did you mean kernel_size",
        ),
        (lambda d: d["nodes"][1].pop("operation"), r"nodes\[1\] lacks the field 'operation'"),
        (lambda d: d["nodes"][1].update(stride="2"), r"nodes\[1\]: stride must be an int, got '2'"),
        (lambda d: d["nodes"][1].update(stride=2.0), r"nodes\[1\]: stride must be an int, got 2.0"),
        (lambda d: d["nodes"][1].update(operation=[]), r"nodes\[1\]: operation must be a str"),
        (lambda d: d["connections"].append([1]), r"connections\[10\] must hold 2 integers, got \[1\]"),
        (lambda d: d["connections"].append([0, True]), r"connections\[10\] must hold 2 integers"),
        (lambda d: d.update(input_shape=[3, 32, None]), "input_shape must hold 3 integers"),
        (lambda d: d["connections"].append([1, 77]), r"Architecture: connections\[10\] = \(1, 77\) refers"),
    ],
)
def test_json_with_a_wrong_field(edit, message: str) -> None:
    document = json.loads(small_network().to_json())
    edit(document)
    with pytest.raises(ValueError, match=message):
        Architecture.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", r"the document must be an object, got \[\]"),
        ('{"version": 1, "version": 1}', "the field 'version' is given twice"),
        ('{"version": NaN}', "NaN is not a number of JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"version": ' + "9" * 5000 + "}", "integer"),
    ],
)
def test_text_that_is_not_our_json(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architecture.from_json(text)


def test_json_must_be_text() -> None:
    with pytest.raises(TypeError, match="text must be a str, got bytes"):
        Architecture.from_json(b"{}")  # type: ignore[arg-type]


def test_operations_are_listed() -> None:
    assert {"input", "output", "sum", "concat", "mbconv"} <= set(operations())
    node = ArchNode("conv", 3, 4, kernel_size=3)
    assert replace(node, stride=2).stride == 2
