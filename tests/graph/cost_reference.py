"""Costs as docs/design/architectures.md defines them, written plainly, without native code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from efficient_nas.graph import Architecture, ArchNode


def sources_of(arch: Architecture) -> list[list[int]]:
    sources: list[list[int]] = [[] for _ in arch.nodes]
    for source, target in arch.connections:
        sources[target].append(source)
    return sources


def alive_nodes(arch: Architecture) -> set[int]:
    sources = sources_of(arch)

    def is_zero(node: int) -> bool:
        operation = arch.nodes[node].operation
        return operation == "none" or (operation != "input" and all(map(is_zero, sources[node])))

    alive, stack = set(), [i for i, node in enumerate(arch.nodes) if node.operation == "output"]
    while stack:
        node = stack.pop()
        alive.add(node)
        stack.extend(s for s in sources[node] if s not in alive and not is_zero(s))
    return alive | {i for i, node in enumerate(arch.nodes) if node.operation == "input"}


def execution_order(arch: Architecture) -> list[int]:
    alive, order, sources = alive_nodes(arch), [], sources_of(arch)
    while len(order) < len(alive):
        done = set(order)
        order.append(min(i for i in alive - done if all(s in done for s in sources[i] if s in alive)))
    return order


Shape = tuple[int, int, int]


def size(shape: Shape) -> int:
    return 4 * shape[0] * shape[1] * shape[2]


def node_steps(node: ArchNode, shape: Shape) -> Iterator[tuple[Sequence[int], Shape, int, int, int]]:
    """(tensors read, shape written, macs, params, scratch bytes) of every step; 0 is the node's input."""
    channels, out, s = node.input_channels, node.output_channels, node.stride
    written = [shape]

    def step(reads: Sequence[int], result: Shape, macs: int = 0, params: int = 0, scratch: int = 0):
        written.append(result)
        return reads, result, macs, params, scratch

    def last() -> int:
        return len(written) - 1

    def halved(of: Shape, stride: int) -> tuple[int, int]:
        return -(-of[1] // stride), -(-of[2] // stride)

    def conv(read: int, c: int, k: int, stride: int = 1, depthwise: bool = False):
        h, w = halved(written[read], stride)
        params = c * (1 if depthwise else written[read][0]) * k * k
        return step([read], (c, h, w), params * h * w, params)

    def bn():
        return step([last()], written[-1], 0, 2 * written[-1][0] if node.affine else 0)

    def relu(read: int):
        return step([read], written[read])

    kernel = node.kernel_size or int(node.operation[-1]) if node.operation[-1].isdigit() else node.kernel_size
    match node.operation:
        case "nor_conv_1x1" | "nor_conv_3x3":
            yield relu(0)
            yield conv(last(), out, kernel, s)
            yield bn()
        case "sep_conv_3x3" | "sep_conv_5x5":
            for c, stride in ((channels, s), (out, 1)):
                yield relu(last())
                yield conv(last(), channels, kernel, stride, depthwise=True)
                yield conv(last(), c, 1)
                yield bn()
        case "dil_conv_3x3" | "dil_conv_5x5":
            yield relu(0)
            yield conv(last(), channels, kernel, s, depthwise=True)
            yield conv(last(), out, 1)
            yield bn()
        case "max_pool_3x3" | "avg_pool_3x3":
            pooled = (channels, *halved(shape, s))
            yield step([0], pooled, scratch=2 * size(pooled) if node.operation == "max_pool_3x3" else 0)
        case "skip_connect" | "factorized_reduce" if s == 2:
            yield relu(0)
            if shape[1] % 2 or shape[2] % 2:
                h, w = halved(shape, 2)
                yield step([last()], (channels, 2 * h, 2 * w))
            read = last()
            yield conv(read, out // 2, 1, 2)
            yield conv(read, out // 2, 1, 2)
            yield step([last() - 1, last()], (out, *halved(shape, 2)))
            yield bn()
        case "resnet_basic_block":
            for stride in (s, 1):
                yield relu(last())
                yield conv(last(), out, 3, stride)
                yield bn()
            body, shortcut = last(), 0
            if s == 2:
                yield step([0], (channels, *halved(shape, 2)))
                yield conv(last(), out, 1)
                shortcut = last()
            elif channels != out:
                yield relu(0)
                yield conv(last(), out, 1)
                yield bn()
                shortcut = last()
            yield step([body, shortcut], written[body])
        case "conv" | "conv_bn" | "conv_bn_relu":
            yield conv(0, out, kernel, s)
            if "bn" in node.operation:
                yield bn()
            if "relu" in node.operation:
                yield relu(last())
        case "bn_relu":
            yield bn()
            yield relu(last())
        case "mbconv":
            hidden = channels * node.expansion
            if node.expansion > 1:
                yield conv(0, hidden, 1)
                yield bn()
                yield relu(last())
            yield conv(last(), hidden, kernel, s, depthwise=True)
            yield bn()
            yield relu(last())
            yield conv(last(), out, 1)
            yield bn()
            if s == 1 and channels == out:
                yield step([last(), 0], written[-1])
        case "global_avg_pool":
            yield step([0], (channels, 1, 1))
        case "linear":
            features = channels * shape[1] * shape[2]
            yield step([0], (out, 1, 1), features * out, features * out + out)
        case "gate":
            yield step([0], shape, 0, channels)


def costs(arch: Architecture) -> dict[str, int]:
    """Macs, params and peak. Every tensor becomes an interval of time; the peak is taken over all moments."""
    sources, order = sources_of(arch), execution_order(arch)
    alive = set(order)
    tensors: dict[str, tuple[int, int]] = {}  # name -> bytes, moment of allocation
    uses: dict[str, int] = {}  # name -> last moment at which it is needed
    moment, macs, params = 0, 0, 0
    held: dict[int, str] = {}  # node -> name of its output tensor

    def allocate(name: str, amount: int) -> str:
        tensors[name] = (amount, moment)
        uses[name] = moment
        return name

    for i in order:
        node = arch.nodes[i]
        if node.operation == "input":
            held[i] = allocate("input", size(arch.input_shape))
            continue
        moment += 1
        read = [held[s] for s in sources[i] if s in alive]
        own: list[str] = []
        if node.operation == "concat":
            own += [
                allocate(f"{i} zeros {j}", size(arch.shapes[s]))
                for j, s in enumerate(sources[i])
                if s not in alive
            ]
            held[i] = allocate(f"{i}", size(arch.shapes[i]))
        else:
            shape = arch.shapes[sources[i][0]]
            if len(read) != 1:
                own = [allocate(f"{i} sum", size(shape))]
            local = [*own] or [*read]
            for reads, result, step_macs, step_params, scratch in node_steps(node, shape):
                moment += 1
                macs, params = macs + step_macs, params + step_params
                local.append(allocate(f"{i} step {len(local)}", size(result)))
                if scratch:
                    allocate(f"{i} scratch {moment}", scratch)
                for r in reads:
                    uses[local[r]] = moment
            held[i] = local[-1]
        for name in (*read, *own):
            uses[name] = moment
        if node.operation == "output":
            uses[held[i]] = 10**9
    uses["input"] = 10**9
    moments = range(moment + 1)
    peak = max(
        sum(amount for name, (amount, start) in tensors.items() if start <= m <= uses[name]) for m in moments
    )
    return {"macs": macs, "params": params, "peak_activation_bytes": peak}
