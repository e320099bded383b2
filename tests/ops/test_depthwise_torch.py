"""Depthwise convolution as a torch operation: layouts, gradients of gradients, compilers, errors."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import efficient_nas as nas

conv = nas.ops.depthwise_conv2d
PARAMETERS = ([2, 1], [2, 1], [1, 2])  # stride, padding, dilation


def operands(
    channels: int = 6, dtype: torch.dtype = torch.float64, *, grad: bool = True
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 7, 6, dtype=dtype, generator=generator)
    w = torch.randn(channels, 1, 5, 3, dtype=dtype, generator=generator)
    return x.requires_grad_(grad), w.requires_grad_(grad)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_opcheck(memory_format: torch.memory_format) -> None:
    operations = torch.ops.efficient_nas
    x, w = operands(dtype=torch.float32)
    x = x.detach().contiguous(memory_format=memory_format).requires_grad_()
    y = conv(x, w, *PARAMETERS).detach().requires_grad_()
    torch.library.opcheck(operations.depthwise_conv2d, (x, w, *PARAMETERS))
    torch.library.opcheck(
        operations.depthwise_conv2d_input_gradient, (y, w, x.shape, *PARAMETERS, y.stride(1) == 1)
    )
    torch.library.opcheck(operations.depthwise_conv2d_weight_gradient, (y, x, w.shape[2:], *PARAMETERS))


def through_the_dispatcher(x: Tensor, w: Tensor) -> Tensor:
    return torch.ops.efficient_nas.depthwise_conv2d(x, w, *PARAMETERS)


@pytest.mark.parametrize("function", [lambda x, w: conv(x, w, *PARAMETERS), through_the_dispatcher])
def test_gradients_and_their_gradients(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, w = operands(channels=3)
    assert torch.autograd.gradcheck(function, (x, w))
    assert torch.autograd.gradgradcheck(function, (x, w))


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_only_the_wanted_gradient(wanted: tuple[bool, bool]) -> None:
    x, w = operands(grad=False)
    x.requires_grad_(wanted[0])
    w.requires_grad_(wanted[1])
    conv(x, w).sum().backward()
    assert (x.grad is not None, w.grad is not None) == wanted


def test_no_grad_records_nothing() -> None:
    x, w = operands()
    with torch.no_grad():
        assert not conv(x, w).requires_grad


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "channels of channels_last": lambda x: torch.cat([x, x], 1).contiguous(memory_format=torch.channels_last)[
        :, : x.shape[1]
    ],
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "strided": lambda x: x.repeat_interleave(2, 3)[..., ::2],
    "expanded": lambda x: x[:1].expand(2, -1, -1, -1),
    "one channel": lambda x: x[:, :1],
    "no images": lambda x: x[:0],
    "negative view": lambda x: torch.complex(x, x).conj().imag,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str) -> None:
    base, weight = operands(grad=False)
    x = LAYOUTS[name](base).requires_grad_()
    w = LAYOUTS["strided"](weight)[: x.shape[1]].detach().requires_grad_()
    expected = F.conv2d(x, w, None, *PARAMETERS, groups=x.shape[1])
    y = conv(x, w, *PARAMETERS)
    torch.testing.assert_close(y, expected)
    assert y.is_contiguous(
        memory_format=torch.channels_last if "channels_last" in name else torch.contiguous_format
    )
    gradient = torch.randn_like(y)
    for ours, theirs in zip(
        torch.autograd.grad(y, (x, w), gradient), torch.autograd.grad(expected, (x, w), gradient), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_gradients_have_the_layout_of_what_they_are_of() -> None:
    x, w = operands(dtype=torch.float32)
    last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    for of in (x, last):
        (gradient,) = torch.autograd.grad(conv(of, w).sum(), of)
        assert gradient.stride() == of.stride()


def network(x: Tensor, w: Tensor) -> Tensor:
    return (conv(x.relu(), w, *PARAMETERS).sigmoid() ** 2).sum()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_compile(memory_format: torch.memory_format) -> None:
    x, w = operands(dtype=torch.float32)
    x = x.detach().contiguous(memory_format=memory_format).requires_grad_()
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    expected, got = network(x, w), compiled(x, w)
    torch.testing.assert_close(got, expected)
    for ours, theirs in zip(
        torch.autograd.grad(got, (x, w)), torch.autograd.grad(expected, (x, w)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
        assert ours.stride() == theirs.stride()


class Layer(torch.nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        return conv(x, self.weight, *PARAMETERS)


def test_export_with_any_batch_size() -> None:
    x, w = operands(dtype=torch.float32, grad=False)
    layer = Layer(w)
    batch = torch.export.Dim("batch")
    program = torch.export.export(layer, (x,), dynamic_shapes={"x": {0: batch}})
    more = torch.cat([x, x, x])
    torch.testing.assert_close(program.module()(more), layer(more))


@pytest.mark.parametrize("weight_dtype", [torch.float32, torch.bfloat16])
def test_autocast(weight_dtype: torch.dtype) -> None:
    x, w = operands(dtype=torch.float32)
    low = w.detach().to(weight_dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = conv(x, low, *PARAMETERS)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, conv(x.bfloat16(), low.bfloat16(), *PARAMETERS))
    gradient, _ = torch.autograd.grad(y.float().sum(), (x, low))
    assert gradient.dtype == torch.float32


def test_fake_and_meta_tensors_have_shapes_and_no_memory() -> None:
    x, w = operands(dtype=torch.float32, grad=False)
    shape = conv(x, w, *PARAMETERS).shape
    assert conv(x.to("meta"), w.to("meta"), *PARAMETERS).shape == shape
    with FakeTensorMode() as mode:
        assert conv(mode.from_tensor(x), mode.from_tensor(w), *PARAMETERS).shape == shape


def test_torch_func_is_an_error_and_never_reaches_the_memory_of_its_tensors() -> None:
    x, w = operands(grad=False)
    with pytest.raises(RuntimeError, match="functorch transforms"):
        torch.func.grad(lambda weight: conv(x, weight, *PARAMETERS).sum())(w)


ERRORS: list[tuple[Callable[[Tensor, Tensor], object], type[Exception], str]] = [
    (
        lambda x, w: conv(x, w, stride=0),
        ValueError,
        "stride must be an int from 1 to 2^31 - 1 or two of them, got 0",
    ),
    (lambda x, w: conv(x, w, padding=(1, -1)), ValueError, "padding must be an int from 0"),
    (lambda x, w: conv(x, w, padding="same"), ValueError, "got 'same'"),  # type: ignore[arg-type]
    (lambda x, w: conv(x, w, dilation=(1, 1, 1)), ValueError, "dilation must be an int from 1"),
    (lambda x, w: conv(x, w, stride=True), ValueError, "got True"),
    (lambda x, w: conv(x, w, stride=2**31), ValueError, "stride must be"),
    (lambda x, w: conv(x, w, dilation=3), ValueError, "the kernel's height (5, dilation 3)"),
    (lambda x, w: conv(x[0], w), ValueError, "input must have shape [N, C, H, W], got [6, 7, 6]"),
    (lambda x, w: conv(x, w[:3]), ValueError, "with C = 6 (from input), got [3, 1, 5, 3]; use F.conv2d"),
    (lambda x, w: conv(x, w.expand(-1, 2, -1, -1)), ValueError, "use F.conv2d for other groups"),
    (lambda x, w: conv(x[:, :0], w[:0]), ValueError, "input must have channels"),
    (lambda x, w: conv(x[..., :0], w, padding=2), ValueError, "the image's (0, at least 1"),
    (lambda x, w: conv(x.half(), w.half()), TypeError, "got torch.float16; use F.conv2d"),
    (lambda x, w: conv(x, w.float()), TypeError, "one dtype, got torch.float64 and torch.float32"),
    (lambda x, w: conv(x.tolist(), w), TypeError, "input must be a tensor, got list"),
    (lambda x, w: conv(x.to_sparse(), w), ValueError, "input must be a dense tensor on the CPU"),
    (lambda x, w: conv(x, w.to("meta")), ValueError, "on one device, got cpu and meta"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_errors(call: Callable[[Tensor, Tensor], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=r"^depthwise_conv2d: .*" + re.escape(message)):
        call(*operands(grad=False))


def test_the_registered_operations_check_what_they_are_given() -> None:
    operations = torch.ops.efficient_nas
    x, w = operands(grad=False)
    y = conv(x, w, *PARAMETERS)
    calls = [
        (lambda: operations.depthwise_conv2d(x, w[:2], *PARAMETERS), "weight must be"),
        (lambda: operations.depthwise_conv2d(x.half(), w.half(), *PARAMETERS), "got torch.float16"),
        (
            lambda: operations.depthwise_conv2d_input_gradient(y[:1], w, x.shape, *PARAMETERS, False),
            "gradient must be",
        ),
        (
            lambda: operations.depthwise_conv2d_weight_gradient(y, x[:, :2], w.shape[2:], *PARAMETERS),
            "gradient must be",
        ),
        (lambda: operations.depthwise_conv2d(x, w, [0, 1], [0, 0], [1, 1]), "stride .height. must be"),
    ]
    for call, message in calls:
        with pytest.raises(ValueError, match=message):
            call()
