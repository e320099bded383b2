"""Depthwise convolution against F.conv2d: numbers, instruction sets, threads."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from forked import assert_same_in_a_forked_child
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import efficient_nas as nas
from efficient_nas import _core

Results = tuple[Tensor, Tensor, Tensor]  # output, gradients of input and weight


def eager(x: Tensor, w: Tensor, stride: object, padding: object, dilation: object) -> Tensor:
    return F.conv2d(x, w, None, stride, padding, dilation, x.shape[1])  # type: ignore[arg-type]


def results(function: Callable[..., Tensor], x: Tensor, w: Tensor, *parameters: object) -> Results:
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    y = function(x, w, *parameters)
    # A gradient that any layout and dtype rounds alike: the same small integers.
    gradient = (torch.arange(y.numel(), dtype=torch.float64) * 7 % 31 - 15).reshape(y.shape).to(y.dtype)
    return (y.detach(), *torch.autograd.grad(y, (x, w), gradient))


def assert_as_exact_as_eager(x: Tensor, w: Tensor, *parameters: object) -> None:
    """Error against float64 at most twice eager's, plus 4 ulp of the largest value."""
    expected = results(eager, x.double(), w.double(), *parameters)
    of_eager = results(eager, x, w, *parameters)
    ours = results(nas.ops.depthwise_conv2d, x, w, *parameters)
    for exact, theirs, mine in zip(expected, of_eager, ours, strict=True):
        assert mine.dtype == x.dtype and mine.shape == exact.shape
        if not exact.numel():
            continue
        slack = 4 * torch.finfo(x.dtype).eps * exact.abs().max()
        assert (mine - exact).abs().max() <= 2 * (theirs - exact).abs().max() + slack


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Tensor, Tensor, tuple[int, int], tuple[int, int], tuple[int, int]]:
    def two(least: int, most: int) -> tuple[int, int]:
        return draw(st.integers(least, most)), draw(st.integers(least, most))

    channels = draw(st.one_of(st.integers(1, 40), st.sampled_from([16, 32, 48])))
    kernel, stride, padding, dilation = two(1, 6), two(1, 4), two(0, 5), two(1, 3)
    least = [max(1, dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i]) for i in (0, 1)]
    size = [least[i] + draw(st.integers(0, 20)) for i in (0, 1)]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = torch.randn(draw(st.integers(0, 3)), channels, *size, generator=generator)
    w = torch.randn(channels, 1, *kernel, generator=generator)
    if draw(st.booleans()):
        x = x.contiguous(memory_format=torch.channels_last)
    return x, w, stride, padding, dilation


@given(convolutions(), st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
@settings(max_examples=150, deadline=None)
def test_any_convolution(
    convolution: tuple[Tensor, Tensor, tuple[int, int], tuple[int, int], tuple[int, int]], dtype: torch.dtype
) -> None:
    x, w, *parameters = convolution
    assert_as_exact_as_eager(x.to(dtype), w.to(dtype), *parameters)


CASES = list(itertools.product([16, 21, 36], [3, 5], [1, 2], [1, 2]))  # channels, kernel, stride, dilation


@pytest.mark.parametrize(("channels", "kernel", "stride", "dilation"), CASES)
def test_kernels_of_search_spaces(channels: int, kernel: int, stride: int, dilation: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, channels, 17, 32).contiguous(memory_format=torch.channels_last)
    w = torch.randn(channels, 1, kernel, kernel)
    assert_as_exact_as_eager(x, w, stride, dilation * (kernel // 2), dilation)


IN_A_PROCESS = """
import sys, torch
sys.path.insert(0, sys.argv[1])
import efficient_nas as nas
import test_depthwise
assert nas.build_info()["simd"] == sys.argv[2]
for case in test_depthwise.CASES:
    test_depthwise.test_kernels_of_search_spaces(*case)
torch.manual_seed(1)
for dtype in (torch.float64, torch.bfloat16):
    x, w = torch.randn(2, 23, 9, 10, dtype=dtype), torch.randn(23, 1, 5, 3, dtype=dtype)
    test_depthwise.assert_as_exact_as_eager(x, w, (2, 1), (2, 1), 1)
"""


def in_a_process(code: str, *arguments: str, simd: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"EFFICIENT_NAS_SIMD": simd}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("simd", _core.simd_paths())
def test_every_instruction_set_of_this_cpu(simd: str) -> None:
    done = in_a_process(IN_A_PROCESS, str(Path(__file__).parent), simd, simd=simd)
    assert done.returncode == 0, done.stderr


def test_an_instruction_set_that_is_not_there_is_an_error_with_those_that_are() -> None:
    done = in_a_process("import efficient_nas as nas; nas.build_info()", simd="avx1024")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == (
        f"ValueError: EFFICIENT_NAS_SIMD must be one of {', '.join(_core.simd_paths())} on this machine, "
        "got 'avx1024'"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "dilation"),
    [((9, 40, 20, 20), 5, 1, 2), ((1, 24, 150, 150), 3, 2, 1), ((16, 16, 8, 8), 3, 1, 1)],
)
def test_results_are_the_same_bits_at_any_number_of_threads(
    shape: tuple[int, ...], kernel: int, stride: int, dilation: int, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    x, w = torch.randn(shape).to(dtype), torch.randn(shape[1], 1, kernel, kernel).to(dtype)
    threads = torch.get_num_threads()
    try:
        outcomes = []
        for number in (1, 2, 7):
            torch.set_num_threads(number)
            outcomes.append(results(nas.ops.depthwise_conv2d, x, w, stride, 2, dilation))
    finally:
        torch.set_num_threads(threads)
    for other in outcomes[1:]:
        assert all(torch.equal(a, b) for a, b in zip(outcomes[0], other, strict=True))


def test_nan_and_infinity_reach_the_pixels_that_eager_lets_them_reach() -> None:
    x, w = torch.ones(1, 20, 9, 9), torch.ones(20, 1, 3, 3)
    x[0, 3, 4, 4], x[0, 19, 0, 0] = float("nan"), float("inf")
    for ours, theirs in zip(
        results(nas.ops.depthwise_conv2d, x, w, 2, 1, 1), results(eager, x, w, 2, 1, 1), strict=True
    ):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


def test_bfloat16_rounds_once() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(2, 20, 9, 9).bfloat16(), torch.randn(20, 1, 5, 5).bfloat16()
    ours = results(nas.ops.depthwise_conv2d, x, w, 1, 2, 1)
    in_float32 = results(nas.ops.depthwise_conv2d, x.float(), w.float(), 1, 2, 1)
    for mine, exact in zip(ours[:2], in_float32[:2], strict=True):
        assert torch.equal(mine, exact.bfloat16())


def test_subnormal_numbers_count_as_zero_and_leave_the_mode_alone() -> None:
    x, w = torch.full((1, 16, 8, 8), 1e-39), torch.ones(16, 1, 3, 3)
    y = nas.ops.depthwise_conv2d(x, w, padding=1)
    assert y.abs().max() <= 9 * 1e-39
    assert x[0, 0, 0, 0] * 1.0 == x[0, 0, 0, 0] > 0  # torch's own arithmetic still has them
    assert nas.ops.depthwise_conv2d(x.double(), w.double()).max() > 0


def test_a_forked_child_computes_the_same() -> None:
    assert_same_in_a_forked_child("""
x = torch.randn(8, 32, 32, 32).contiguous(memory_format=torch.channels_last)
w = torch.randn(32, 1, 5, 5)
def results():
    return [nas.ops.depthwise_conv2d(x, w, padding=2)]
""")
