"""Checks of what the implementations of the mixed operation are called with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from efficient_nas.ops.fields import checked_stride
from efficient_nas.ops.mixed_spec import MixedOpSpec

# The weights that give a candidate its output channels, where it can change their number.
OUTPUT_WEIGHTS = {
    "skip_connect": ("0.even.weight", "0.odd.weight"),
    "nor_conv": ("0.conv.weight",),
    "sep_conv": ("0.pointwise2.weight",),
    "dil_conv": ("0.pointwise.weight",),
    "mbconv": ("0.project.weight",),
}


class Options(NamedTuple):
    """The numbers and switches of a call; momentum is without effect where nothing is updated."""

    training: bool
    eps: float
    momentum: float
    skip_zero: bool


def check_mixed_op(
    where: str,
    x: Tensor,
    alpha: Tensor,
    parameters: Sequence[Tensor],
    spec: MixedOpSpec,
    running: Sequence[Tensor] | None,
    stride: int,
    options: Options,
) -> int:
    """The number of output channels; TypeError or ValueError that names the first argument that is wrong."""
    if not isinstance(spec, MixedOpSpec):
        raise TypeError(f"{where}: spec must be a MixedOpSpec, got {type(spec).__name__}")
    checked_stride(where, stride)
    check_options(where, options)
    check_images(f"{where}: x", x)
    check_floating(f"{where}: alpha", alpha, x)
    if alpha.shape != (len(spec.candidates),):
        raise ValueError(
            f"{where}: alpha must have shape [K] with K = {len(spec.candidates)} (from spec), "
            f"got {list(alpha.shape)}"
        )
    names = spec.parameter_names(stride)
    check_list(f"{where}: parameters", parameters, names)
    output_channels = _output_channels(spec, stride, x.shape[1], dict(zip(names, parameters, strict=True)))
    check_tensors(
        f"{where}: parameters",
        parameters,
        names,
        spec.parameter_shapes(x.shape[1], output_channels, stride),
        x,
    )
    buffers = spec.buffer_names(stride)
    shapes = spec.buffer_shapes(x.shape[1], output_channels, stride)
    check_running(where, running, options.training, buffers, shapes, x)
    return output_channels


def check_options(where: str, options: Options) -> None:
    """TypeError or ValueError that names the first option that is wrong."""
    training, eps, momentum, skip_zero = options
    for name, flag in (("training", training), ("skip_zero", skip_zero)):
        if not isinstance(flag, bool):
            raise TypeError(f"{where}: {name} must be a bool, got {flag!r}")
    _check_number(f"{where}: eps", eps, "a finite number above 0", lambda value: value > 0)
    _check_number(f"{where}: momentum", momentum, "in [0, 1]", lambda value: 0 <= value <= 1)


def check_images(name: str, x: Tensor) -> None:
    """TypeError or ValueError unless x is a floating tensor of images; `name` begins the message."""
    check_floating(name, x)
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(
            f"{name} must have shape [N, C, H, W] with C, H and W at least 1, got {list(x.shape)}"
        )


def check_running(
    where: str,
    running: Sequence[Tensor] | None,
    training: bool,
    names: tuple[str, ...],
    shapes: Sequence[tuple[int, ...]],
    x: Tensor,
) -> None:
    """TypeError or ValueError unless these are running statistics, or None where none are needed."""
    if running is None:
        if not training and names:
            raise ValueError(
                f"{where}: running must be given when training is False; norms without running statistics "
                "always use the batch's: pass training=True"
            )
        return
    check_list(f"{where}: running", running, names)
    check_tensors(f"{where}: running", running, names, shapes, x)
    for index, (name, tensor) in enumerate(zip(names, running, strict=True)):
        if tensor.requires_grad:
            raise ValueError(f"{where}: running[{index}] ({name}) must not require a gradient; it is updated")


def _output_channels(spec: MixedOpSpec, stride: int, channels: int, parameters: dict[str, Tensor]) -> int:
    """What the first candidate's last convolution gives; wrong shapes are found out when all are compared."""
    if spec.keeps_channels(stride):
        return channels
    weights = [parameters[name] for name in OUTPUT_WEIGHTS[spec.candidates[0].operation]]
    return sum(len(weight) if weight.ndim else 0 for weight in weights) or channels


def _check_number(name: str, value: object, expected: str, holds: Callable[[float], bool]) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be {expected}, got {value!r}")
    if not math.isfinite(value) or not holds(value):
        raise ValueError(f"{name} must be {expected}, got {value!r}")


def check_floating(name: str, tensor: object, beside: Tensor | None = None) -> None:
    """TypeError or ValueError unless this is a floating tensor on the device of `beside`."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(tensor).__name__}")
    if not tensor.is_floating_point():
        raise TypeError(f"{name} must have a floating dtype, got {tensor.dtype}")
    if beside is not None and tensor.device != beside.device:
        raise ValueError(f"{name} must be on {beside.device} as x is, got {tensor.device}")


def check_list(name: str, tensors: object, names: tuple[str, ...]) -> None:
    """TypeError or ValueError unless this is a list or tuple as long as `names`."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{name} must be a list or tuple of tensors, got {type(tensors).__name__}")
    if len(tensors) != len(names):
        raise ValueError(
            f"{name} must hold {len(names)} tensors (spec lists their names), got {len(tensors)}"
        )


def check_tensors(
    name: str, tensors: Sequence[Tensor], names: tuple[str, ...], shapes: Sequence[tuple[int, ...]], x: Tensor
) -> None:
    """TypeError or ValueError unless these are tensors of these shapes that go with x."""
    device = x.device.type
    # Autocast converts what meets in a convolution.
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    for index, (tensor, label, shape) in enumerate(zip(tensors, names, shapes, strict=True)):
        where = f"{name}[{index}] ({label})"
        check_floating(where, tensor, x)
        if tensor.shape != shape:
            raise ValueError(f"{where} must have shape {list(shape)}, got {list(tensor.shape)}")
        if tensor.dtype != x.dtype and not autocast:
            raise TypeError(f"{where} must have the dtype of x, {x.dtype}, got {tensor.dtype}")
