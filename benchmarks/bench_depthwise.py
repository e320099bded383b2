"""Depthwise convolution and its two gradients against torch in both layouts, in float32.

python benchmarks/bench_depthwise.py [--only TOPIC ...] [--rounds N] [--output FILE]

The number of threads is torch's (OMP_NUM_THREADS). The floor of a case is the greater of its arithmetic at
the speed of a large matrix product and its operands, each once, at the speed of a copy of its input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from command_line import Topic, run_topics
from efficient_nas import build_info
from efficient_nas.ops import depthwise_kernels as kernels
from harness import measure, ratio, table

FORMATS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Case:
    """A square depthwise convolution, padded as in search spaces: `size / stride` pixels come out."""

    channels: int
    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    batch: int = 64

    @property
    def parameters(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        padding = self.kernel // 2 * self.dilation
        return (self.stride,) * 2, (padding,) * 2, (self.dilation,) * 2

    @property
    def flops(self) -> int:
        pixels = ((self.size - 1) // self.stride + 1) ** 2
        return 2 * self.batch * self.channels * pixels * self.kernel**2

    @property
    def bytes(self) -> int:
        pixels = self.size**2 + ((self.size - 1) // self.stride + 1) ** 2
        return 4 * self.batch * self.channels * pixels


CASES = [
    *(Case(c, s, k, 1, d) for c, s in ((16, 32), (32, 16), (64, 8)) for k in (3, 5) for d in (1, 2)),
    *(Case(16, 32, k, 2) for k in (3, 5)),
    Case(16, 32, 5, batch=8),
    Case(16, 32, 3, dilation=2, batch=8),
    Case(16, 32, 5, dilation=2, batch=8),
    Case(36, 32, 5),
    Case(144, 56, 3, batch=8),
]


def matrix_product_flops(rounds: int) -> float:
    """FLOP/s of a large matrix product."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / measure({"product": lambda: a @ b}, 1, rounds)["product"].median


def forward(rounds: int) -> str:
    """The convolution itself."""

    def calls(x: Tensor, w: Tensor, g: Tensor, case: Case) -> tuple[Call, Call]:
        return (
            lambda: kernels.forward(x, w, *case.parameters),
            lambda: F.conv2d(x, w, None, *case.parameters, groups=case.channels),
        )

    return _report(calls, rounds, "As fast as torch's best layout; oneDNN's forward is a good one.")


def data_gradient(rounds: int) -> str:
    """The gradient of the input."""

    def calls(x: Tensor, w: Tensor, g: Tensor, case: Case) -> tuple[Call, Call]:
        last = kernels.is_channels_last(x)
        return (
            lambda: kernels.input_gradient(g, w, x.shape, *case.parameters, last),
            lambda: _eager_backward(x, w, g, case, [True, False, False])[0],
        )

    return _report(calls, rounds, "Mark: dilation 2 ten times as fast as torch's best layout.")


def weight_gradient(rounds: int) -> str:
    """The gradient of the weight."""

    def calls(x: Tensor, w: Tensor, g: Tensor, case: Case) -> tuple[Call, Call]:
        return (
            lambda: kernels.weight_gradient(g, x, w.shape[2:], *case.parameters),
            lambda: _eager_backward(x, w, g, case, [False, True, False])[1],
        )

    return _report(calls, rounds, "Mark: 5x5 ten times as fast as torch's best layout.")


Call = Callable[[], Tensor]
Calls = Callable[[Tensor, Tensor, Tensor, Case], tuple[Call, Call]]


def _eager_backward(x: Tensor, w: Tensor, g: Tensor, case: Case, wanted: list[bool]) -> Sequence[Tensor]:
    stride, padding, dilation = case.parameters
    result: Sequence[Tensor] = torch.ops.aten.convolution_backward(
        g, x, w, None, stride, padding, dilation, False, [0, 0], case.channels, wanted
    )
    return result


def _report(calls_of: Calls, rounds: int, mark: str) -> str:
    flops = matrix_product_flops(rounds)
    rows = [_row(case, calls_of, rounds, flops) for case in CASES]
    note = (
        f"{mark} SIMD path {build_info()['simd']}, threads: {torch.get_num_threads()}; a matrix "
        f"product reaches {flops / 1e9:.0f} GFLOP/s. Equal results are checked first."
    )
    columns = ["N x C, pixels", "kernel", "us ours", "us ours NCHW", "us torch", "us torch NCHW"]
    columns += ["faster than torch's best", "NCHW faster than NCHW", "GFLOP/s", "share of the floor"]
    return "\n".join([note, "", table(columns, rows)])


def _row(case: Case, calls_of: Calls, rounds: int, flops: float) -> list[object]:
    generator = torch.Generator().manual_seed(0)
    shape = (case.batch, case.channels, case.size, case.size)
    image = torch.randn(shape, generator=generator)
    w = torch.randn(case.channels, 1, case.kernel, case.kernel, generator=generator)
    calls: dict[str, Callable[[], object]] = {}
    for name, memory_format in FORMATS.items():
        x = image.contiguous(memory_format=memory_format)
        y = F.conv2d(x, w, None, *case.parameters, groups=case.channels)
        g = torch.randn(y.shape, generator=generator).contiguous(memory_format=memory_format)
        ours, theirs = calls_of(x, w, g, case)
        # Sums of up to 65,536 products differ by rounding.
        expected = theirs()
        torch.testing.assert_close(ours(), expected, rtol=1e-4, atol=float(expected.abs().max()) * 1e-4)
        calls[f"ours {name}"], calls[f"torch {name}"] = ours, theirs
    target = torch.empty_like(image)
    calls["copy"] = lambda: target.copy_(image)
    timings = measure(calls, 1, rounds)
    best = min((timings[f"torch {name}"] for name in FORMATS), key=lambda timing: timing.median)
    fast, plain = timings["ours channels_last"], timings["ours NCHW"]
    bandwidth = 8 * image.numel() / timings["copy"].median
    floor = max(case.flops / flops, case.bytes / bandwidth)
    return [
        f"{case.batch} x {case.channels}, {case.size}",
        f"{case.kernel}x{case.kernel} stride {case.stride} dilation {case.dilation}",
        fast.median * 1e6,
        plain.median * 1e6,
        timings["torch channels_last"].median * 1e6,
        timings["torch NCHW"].median * 1e6,
        ratio(best, fast),
        ratio(timings["torch NCHW"], plain),
        case.flops / fast.median / 1e9,
        floor / fast.median,
    ]


TOPICS: list[Topic] = [forward, data_gradient, weight_gradient]


def main(arguments: Sequence[str]) -> None:
    run_topics("bench_depthwise.py", "Depthwise convolution", __doc__ or "", TOPICS, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
