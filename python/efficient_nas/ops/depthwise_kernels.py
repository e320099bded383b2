"""The native depthwise kernels on torch tensors: layouts, memory and addresses; no autograd.

Operands that do not belong together are a ValueError here, because the kernels only see addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from efficient_nas import _core

Pair: TypeAlias = tuple[int, int]

STORAGES = {torch.float32: "float32", torch.float64: "float64", torch.bfloat16: "bfloat16"}


def is_channels_last(tensor: Tensor) -> bool:
    """Whether neighbours in memory are channels of a pixel; so too for views of some channels or rows."""
    return tensor.stride(1) == 1 and tensor.shape[1] > 1 and not tensor.is_contiguous()


def layout(channels_last: bool) -> torch.memory_format:
    """The memory format of a result."""
    return torch.channels_last if channels_last else torch.contiguous_format


def _convolution(
    size: Sequence[int], kernel: Sequence[int], stride: Pair, padding: Pair, dilation: Pair
) -> _core.DepthwiseConv2d:
    batch, channels, height, width = size
    # As an operation's arguments, pairs arrive as lists.
    (vertical, horizontal), (top, left), (down, right) = stride, padding, dilation
    return _core.DepthwiseConv2d(
        batch,
        channels,
        (height, width),
        (kernel[0], kernel[1]),
        (vertical, horizontal),
        (top, left),
        (down, right),
    )


def _expect(name: str, tensor: Tensor, size: Sequence[int], like: Tensor) -> None:
    if tuple(tensor.shape) != tuple(size) or tensor.dtype != like.dtype or tensor.device.type != "cpu":
        raise ValueError(
            f"depthwise_conv2d: {name} must be {like.dtype} on the CPU with shape {list(size)}, "
            f"got {tensor.dtype} on {tensor.device} with shape {list(tensor.shape)}"
        )
    if tensor.dtype not in STORAGES:
        allowed = ", ".join(str(dtype) for dtype in STORAGES)
        raise ValueError(f"depthwise_conv2d: {name} must be one of {allowed}, got {tensor.dtype}")


def _pixels(tensor: Tensor) -> Tensor:
    """The values as dense NHWC memory."""
    return tensor.resolve_neg().contiguous(memory_format=torch.channels_last)


def _empty(like: Tensor, size: Sequence[int]) -> Tensor:
    return torch.empty(size, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def forward(input: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
    """The convolution [N, C, Ho, Wo], channels_last where the input is."""
    convolution = _convolution(input.shape, weight.shape[2:], stride, padding, dilation)
    _expect("weight", weight, (input.shape[1], 1, *weight.shape[2:]), input)
    x, w = _pixels(input), weight.resolve_neg().contiguous()
    y = _empty(x, (*x.shape[:2], *convolution.output()))
    convolution.forward(STORAGES[x.dtype], x.data_ptr(), w.data_ptr(), y.data_ptr(), torch.get_num_threads())
    return y.contiguous(memory_format=layout(is_channels_last(input)))


def input_gradient(
    gradient: Tensor,
    weight: Tensor,
    size: Sequence[int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    channels_last: bool,
) -> Tensor:
    """The gradient of an input of size [N, C, H, W], from that of the output."""
    convolution = _convolution(size, weight.shape[2:], stride, padding, dilation)
    _expect("gradient", gradient, (*size[:2], *convolution.output()), weight)
    _expect("weight", weight, (size[1], 1, *weight.shape[2:]), gradient)
    g, w = _pixels(gradient), weight.resolve_neg().contiguous()
    x = _empty(g, size)
    convolution.input_gradient(
        STORAGES[g.dtype], g.data_ptr(), w.data_ptr(), x.data_ptr(), torch.get_num_threads()
    )
    return x.contiguous(memory_format=layout(channels_last))


def weight_gradient(
    gradient: Tensor, input: Tensor, kernel: Sequence[int], stride: Pair, padding: Pair, dilation: Pair
) -> Tensor:
    """The gradient of a weight [C, 1, kh, kw] with kernel (kh, kw), from that of the output."""
    convolution = _convolution(input.shape, kernel, stride, padding, dilation)
    _expect("gradient", gradient, (*input.shape[:2], *convolution.output()), input)
    g, x = _pixels(gradient), _pixels(input)
    w = torch.empty((x.shape[1], 1, *kernel), dtype=x.dtype, device=x.device)
    convolution.weight_gradient(
        STORAGES[x.dtype], g.data_ptr(), x.data_ptr(), w.data_ptr(), torch.get_num_threads()
    )
    return w
