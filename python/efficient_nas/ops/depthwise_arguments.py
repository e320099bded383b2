"""What a depthwise convolution takes: checks that name the argument, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from efficient_nas.ops.depthwise_kernels import STORAGES, Pair

LARGEST = 2**31 - 1  # stride, padding, dilation


def pair(name: str, value: int | Sequence[int], least: int) -> Pair:
    """(height, width) of an int or two ints of at least `least`, or a ValueError."""
    values = (value, value) if isinstance(value, int) else value
    if (
        isinstance(values, (tuple, list, torch.Size))
        and len(values) == 2
        and all(isinstance(v, int) and not isinstance(v, bool) and least <= v <= LARGEST for v in values)
    ):
        return values[0], values[1]
    raise ValueError(
        f"depthwise_conv2d: {name} must be an int from {least} to 2^31 - 1 or two of them, got {value!r}"
    )


def check(input: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """Raises a TypeError or ValueError unless the kernels can compute this convolution."""
    _check_tensor("input", input, "[N, C, H, W]")
    _check_tensor("weight", weight, "[C, 1, kh, kw]")
    # Autocast makes them alike.
    if input.dtype != weight.dtype and not torch.is_autocast_enabled("cpu"):
        raise TypeError(
            f"depthwise_conv2d: input and weight must have one dtype, got {input.dtype} and {weight.dtype}"
        )
    if input.device != weight.device:
        raise ValueError(
            "depthwise_conv2d: input and weight must be on one device, "
            f"got {input.device} and {weight.device}"
        )
    channels = input.shape[1]
    if channels < 1:
        raise ValueError(f"depthwise_conv2d: input must have channels, got shape {list(input.shape)}")
    if weight.shape[0] != channels or weight.shape[1] != 1:
        raise ValueError(
            f"depthwise_conv2d: weight must have shape [C, 1, kh, kw] with C = {channels} (from input), "
            f"got {list(weight.shape)}; use F.conv2d for other groups"
        )
    for i, side in enumerate(("height", "width")):
        size, kernel = input.shape[2 + i], weight.shape[2 + i]
        reach = dilation[i] * (kernel - 1) + 1
        if kernel < 1 or size < 1 or reach > size + 2 * padding[i]:
            raise ValueError(
                f"depthwise_conv2d: the kernel's {side} ({kernel}, dilation {dilation[i]}) must be at least "
                f"1 and fit into the image's ({size}, at least 1, padding {padding[i]})"
            )


def _check_tensor(name: str, tensor: Tensor, shape: str) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"depthwise_conv2d: {name} must be a tensor, got {type(tensor).__name__}")
    if tensor.device.type not in {"cpu", "meta"} or tensor.layout != torch.strided:
        raise ValueError(
            f"depthwise_conv2d: {name} must be a dense tensor on the CPU, got {tensor.layout} on "
            f"{tensor.device}; use F.conv2d for it"
        )
    if tensor.dtype not in STORAGES:
        raise TypeError(
            f"depthwise_conv2d: {name} must be float32, float64 or bfloat16, got {tensor.dtype}; "
            "use F.conv2d for it"
        )
    if tensor.ndim != 4:
        raise ValueError(f"depthwise_conv2d: {name} must have shape {shape}, got {list(tensor.shape)}")
