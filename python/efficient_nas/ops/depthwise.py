"""Depthwise convolution with fast gradients on the CPU, as torch operations (docs/design/cpu-kernels.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from efficient_nas.ops import depthwise_kernels as kernels
from efficient_nas.ops.depthwise_arguments import check, pair
from efficient_nas.ops.depthwise_kernels import Pair, is_channels_last, layout
from efficient_nas.ops.direct import is_direct


def depthwise_conv2d(
    input: Tensor,
    weight: Tensor,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """The depthwise convolution [N, C, Ho, Wo] of input [N, C, H, W] and weight [C, 1, kh, kw].

    The numbers of `F.conv2d(input, weight, None, stride, padding, dilation, groups=C)`, on the CPU, with
    gradients of any order. stride, padding, dilation: an int or (height, width). float32, float64, and
    bfloat16 with sums in float32; under autocast its dtype. Fastest for channels_last inputs, whose result
    is channels_last too; other layouts are converted. Results are the same for any number of threads
    (`torch.set_num_threads`). Departure: with float32 and bfloat16 on x86, subnormal numbers count as zero.

    Raises ValueError or TypeError, with what is allowed, for anything else: F.conv2d is there for it.
    """
    parameters = pair("stride", stride, 1), pair("padding", padding, 0), pair("dilation", dilation, 1)
    check(input, weight, *parameters)
    if not is_direct(input, weight):
        return _operation("depthwise_conv2d", input, weight, *parameters)
    if torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad):
        result: Tensor = _Direct.apply(input, weight, *parameters)  # type: ignore[no-untyped-call]
        return result
    return kernels.forward(input, weight, *parameters)


def _operation(name: str, *arguments: Any) -> Tensor:
    result: Tensor = getattr(torch.ops.efficient_nas, name)(*arguments)
    return result


class _Direct(torch.autograd.Function):
    """The convolution without torch's dispatcher."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair
    ) -> Tensor:
        _save(ctx, (input, weight, stride, padding, dilation), None)
        return kernels.forward(input, weight, stride, padding, dilation)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        input, weight = ctx.saved_tensors
        # Recording (create_graph): the registered operations have gradients of their own.
        if torch.is_grad_enabled() or not is_direct(gradient, input, weight):
            return _convolution_backward(ctx, gradient)
        for_input, for_weight = ctx.needs_input_grad[:2]
        of_input, of_weight = None, None
        if for_input:
            stride, padding, dilation = ctx.parameters
            of_input = kernels.input_gradient(
                gradient, weight, input.shape, stride, padding, dilation, is_channels_last(input)
            )
        if for_weight:
            of_weight = kernels.weight_gradient(gradient, input, weight.shape[2:], *ctx.parameters)
        return of_input, of_weight, None, None, None


# ---- the registered operations. conv(x, w), input_gradient(dy, w) and weight_gradient(dy, x) are bilinear,
# and the gradients of each are the other two. (torch.func refuses operations registered in this way.)


def _convolution_backward(ctx: Any, gradient: Tensor) -> Any:
    input, weight = ctx.saved_tensors
    for_input, for_weight = ctx.needs_input_grad[:2]
    return (
        _input_gradient(gradient, weight, input, ctx.parameters) if for_input else None,
        _weight_gradient(gradient, input, weight.shape[2:], ctx.parameters) if for_weight else None,
        *(None,) * 3,
    )


def _input_gradient_backward(ctx: Any, gradient: Tensor) -> Any:
    of_output, weight = ctx.saved_tensors
    for_output, for_weight = ctx.needs_input_grad[:2]
    return (
        _operation("depthwise_conv2d", gradient, weight, *ctx.parameters) if for_output else None,
        _weight_gradient(of_output, gradient, weight.shape[2:], ctx.parameters) if for_weight else None,
        *(None,) * 5,
    )


def _weight_gradient_backward(ctx: Any, gradient: Tensor) -> Any:
    of_output, input = ctx.saved_tensors
    for_output, for_input = ctx.needs_input_grad[:2]
    return (
        _operation("depthwise_conv2d", input, gradient, *ctx.parameters) if for_output else None,
        _input_gradient(of_output, gradient, input, ctx.parameters) if for_input else None,
        *(None,) * 4,
    )


def _input_gradient(gradient: Tensor, weight: Tensor, like: Tensor, parameters: Sequence[Pair]) -> Tensor:
    name = "depthwise_conv2d_input_gradient"
    return _operation(name, gradient, weight, like.shape, *parameters, is_channels_last(like))


def _weight_gradient(
    gradient: Tensor, input: Tensor, kernel: Sequence[int], parameters: Sequence[Pair]
) -> Tensor:
    return _operation("depthwise_conv2d_weight_gradient", gradient, input, kernel, *parameters)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor | None) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.parameters = inputs[2:5]


def _save_after_size(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.parameters = inputs[3:6]


def _fake(input: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
    extent = (
        (input.shape[2 + i] + 2 * padding[i] - dilation[i] * (weight.shape[2 + i] - 1) - 1) // stride[i] + 1
        for i in (0, 1)
    )
    return _fake_pixels(input, (*input.shape[:2], *extent), is_channels_last(input))


def _fake_input_gradient(gradient: Tensor, weight: Tensor, size: Sequence[int], *parameters: Any) -> Tensor:
    return _fake_pixels(gradient, size, parameters[-1])


def _fake_weight_gradient(gradient: Tensor, input: Tensor, kernel: Sequence[int], *parameters: Any) -> Tensor:
    return input.new_empty((input.shape[1], 1, *kernel))


def _fake_pixels(like: Tensor, size: Sequence[int], channels_last: bool) -> Tensor:
    return torch.empty(size, dtype=like.dtype, device=like.device, memory_format=layout(channels_last))


def _autocast(input: Tensor, weight: Tensor, *parameters: Pair) -> Tensor:
    """As autocast treats F.conv2d: the operands in its dtype, except float64."""
    dtype = torch.get_autocast_dtype("cpu")
    if torch.float64 not in {input.dtype, weight.dtype}:
        input, weight = input.to(dtype), weight.to(dtype)
    with torch.autocast("cpu", enabled=False):
        check(input, weight, *parameters)
        return _operation("depthwise_conv2d", input, weight, *parameters)


def _register() -> Any:
    """The three operations; they are registered as long as the library lives."""
    new_library: Any = torch.library.Library  # without types
    library = new_library("efficient_nas", "FRAGMENT")
    parameters = "int[2] stride, int[2] padding, int[2] dilation"
    schemas = {
        "depthwise_conv2d": f"(Tensor input, Tensor weight, {parameters})",
        "depthwise_conv2d_input_gradient": (
            f"(Tensor gradient, Tensor weight, SymInt[] size, {parameters}, bool channels_last)"
        ),
        "depthwise_conv2d_weight_gradient": f"(Tensor gradient, Tensor input, SymInt[] kernel, {parameters})",
    }
    parts: dict[str, tuple[Any, Any, Any, Any]] = {
        "depthwise_conv2d": (kernels.forward, _fake, _convolution_backward, _save),
        "depthwise_conv2d_input_gradient": (
            kernels.input_gradient,
            _fake_input_gradient,
            _input_gradient_backward,
            _save_after_size,
        ),
        "depthwise_conv2d_weight_gradient": (
            kernels.weight_gradient,
            _fake_weight_gradient,
            _weight_gradient_backward,
            _save_after_size,
        ),
    }
    for name, (kernel, fake, backward, save) in parts.items():
        qualified = f"efficient_nas::{name}"
        library.define(f"{name}{schemas[name]} -> Tensor", tags=(torch.Tag.pt2_compliant_tag,))
        library.impl(name, kernel, "CPU")
        torch.library.register_fake(qualified, fake, lib=library)
        torch.library.register_autograd(qualified, backward, setup_context=save, lib=library)
    library.impl("depthwise_conv2d", _autocast, "AutocastCPU")
    return library


_library = _register()
