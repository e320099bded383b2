"""The search networks of NAS-Bench-201 (arXiv:2001.00326, AutoDL-Projects): softmax and GDAS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from plain_networks.operations import Identity, ReLUConvBN, Zero

NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


class POOLING(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.preprocess = None
        self.op = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.op(inputs)


def candidate(name: str, C: int, affine: bool, track: bool, bias: bool) -> nn.Module:
    """bias: convolutions have one where norms are plain, as in later versions of the published code."""
    if name == "none":
        return Zero(1)
    if name == "skip_connect":
        return Identity()
    if name == "avg_pool_3x3":
        return POOLING()
    size = int(name[-1])
    return ReLUConvBN(C, C, size, 1, size // 2, affine, bias=bias and not affine, track=track)


class NAS201SearchCell(nn.Module):
    def __init__(
        self,
        C: int,
        max_nodes: int = 4,
        op_names: Sequence[str] = NAMES,
        affine: bool = False,
        track_running_stats: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.op_names = list(op_names)
        self.max_nodes = max_nodes
        self.edges = nn.ModuleDict()
        for i in range(1, max_nodes):
            for j in range(i):
                self.edges[f"{i}<-{j}"] = nn.ModuleList(
                    candidate(name, C, affine, track_running_stats, bias) for name in op_names
                )
        self.edge_keys = sorted(self.edges)
        self.edge2index = {key: i for i, key in enumerate(self.edge_keys)}
        self.num_edges = len(self.edges)

    def forward(self, inputs: Tensor, weightss: Tensor) -> Tensor:
        nodes = [inputs]
        for i in range(1, self.max_nodes):
            inter_nodes = []
            for j in range(i):
                key = f"{i}<-{j}"
                weights = weightss[self.edge2index[key]]
                inter_nodes.append(
                    sum(layer(nodes[j]) * w for layer, w in zip(self.edges[key], weights, strict=True))
                )
            nodes.append(sum(inter_nodes))
        return nodes[-1]

    def forward_gdas(self, inputs: Tensor, hardwts: Tensor, index: Tensor) -> Tensor:
        nodes = [inputs]
        for i in range(1, self.max_nodes):
            inter_nodes = []
            for j in range(i):
                key = f"{i}<-{j}"
                weights = hardwts[self.edge2index[key]]
                chosen = index[self.edge2index[key]].item()
                inter_nodes.append(
                    sum(
                        weights[k] * edge(nodes[j]) if k == chosen else weights[k]
                        for k, edge in enumerate(self.edges[key])
                    )
                )
            nodes.append(sum(inter_nodes))
        return nodes[-1]

    def forward_select(self, inputs: Tensor, weightss: Tensor) -> Tensor:
        nodes = [inputs]
        for i in range(1, self.max_nodes):
            keys = [f"{i}<-{j}" for j in range(i)]
            chosen = [int(weightss[self.edge2index[key]].argmax()) for key in keys]
            nodes.append(
                sum(self.edges[key][k](nodes[j]) for j, (key, k) in enumerate(zip(keys, chosen, strict=True)))
            )
        return nodes[-1]


class ResNetBasicblock(nn.Module):
    def __init__(self, inplanes: int, planes: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(inplanes, planes, 3, 2, 1)
        self.conv_b = ReLUConvBN(planes, planes, 3, 1, 1)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, stride=2), nn.Conv2d(inplanes, planes, 1, bias=False))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.downsample(inputs) + self.conv_b(self.conv_a(inputs))


class Network(nn.Module):
    """Logits of images [N, 3, H, W]: 3 stages of N cells; `gdas` takes one candidate an edge and image batch.

    Departure: returns the logits alone, without the features before the classifier.
    """

    def __init__(
        self, C: int = 16, N: int = 5, num_classes: int = 10, *, gdas: bool = False, bias: bool = False
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, C, 3, padding=1, bias=False), nn.BatchNorm2d(C))
        self.cells = nn.ModuleList()
        for stage in range(3):
            if stage > 0:
                self.cells.append(ResNetBasicblock(C, 2 * C))
                C *= 2
            self.cells.extend(NAS201SearchCell(C, bias=bias) for _ in range(N))
        self.lastact = nn.Sequential(nn.BatchNorm2d(C), nn.ReLU())
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(C, num_classes)
        edges = next(cell.num_edges for cell in self.cells if isinstance(cell, NAS201SearchCell))
        self.arch_parameters = nn.Parameter(1e-3 * torch.randn(edges, len(NAMES)))
        self.gdas = gdas
        self.tau = 10.0

    def _hard_weights(self) -> tuple[Tensor, Tensor]:
        """GDAS (arXiv:1910.04465): one-hot in value, the softmax's gradient; and the candidates chosen."""
        noise = -torch.empty_like(self.arch_parameters).exponential_().log()
        probabilities = torch.softmax((self.arch_parameters.log_softmax(dim=1) + noise) / self.tau, dim=1)
        index = probabilities.max(-1, keepdim=True)[1]
        one_hot = torch.zeros_like(probabilities).scatter_(-1, index, 1.0)
        return one_hot - probabilities.detach() + probabilities, index

    def forward(self, images: Tensor) -> Tensor:
        if self.gdas:
            hardwts, index = self._hard_weights()
        else:
            alphas = torch.softmax(self.arch_parameters, dim=-1)
        features = self.stem(images)
        for cell in self.cells:
            if isinstance(cell, ResNetBasicblock):
                features = cell(features)
            elif self.gdas:
                features = cell.forward_gdas(features, hardwts, index)
            else:
                features = cell(features, alphas)
        return self.classifier(self.global_pooling(self.lastact(features)).flatten(1))
