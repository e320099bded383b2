"""The search network of DARTS (arXiv:1806.09055, cnn/model_search.py), first order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plain_networks.operations import OPS, FactorizedReduce, ReLUConvBN, candidate_list


class MixedOp(nn.Module):
    def __init__(self, C: int, stride: int) -> None:
        super().__init__()
        self._ops = candidate_list(C, stride)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        return sum(w * op(x) for w, op in zip(weights, self._ops, strict=True))


class Cell(nn.Module):
    def __init__(
        self,
        steps: int,
        multiplier: int,
        C_prev_prev: int,
        C_prev: int,
        C: int,
        reduction: bool,
        reduction_prev: bool,
        mixed_op: type[nn.Module] = MixedOp,
    ) -> None:
        super().__init__()
        self.reduction = reduction
        self.preprocess0: nn.Module = (
            FactorizedReduce(C_prev_prev, C, affine=False)
            if reduction_prev
            else ReLUConvBN(C_prev_prev, C, 1, 1, 0, affine=False)
        )
        self.preprocess1 = ReLUConvBN(C_prev, C, 1, 1, 0, affine=False)
        self._steps = steps
        self._multiplier = multiplier
        self._ops = nn.ModuleList()
        self._bns = nn.ModuleList()
        for step in range(steps):
            for source in range(2 + step):
                self._ops.append(mixed_op(C, 2 if reduction and source < 2 else 1))

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        offset = 0
        for _ in range(self._steps):
            s = sum(self._ops[offset + j](h, weights[offset + j]) for j, h in enumerate(states))
            offset += len(states)
            states.append(s)
        return torch.cat(states[-self._multiplier :], dim=1)


class Network(nn.Module):
    """Logits [N, num_classes] of images [N, 3, H, W].

    As published, the architecture parameters are leaf tensors but not nn.Parameters: `arch_parameters()`.
    """

    def __init__(
        self,
        C: int = 16,
        num_classes: int = 10,
        layers: int = 8,
        steps: int = 4,
        multiplier: int = 4,
        stem_multiplier: int = 3,
    ) -> None:
        super().__init__()
        self._steps = steps
        C_curr = stem_multiplier * C
        self.stem = nn.Sequential(
            nn.Conv2d(3, C_curr, 3, padding=1, bias=False),
            nn.BatchNorm2d(C_curr),
        )
        C_prev_prev, C_prev, C_curr = C_curr, C_curr, C
        self.cells = nn.ModuleList()
        reduction_prev = False
        for i in range(layers):
            reduction = i in {layers // 3, 2 * layers // 3}
            C_curr *= 2 if reduction else 1
            self.cells.append(
                self._cell(steps, multiplier, C_prev_prev, C_prev, C_curr, reduction, reduction_prev)
            )
            reduction_prev = reduction
            C_prev_prev, C_prev = C_prev, multiplier * C_curr
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(C_prev, num_classes)
        self._initialize_alphas()

    def _cell(self, *arguments: int) -> nn.Module:
        return Cell(*arguments)

    def _initialize_alphas(self) -> None:
        edges = sum(2 + step for step in range(self._steps))
        self.alphas_normal = (1e-3 * torch.randn(edges, len(OPS))).requires_grad_()
        self.alphas_reduce = (1e-3 * torch.randn(edges, len(OPS))).requires_grad_()

    def arch_parameters(self) -> list[Tensor]:
        return [self.alphas_normal, self.alphas_reduce]

    def _run(self, cell: nn.Module, s0: Tensor, s1: Tensor) -> Tensor:
        alphas = self.alphas_reduce if cell.reduction else self.alphas_normal
        return cell(s0, s1, torch.softmax(alphas, dim=-1))

    def forward(self, images: Tensor) -> Tensor:
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            s0, s1 = s1, self._run(cell, s0, s1)
        return self.classifier(self.global_pooling(s1).flatten(1))
