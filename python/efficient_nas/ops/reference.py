"""The definition of mixed operations and cells of them in plain PyTorch, for every other implementation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from efficient_nas.ops.arguments import Options, check_mixed_op
from efficient_nas.ops.cell_arguments import check_mixed_cell
from efficient_nas.ops.cell_spec import CellSpec
from efficient_nas.ops.mixed_spec import MixedOpSpec
from efficient_nas.ops.spec import OpSpec


def mixed_op(
    x: Tensor,
    alpha: Tensor,
    parameters: Sequence[Tensor],
    spec: MixedOpSpec,
    *,
    training: bool = True,
    running: Sequence[Tensor] | None = None,
    stride: int = 1,
    eps: float = 1e-5,
    momentum: float = 0.1,
    skip_zero: bool = False,
) -> Tensor:
    """y = sum_k alpha[k] * op_k(x), [N, C_out, ceil(H / stride), ceil(W / stride)], in the dtype of x.

    x [N, C, H, W], floating. alpha [K]: the final weights (after softmax, Gumbel, ...), any floating dtype.
    parameters: in the order and shapes of `spec.parameter_names(stride)` and `spec.parameter_shapes`; C_out
    is what they show. Autograd gives gradients for x, alpha and every parameter.
    running: buffers in the order of `spec.buffer_names(stride)`. In training, norms use the statistics of the
    batch and update the buffers in place as BatchNorm2d does, by `momentum`, with the unbiased variance; in
    evaluation they use the buffers. None: nothing to update; norms without running statistics
    (track_running_stats=False) use the batch's in evaluation as well, so pass training=True for them.
    skip_zero: candidates whose weight is exactly 0 are not run. Their running statistics stay, their
    parameters and their entry of alpha get a gradient of zero, and a NaN inside them is not seen. Otherwise
    NaN and infinity propagate as in PyTorch, through `none` as well, which is 0 * x.

    The steps of every candidate and where they come from: docs/design/mixed-op.md. TypeError or ValueError
    for arguments that do not fit together; one value per channel in training is PyTorch's own ValueError.
    """
    options = Options(training, eps, momentum, skip_zero)
    output_channels = check_mixed_op("mixed_op", x, alpha, parameters, spec, running, stride, options)
    return _edge(x, alpha, None, parameters, spec, running, stride, output_channels, options)


def mixed_cell(
    inputs: Sequence[Tensor],
    alphas: Sequence[Tensor] | Tensor,
    parameters: Sequence[Tensor],
    spec: CellSpec,
    *,
    edge_weights: Tensor | None = None,
    training: bool = True,
    running: Sequence[Tensor] | None = None,
    eps: float = 1e-5,
    momentum: float = 0.1,
    skip_zero: bool = False,
) -> list[Tensor]:
    """The nodes of a cell in order, each the sum over its edges of `mixed_op` of the edge's source.

    inputs: spec.inputs tensors [N, C, H, W] of one dtype; edges into one node must give it one size.
    alphas: of every edge [K], or one tensor [E, K] where edges have as many candidates.
    edge_weights [E]: a factor of every edge's mixed operation (PC-DARTS' edge normalisation), any floating
    dtype; None: 1. It multiplies the weights of the edge's candidates, and the channels that bypass them.
    parameters, running: of all edges in turn, in each as in `mixed_op`; names and shapes are
    `spec.parameter_names`, `spec.parameter_shapes`, `spec.buffer_names`, `spec.buffer_shapes`.
    Everything else is as in `mixed_op`.
    """
    options = Options(training, eps, momentum, skip_zero)
    shapes = check_mixed_cell("mixed_cell", inputs, alphas, edge_weights, parameters, spec, running, options)
    own_parameters, own_running = iter(parameters), iter(running or ())
    tensors = [
        (
            list(islice(own_parameters, len(edge.spec.parameter_names(edge.stride)))),
            None if running is None else list(islice(own_running, len(edge.spec.buffer_names(edge.stride)))),
        )
        for edge in spec.edges
    ]
    states = list(inputs)
    for node in range(spec.inputs, spec.inputs + spec.nodes):
        terms = [
            _edge(
                states[edge.source],
                alphas[e],
                None if edge_weights is None else edge_weights[e],
                tensors[e][0],
                edge.spec,
                tensors[e][1],
                edge.stride,
                shapes.states[node][0],
                options,
            )
            for e, edge in enumerate(spec.edges)
            if edge.target == node
        ]
        states.append(sum(terms[1:], start=terms[0]))
    return states[spec.inputs :]


def _edge(
    x: Tensor,
    alpha: Tensor,
    weight: Tensor | None,
    parameters: Sequence[Tensor],
    spec: MixedOpSpec,
    running: Sequence[Tensor] | None,
    stride: int,
    output_channels: int,
    options: Options,
) -> Tensor:
    """The mixed operation of x, times the weight of an edge."""
    if weight is not None:
        alpha = alpha * weight
    mixed_channels = x.shape[1] // spec.channel_divisor
    source = x[:, :mixed_channels]
    named = dict(zip(spec.parameter_names(stride), parameters, strict=True))
    if running is not None:
        named |= dict(zip(spec.buffer_names(stride), running, strict=True))

    height, width = (-(-side // stride) for side in x.shape[2:])
    y = x.new_zeros(len(x), output_channels // spec.channel_divisor, height, width)
    skipped = (alpha.detach() == 0).tolist() if options.skip_zero else [False] * len(spec.candidates)
    for k, candidate in enumerate(spec.candidates):
        prefix = f"{k}."
        tensors = {
            name.removeprefix(prefix): tensor for name, tensor in named.items() if name.startswith(prefix)
        }
        if skipped[k]:
            # A sum over nothing: exactly 0 whatever the tensor holds, and its gradient is zeros, not None.
            y = y + sum(tensor[:0].sum() for tensor in (alpha, x, *tensors.values()))
        else:
            layers = _Layers(tensors, options.training, options.eps, options.momentum)
            y = y + alpha[k] * _run(candidate, source, layers, stride)
    if spec.channel_divisor == 1:
        return y
    bypassed = x[:, mixed_channels:]
    if stride == 2:
        bypassed = functional.max_pool2d(bypassed, 2, ceil_mode=True)
    if weight is not None:
        if options.skip_zero and weight == 0:
            bypassed = torch.zeros_like(bypassed) + x[:0].sum() + weight.reshape(1)[:0].sum()
        else:
            bypassed = weight * bypassed
    return _shuffle(torch.cat([y, bypassed], dim=1), spec.channel_divisor)


@dataclass(frozen=True, slots=True)
class _Layers:
    """The layers of one candidate by name."""

    tensors: dict[str, Tensor]
    training: bool
    eps: float
    momentum: float

    def convolution(self, x: Tensor, name: str, stride: int = 1, dilation: int = 1) -> Tensor:
        """Padded so that it keeps the size at stride 1; dense or depthwise as the weight's shape says."""
        weight = self.tensors[f"{name}.weight"]
        return functional.conv2d(
            x,
            weight,
            self.tensors.get(f"{name}.bias"),
            stride,
            padding=dilation * (weight.shape[-1] - 1) // 2,
            dilation=dilation,
            groups=x.shape[1] // weight.shape[1],
        )

    def norm(self, x: Tensor, name: str) -> Tensor:
        return functional.batch_norm(
            x,
            self.tensors.get(f"{name}.running_mean"),
            self.tensors.get(f"{name}.running_var"),
            self.tensors.get(f"{name}.weight"),
            self.tensors.get(f"{name}.bias"),
            self.training,
            self.momentum,
            self.eps,
        )


def _run(op: OpSpec, x: Tensor, layers: _Layers, stride: int) -> Tensor:
    if op.operation == "none":
        return x[:, :, ::stride, ::stride] * 0
    if op.operation == "skip_connect":
        return x if stride == 1 else _factorized_reduce(x, layers)
    if op.operation in {"max_pool", "avg_pool"}:
        return _pool(op, x, layers, stride)
    if op.operation == "nor_conv":
        return layers.norm(layers.convolution(torch.relu(x), "conv", stride), "norm")
    if op.operation == "sep_conv":
        x = layers.convolution(torch.relu(x), "depthwise1", stride)
        x = layers.norm(layers.convolution(x, "pointwise1"), "norm1")
        x = layers.convolution(torch.relu(x), "depthwise2")
        return layers.norm(layers.convolution(x, "pointwise2"), "norm2")
    if op.operation == "dil_conv":
        x = layers.convolution(torch.relu(x), "depthwise", stride, op.dilation or 1)
        return layers.norm(layers.convolution(x, "pointwise"), "norm")
    return _mbconv(op, x, layers, stride)


def _factorized_reduce(x: Tensor, layers: _Layers) -> Tensor:
    """Two halves of the channels, from the even and from the odd pixels; zeros beyond sides that are odd."""
    x = torch.relu(x)
    x = functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
    halves = [layers.convolution(x, "even", 2), layers.convolution(x[:, :, 1:, 1:], "odd", 2)]
    return layers.norm(torch.cat(halves, dim=1), "norm")


def _pool(op: OpSpec, x: Tensor, layers: _Layers, stride: int) -> Tensor:
    size = op.kernel_size or 1
    if op.operation == "max_pool":
        x = functional.max_pool2d(x, size, stride, padding=size // 2)
    else:
        x = functional.avg_pool2d(x, size, stride, padding=size // 2, count_include_pad=False)
    return x if op.norm == "none" else layers.norm(x, "norm")


def _mbconv(op: OpSpec, x: Tensor, layers: _Layers, stride: int) -> Tensor:
    y = x
    if op.expansion != 1:
        y = functional.relu6(layers.norm(layers.convolution(y, "expand"), "expand_norm"))
    y = functional.relu6(layers.norm(layers.convolution(y, "depthwise", stride), "depthwise_norm"))
    y = layers.norm(layers.convolution(y, "project"), "project_norm")
    return y + x if stride == 1 and y.shape == x.shape else y


def _shuffle(y: Tensor, groups: int) -> Tensor:
    """The first channel of every one of `groups` groups, the second of each, ..."""
    n, c, h, w = y.shape
    return y.reshape(n, groups, c // groups, h, w).transpose(1, 2).flatten(1, 2)
