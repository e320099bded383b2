"""Layers of the largest size whose parts are the layers of smaller architectures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas.graph import ArchNode
from efficient_nas.graph.network import module_of
from efficient_nas.ops import MixedOpSpec, mixed_op, reference
from efficient_nas.supernet.networks.candidate_specs import spec_of

Module = TypeVar("Module", bound=nn.Module)


class Part(NamedTuple):
    """What a layer uses of a convolution and its norm: a weight, and the first channels of the norm."""

    weight: Tensor
    norm: nn.BatchNorm2d
    channels: int

    def parameters(self) -> list[Tensor]:
        """weight of the convolution; weight and bias of the norm."""
        return [self.weight, self.norm.weight[: self.channels], self.norm.bias[: self.channels]]

    def running(self) -> list[Tensor]:
        """running_mean and running_var."""
        buffers = (self.norm.get_buffer(name) for name in ("running_mean", "running_var"))
        return [buffer[: self.channels] for buffer in buffers]

    def counter(self) -> Tensor:
        """num_batches_tracked, which all parts of the norm share."""
        return self.norm.get_buffer("num_batches_tracked")


class ElasticLayer(nn.Module):
    """A layer that `parts` cuts out of one module of the largest size."""

    def __init__(self, largest: ArchNode) -> None:
        super().__init__()
        self.module = module_of(largest, (largest.input_channels, 1, 1))
        self._convolutions = _all(self.module, nn.Conv2d)
        self._norms = _all(self.module, nn.BatchNorm2d)

    def parts(self, node: ArchNode) -> list[Part]:
        """Of the shared tensors, those of the layer that `node` describes: the first channels."""
        (convolution,), (norm,) = self._convolutions, self._norms
        weight = convolution.weight[: node.output_channels, : node.input_channels]
        return [Part(weight, norm, node.output_channels)]

    def alone(self, node: ArchNode) -> nn.Module:
        """The node's own module, which holds the parts of the shared tensors."""
        with torch.device("meta"):
            module = module_of(node, (node.input_channels, 1, 1))
        pairs = zip(_all(module, nn.Conv2d), _all(module, nn.BatchNorm2d), self.parts(node), strict=True)
        for convolution, norm, part in pairs:
            weight, *affine = (nn.Parameter(tensor.detach()) for tensor in part.parameters())
            convolution.weight = weight
            norm.weight, norm.bias = affine
            norm.running_mean, norm.running_var = part.running()
            norm.num_batches_tracked = part.counter()
        return module


class ElasticConvBNReLU(ElasticLayer):
    """A 1x1 convolution, norm and ReLU with fewer input channels."""

    def forward(self, x: Tensor, node: ArchNode) -> Tensor:
        """[N, output_channels, H, W] from x [N, node.input_channels, H, W]."""
        ((weight, norm, _),) = self.parts(node)
        y: Tensor = torch.relu(norm(functional.conv2d(x, weight)))
        return y


class ElasticMBConv(ElasticLayer):
    """An inverted residual with fewer channels, a smaller kernel or a smaller expansion.

    kernels: all sizes. Each but the largest is the centre of the next larger one times a learned matrix,
    which the channels share and which starts as the identity (arXiv:1908.09791, section 3.3). Without
    expansion the first 1x1 convolution is left out.
    """

    def __init__(self, largest: ArchNode, kernels: Sequence[int], *, fused: bool) -> None:
        super().__init__(largest)
        self._mixed_op = mixed_op if fused else reference.mixed_op
        self._smaller = sorted(kernels, reverse=True)[1:]
        self.transforms = nn.ParameterDict({str(k): nn.Parameter(torch.eye(k * k)) for k in self._smaller})

    def forward(self, x: Tensor, node: ArchNode) -> Tensor:
        """The output of the inverted residual that `node` describes, on x [N, node.input_channels, H, W]."""
        parts = self.parts(node)
        norm = parts[0].norm
        if self.training:
            for part in parts:
                part.counter().add_(1)
        return self._mixed_op(
            x,
            x.new_ones(1),
            [tensor for part in parts for tensor in part.parameters()],
            _spec(node),
            training=self.training,
            running=[tensor for part in parts for tensor in part.running()],
            stride=node.stride,
            eps=norm.eps,
            momentum=0.1 if norm.momentum is None else norm.momentum,
        )

    def parts(self, node: ArchNode) -> list[Part]:
        """Of the shared tensors, those of the inverted residual that `node` describes."""
        source, target = node.input_channels, node.output_channels
        hidden = source * node.expansion
        *expand, depthwise, project = zip(self._convolutions, self._norms, strict=True)
        parts = [Part(c.weight[:hidden, :source], norm, hidden) for c, norm in expand if node.expansion > 1]
        kernel = self._kernel(depthwise[0].weight[:hidden], node.kernel_size)
        parts.append(Part(kernel, depthwise[1], hidden))
        parts.append(Part(project[0].weight[:target, :hidden], project[1], target))
        return parts

    def _kernel(self, weight: Tensor, size: int | None) -> Tensor:
        """[C, 1, size, size] from the weight of the largest kernel."""
        for smaller in self._smaller:
            if weight.shape[-1] == size:
                break
            edge = (weight.shape[-1] - smaller) // 2
            centre = weight[:, :, edge : edge + smaller, edge : edge + smaller].flatten(2)
            transformed = functional.linear(centre, self.transforms[str(smaller)])
            weight = transformed.view(-1, 1, smaller, smaller)
        return weight


def _all(module: nn.Module, kind: type[Module]) -> list[Module]:
    return [part for part in module.modules() if isinstance(part, kind)]


@lru_cache(maxsize=4096)
def _spec(node: ArchNode) -> MixedOpSpec:
    spec = spec_of(node)
    assert spec is not None
    return MixedOpSpec((spec,))
