"""The native kernels of mixed cells on torch tensors: layouts, memory and addresses; no autograd.

Callers have checked that the tensors belong to the plan; all are on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from efficient_nas._core import kept_tensors
from efficient_nas.ops.arguments import Options
from efficient_nas.ops.depthwise_kernels import STORAGES
from efficient_nas.ops.mixed_plan import Plan, check_values

_dtype = attrgetter("dtype")

Layout: TypeAlias = tuple[list[int], list[int]]  # sizes, strides


class Forward(NamedTuple):
    """Nodes [N, C, H, W] and what backward needs."""

    nodes: list[Tensor]
    saved: list[Tensor]
    statistics: Tensor


class Gradients(NamedTuple):
    """None where a gradient was not wanted."""

    inputs: list[Tensor | None]
    alphas: Tensor
    parameters: list[Tensor | None]


def sum_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of parameters, running statistics and sums for images of `dtype`."""
    return torch.float32 if dtype is torch.bfloat16 else dtype


def fake_nodes(plan: Plan, like: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Tensors like those of `empty_nodes`, made by torch: `like` may have no memory."""
    batch = like.shape[0]
    nodes = [like.new_empty_strided(*_image_layout((batch, *node))) for node in plan.nodes]
    saved = [like.new_empty_strided(*layout) for layout in _saved_layouts(plan, batch)]
    return nodes, saved, _empty_statistics(plan, like)


def empty_nodes(plan: Plan, like: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Memory for the nodes, for what is saved of each image, and for statistics."""
    batch = like.shape[0]
    nodes = [_empty_image((batch, *node), like) for node in plan.nodes]
    # In one block: they come and go together.
    saved = kept_tensors(STORAGES[like.dtype], _saved_layouts(plan, batch))
    return nodes, saved, _empty_statistics(plan, like)


def forward(
    plan: Plan,
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    running: Sequence[Tensor],
    options: Options,
    *,
    clear: bool = False,
) -> Forward:
    """The nodes of the cell. running: of evaluation, else []. clear: zeros where nothing is saved."""
    x = inputs[0]
    batch = x.shape[0]
    check_values(plan, batch, alphas, options)
    nodes, saved, statistics = empty_nodes(plan, x)
    if clear or batch == 0:
        for tensor in (*saved, statistics):
            tensor.zero_()
    if batch == 0:
        return Forward(nodes, saved, statistics)
    dtype = sum_dtype(x.dtype)
    pixels = [_pixels(image) for image in inputs]
    weights, own_parameters, own_running = (
        _dense([alphas], torch.float64),
        _dense(parameters, dtype),
        _dense(running, dtype),
    )
    plan.native.forward(
        STORAGES[x.dtype],
        batch,
        plan.images,
        plan.channels,
        _addresses(pixels),
        [_pitch(image) for image in pixels],
        weights[0].data_ptr(),
        _addresses(own_parameters),
        _addresses(own_running),
        _addresses(nodes),
        _addresses(saved),
        statistics.data_ptr(),
        options.training,
        options.eps,
        options.skip_zero,
        torch.get_num_threads(),
    )
    return Forward(nodes, saved, statistics)


def update_running(
    plan: Plan,
    batch: int,
    dtype: torch.dtype,
    running: Sequence[Tensor],
    alphas: Tensor,
    statistics: Tensor,
    options: Options,
) -> None:
    """Moves running statistics, in place, towards those of a forward pass of images of `dtype`."""
    if batch == 0:
        return
    own, weights = _dense(running, sum_dtype(dtype)), _dense([alphas], torch.float64)
    plan.native.update_running(
        STORAGES[dtype],
        batch,
        plan.images,
        plan.channels,
        weights[0].data_ptr(),
        statistics.data_ptr(),
        _addresses(own),
        options.momentum,
        options.skip_zero,
    )
    if own is not running:
        for theirs, ours in zip(running, own, strict=True):
            theirs.copy_(ours)
    increment_version(running)


def backward(
    plan: Plan,
    node_gradients: Sequence[Tensor | None],
    inputs: Sequence[Tensor],
    alphas: Tensor,
    parameters: Sequence[Tensor],
    kept_nodes: Sequence[Tensor],
    saved: Sequence[Tensor],
    statistics: Tensor,
    options: Options,
    wanted: Sequence[bool],
) -> Gradients:
    """Gradients for inputs, alphas and parameters.

    kept_nodes: values of `plan.kept_nodes`; wanted: one for each input, then for each parameter.
    """
    x = inputs[0]
    batch, dtype = x.shape[0], sum_dtype(x.dtype)
    own_parameters = _dense(parameters, dtype)
    gradients = [_empty_image(x.shape, x) if want else None for x, want in zip(inputs, wanted, strict=False)]
    gradients += [
        torch.empty_like(p) if want else None
        for p, want in zip(own_parameters, wanted[len(inputs) :], strict=True)
    ]
    alpha_gradient = torch.empty(alphas.shape, dtype=torch.float64)
    if batch == 0:
        for gradient in (alpha_gradient, *gradients):
            if gradient is not None:
                gradient.zero_()
    else:
        pixels, values = [_pixels(image) for image in inputs], [_dense_image(node) for node in kept_nodes]
        values_at = [0] * len(plan.nodes)
        for node, address in zip(plan.kept_nodes, _addresses(values), strict=True):
            values_at[node] = address
        own_gradients = [None if g is None else _dense_image(g) for g in node_gradients]
        weights = _dense([alphas], torch.float64)
        addresses = [0 if gradient is None else gradient.data_ptr() for gradient in gradients]
        kept = _dense(saved, x.dtype)
        plan.native.backward(
            STORAGES[x.dtype],
            batch,
            plan.images,
            plan.channels,
            _addresses(pixels),
            [_pitch(image) for image in pixels],
            weights[0].data_ptr(),
            _addresses(own_parameters),
            values_at,
            [0 if gradient is None else gradient.data_ptr() for gradient in own_gradients],
            _addresses(kept),
            statistics.data_ptr(),
            options.training,
            options.eps,
            options.skip_zero,
            addresses[: len(inputs)],
            alpha_gradient.data_ptr(),
            addresses[len(inputs) :],
            torch.get_num_threads(),
        )
    of_parameters = gradients[len(inputs) :]
    if own_parameters is not parameters:
        of_parameters = [
            None if gradient is None else gradient.to(parameter.dtype)
            for gradient, parameter in zip(of_parameters, parameters, strict=True)
        ]
    return Gradients(gradients[: len(inputs)], alpha_gradient.to(alphas.dtype), of_parameters)


def _empty_image(shape: Sequence[int], like: Tensor) -> Tensor:
    return kept_tensors(STORAGES[like.dtype], [_image_layout(shape)])[0]


def _empty_statistics(plan: Plan, like: Tensor) -> Tensor:
    return like.new_empty(plan.statistics_size, dtype=torch.float64)


def _image_layout(shape: Sequence[int]) -> Layout:
    batch, channels, height, width = shape
    return [batch, channels, height, width], [height * width * channels, 1, width * channels, channels]


def _saved_layouts(plan: Plan, batch: int) -> list[Layout]:
    return [([batch, count], [count, 1]) for count in plan.saved_elements]


def _addresses(tensors: Sequence[Tensor]) -> list[int]:
    return list(map(Tensor.data_ptr, tensors))


def _dense(tensors: Sequence[Tensor], dtype: torch.dtype) -> Sequence[Tensor]:
    """The tensors themselves where they are contiguous memory of `dtype`, else copies."""
    if (
        {dtype}.issuperset(map(_dtype, tensors))
        and all(map(Tensor.is_contiguous, tensors))
        and not any(map(Tensor.is_neg, tensors))
    ):
        return tensors
    return [t.to(dtype).resolve_neg().contiguous() for t in tensors]


def _dense_image(image: Tensor) -> Tensor:
    return image.resolve_neg().contiguous(memory_format=torch.channels_last)


def _pixels(image: Tensor) -> Tensor:
    """The image itself where its pixels are dense channels at one distance (`_pitch`), else a dense copy."""
    return image if not image.is_neg() and _pitch(image) else _dense_image(image)


def _pitch(image: Tensor) -> int:
    """Elements from one pixel to the next, 0 if there is no such number."""
    batch, channels, height, width = image.shape
    to_image, to_channel, to_row, to_pixel = image.stride()
    # The distance along a side of one means nothing.
    if width == 1:
        to_pixel = to_row if height > 1 else to_image if batch > 1 else channels
    regular = (
        (channels == 1 or to_channel == 1)
        and to_pixel >= channels
        and (height == 1 or to_row == width * to_pixel)
        and (batch == 1 or to_image == height * width * to_pixel)
    )
    return to_pixel if regular else 0
