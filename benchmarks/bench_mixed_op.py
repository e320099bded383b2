"""The fused mixed operation against PyTorch: one DARTS edge, and a training step of a DARTS search network.

python benchmarks/bench_mixed_op.py [--only TOPIC ...] [--rounds N] [--output FILE]

Every topic runs with one and with two threads. Results are compared before anything is timed. The floor of a
case is the greater of its arithmetic (without what is computed again) at the speed of a large matrix product,
and of its least traffic (every image and every kept activation written once and read once) at the speed of a
large copy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from activation_memory import kept_bytes, peak_bytes
from command_line import Topic, run_topics
from efficient_nas import build_info, ops, supernet
from harness import Timing, measure, ratio, table
from plain_networks import darts

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
THREADS = (1, 2)
BATCH = 64
SPEC = ops.sets.darts()


@dataclass(frozen=True)
class Case:
    """An edge with the eight candidates of DARTS, on square images."""

    channels: int
    size: int
    stride: int = 1

    @property
    def flops(self) -> int:
        """Of the convolutions, forward and backward: a third each for outputs, data and weight gradients."""
        pixels = BATCH * (self.size // self.stride) ** 2
        depthwise = 2 * (9 + 25) + 9 + 25
        pointwise = (6 + (self.stride == 2)) * self.channels
        return 3 * 2 * pixels * self.channels * (depthwise + pointwise)

    @property
    def bytes(self) -> int:
        image = 4 * BATCH * self.channels * self.size**2
        result = image // self.stride**2
        kept = 6 + (self.stride == 2)
        return 3 * image + 2 * result + 2 * kept * result  # x twice and its gradient; y, its gradient; kept


CASES = [Case(c, s, stride) for stride in (1, 2) for c, s in ((16, 32), (32, 16), (64, 8))]


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def floors(rounds: int) -> tuple[float, float]:
    """FLOP/s of a large matrix product, of one thread times threads; bytes/s of a large copy, both ways."""
    count = torch.get_num_threads()
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    with threads(1):
        product = measure({"product": lambda: a @ b}, 1, rounds)["product"].median
    source, target = torch.randn(2**24), torch.empty(2**24)
    copy = measure({"copy": lambda: target.copy_(source)}, 1, rounds)["copy"].median
    return count * 2 * 1024**3 / product, 2 * 4 * 2**24 / copy


# ---- one operation

Step = Callable[[], list[Tensor]]


def _eager_step(mixed: Callable[[Tensor, Tensor], Tensor], module: nn.Module, x: Tensor, g: Tensor) -> Step:
    alpha = torch.linspace(-1, 1, len(SPEC.candidates)).softmax(0).requires_grad_()
    x = x.requires_grad_()
    wanted = [x, alpha, *module.parameters()]

    def step() -> list[Tensor]:
        y = mixed(x, alpha)
        return [y.detach(), *torch.autograd.grad(y, wanted, g)]

    return step


def _fused(module: darts.MixedOp, case: Case) -> Callable[[Tensor, Tensor], Tensor]:
    tensors = ops.tensors_of(module._ops, SPEC, case.channels, stride=case.stride)

    def mixed(x: Tensor, alpha: Tensor) -> Tensor:
        return ops.mixed_op(x, alpha, tensors.parameters, SPEC, running=tensors.running, stride=case.stride)

    return mixed


def _steps(case: Case, compiled: bool) -> dict[str, Step]:
    """Forward and backward passes that must give the same tensors, by name."""
    torch.manual_seed(0)
    module = darts.MixedOp(case.channels, case.stride)
    image = torch.randn(BATCH, case.channels, case.size, case.size)
    gradient = torch.randn(BATCH, case.channels, case.size // case.stride, case.size // case.stride)
    steps: dict[str, Step] = {}
    for layout, memory_format in LAYOUTS.items():
        x = image.clone(memory_format=memory_format)
        g = gradient.contiguous(memory_format=memory_format)
        copy = darts.MixedOp(case.channels, case.stride).to(memory_format=memory_format)
        copy.load_state_dict(module.state_dict())
        steps[f"eager {layout}"] = _eager_step(copy, copy, x, g)
        if compiled:
            torch.compiler.reset()
            steps[f"compile {layout}"] = _eager_step(torch.compile(copy), copy, x, g)
    x = image.clone(memory_format=torch.channels_last)
    g = gradient.contiguous(memory_format=torch.channels_last)
    steps["ours"] = _eager_step(_fused(module, case), module, x, g)
    _check_equal(steps)
    return steps


def _check_equal(steps: dict[str, Step]) -> None:
    """By norms: behind a ReLU whose input is close to zero, rounding decides about single gradients."""
    expected = steps["eager NCHW"]()
    for name, step in steps.items():
        for i, (got, wanted) in enumerate(zip(step(), expected, strict=True)):
            error = float((got - wanted).norm() / wanted.norm())
            if not error < 1e-2:
                raise RuntimeError(f"{name}: tensor {i} differs from eager NCHW by {error:.1e} of its norm")


def one_operation(rounds: int) -> str:
    """Forward and backward pass of one mixed operation."""
    names = [f"{kind} {layout}" for kind in ("eager", "compile") for layout in LAYOUTS]
    rows = []
    for count in THREADS:
        with threads(count):
            flops, bandwidth = floors(rounds)
            for case in CASES:
                compiled = count == max(THREADS) and case.stride == 1  # what the marks are about
                timings = measure(_steps(case, compiled), 1, rounds)
                rows.append(
                    _row(case, count, names, timings, max(case.flops / flops, case.bytes / bandwidth))
                )
    note = (
        "Marks at stride 1 with two threads: 10 times eager NCHW (9 at 64 channels), 5 times eager "
        "channels_last, 4 times the better compile; at stride 2 4 times eager channels_last. "
        f"Columns of peers: how many times faster than they. Batch {BATCH}; SIMD path "
        f"{build_info()['simd']}."
    )
    columns = ["threads", "C, pixels, stride", "ms ours", "spread", *names, "share of the floor"]
    return "\n".join([note, "", table(columns, rows)])


def _row(
    case: Case, count: int, names: Sequence[str], timings: dict[str, Timing], floor: float
) -> list[object]:
    ours = timings["ours"]
    return [
        count,
        f"{case.channels}, {case.size}, {case.stride}",
        ours.median * 1e3,
        f"{ours.spread:.0%}",
        *(ratio(timings[name], ours) if name in timings else "" for name in names),
        f"{floor / ours.median:.0%}",
    ]


# ---- a network


def _network_step(network: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], Tensor]:
    wanted = [*network.parameters(), *network.arch_parameters()]

    def step() -> Tensor:
        loss = nn.functional.cross_entropy(network(images), labels)
        torch.autograd.grad(loss, wanted)
        return loss.detach()

    return step


def _network(name: str) -> nn.Module:
    """The network in the layout that the name ends in, or fused; always the same weights."""
    torch.manual_seed(0)
    network = darts.Network(C=16, layers=8)
    network.to(memory_format=LAYOUTS.get(name.removeprefix("eager "), torch.channels_last))
    if name == "ours":
        report = supernet.fuse(network)
        if report.not_fused:
            raise RuntimeError(str(report))
    return network


def peak_step(name: str) -> Callable[[], Tensor]:
    """A step of the network on random images."""
    network = _network(name)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (BATCH,), generator=generator)
    layout = LAYOUTS.get(name.removeprefix("eager "), torch.channels_last)
    return _network_step(network, images.contiguous(memory_format=layout), labels)


def _network_steps() -> dict[str, Callable[[], Tensor]]:
    steps = {name: peak_step(name) for name in ("ours", *(f"eager {layout}" for layout in LAYOUTS))}
    losses = {name: float(step()) for name, step in steps.items()}
    for loss in losses.values():
        torch.testing.assert_close(loss, losses["eager NCHW"], rtol=1e-4, atol=1e-4)
    return steps


def network(rounds: int) -> str:
    """A step (loss, all gradients) of the published-style DARTS network: 8 cells, 16 channels, batch 64."""
    rows = []
    for count in THREADS:
        with threads(count):
            timings = measure(_network_steps(), 1, max(3, rounds // 5))
            ours = timings["ours"]
            rows.append(
                [
                    count,
                    ours.median,
                    f"{ours.spread:.0%}",
                    *(ratio(timings[f"eager {layout}"], ours) for layout in LAYOUTS),
                ]
            )
    note = "Marks: 8 times eager NCHW, 4.5 times eager channels_last."
    return "\n".join(
        [note, "", table(["threads", "s ours", "spread", "eager NCHW", "eager channels_last"], rows)]
    )


def memory(rounds: int) -> str:
    """What autograd keeps from the forward pass, and the peak of a step of the network."""
    rows: list[list[object]] = []
    for case in CASES:
        kept = {name: kept_bytes(step) / 2**20 for name, step in _steps(case, False).items()}
        rows.append(
            [
                f"edge {case.channels}, {case.size}, {case.stride}",
                kept["ours"],
                kept["eager channels_last"],
                kept["ours"] / kept["eager channels_last"],
            ]
        )
    peaks = {name: peak_bytes("bench_mixed_op", name) / 2**20 for name in ("ours", "eager channels_last")}
    peak = peaks["ours"], peaks["eager channels_last"]
    rows.append(["network, peak of the process above its start", *peak, peak[0] / peak[1]])
    note = "Marks: a quarter of what eager keeps; half of the network's peak."
    return "\n".join([note, "", table(["", "MiB ours", "MiB eager channels_last", "share"], rows)])


TOPICS: list[Topic] = [one_operation, network, memory]


def main(arguments: Sequence[str]) -> None:
    run_topics("bench_mixed_op.py", "Fused mixed operation", __doc__ or "", TOPICS, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
