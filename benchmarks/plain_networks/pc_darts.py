"""The search network of PC-DARTS (arXiv:1907.05737, model_search.py): partial channels, weighted edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plain_networks import darts
from plain_networks.operations import candidate_list


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width)
    return x.transpose(1, 2).contiguous().view(batch, -1, height, width)


class MixedOp(nn.Module):
    def __init__(self, C: int, stride: int) -> None:
        super().__init__()
        self.mp = nn.MaxPool2d(2, 2)
        self.k = 4
        self._ops = candidate_list(C // self.k, stride)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        first = x.shape[1] // self.k
        part, bypass = x[:, :first], x[:, first:]
        mixed = sum(w * op(part) for w, op in zip(weights, self._ops, strict=True))
        if mixed.shape[2] != x.shape[2]:
            bypass = self.mp(bypass)
        return channel_shuffle(torch.cat([mixed, bypass], dim=1), self.k)


class Cell(darts.Cell):
    def __init__(self, *arguments: int) -> None:
        super().__init__(*arguments, mixed_op=MixedOp)

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor, weights2: Tensor) -> Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        offset = 0
        for _ in range(self._steps):
            s = sum(
                weights2[offset + j] * self._ops[offset + j](h, weights[offset + j])
                for j, h in enumerate(states)
            )
            offset += len(states)
            states.append(s)
        return torch.cat(states[-self._multiplier :], dim=1)


class Network(darts.Network):
    """As `darts.Network`; the softmax over the edges that enter a node gives each edge's weight."""

    def _cell(self, *arguments: int) -> nn.Module:
        return Cell(*arguments)

    def _initialize_alphas(self) -> None:
        super()._initialize_alphas()
        edges = len(self.alphas_normal)
        self.betas_normal = (1e-3 * torch.randn(edges)).requires_grad_()
        self.betas_reduce = (1e-3 * torch.randn(edges)).requires_grad_()

    def arch_parameters(self) -> list[Tensor]:
        return [*super().arch_parameters(), self.betas_normal, self.betas_reduce]

    def _run(self, cell: nn.Module, s0: Tensor, s1: Tensor) -> Tensor:
        alphas, betas = (
            (self.alphas_reduce, self.betas_reduce)
            if cell.reduction
            else (self.alphas_normal, self.betas_normal)
        )
        entering = [2 + step for step in range(self._steps)]
        weights2 = torch.cat([torch.softmax(part, dim=-1) for part in betas.split(entering)])
        return cell(s0, s1, torch.softmax(alphas, dim=-1), weights2)
