"""Operations of a cell that are no mixed ops, such as what preprocesses its inputs, run in its one call."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from supernet_training import randomised
from torch import Tensor, nn

from efficient_nas import ops, supernet
from efficient_nas.ops import CellSpec

from plain_networks import darts, operations  # isort: skip


class Op(darts.MixedOp):
    """Few candidates, weights of its own."""

    def __init__(self) -> None:
        super().__init__(4, 1)
        self._ops = nn.ModuleList(
            operations.OPS[name](4, 1, False) for name in ("skip_connect", "dil_conv_3x3", "dil_conv_5x5")
        )
        self.logits = nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, self.logits)


def convolution() -> nn.Module:
    return operations.ReLUConvBN(4, 4, 3, 1, 1, affine=True)


class Cell(nn.Module):
    """One node of two edges; its operation takes an input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.operation = Op(), Op(), convolution()

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        return self.first(self.operation(s0)) + self.second(s1)


class Reduced(Cell):
    """The first input is twice as wide."""

    def __init__(self) -> None:
        super().__init__()
        self.operation = operations.FactorizedReduce(6, 4, affine=False)


class OnNodes(Cell):
    """The operation takes a node, and enters another."""

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        node = self.first(s0)
        return torch.cat([self.second(s1) + self.operation(node), node], dim=1)


class Result(Cell):
    """Part of the result as it is."""

    def forward(self, s0: Tensor, s1: Tensor) -> Tensor:
        return torch.cat([self.operation(s0), self.first(s0) + self.second(s1)], dim=1)


class Dense(Cell):
    """Depthwise and pointwise."""

    def __init__(self) -> None:
        super().__init__()
        self.operation = operations.SepConv(4, 4, 3, 1, 1, True)


class Apart(Cell):
    """Works otherwise than the mixed ops."""

    def __init__(self) -> None:
        super().__init__()
        self.operation.op[2].eps = 0.1


class WithoutNorm(Cell):
    def __init__(self) -> None:
        super().__init__()
        self.operation = nn.Conv2d(4, 4, 1)


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch) -> list[CellSpec]:
    """What the fused operation is called with."""
    seen: list[CellSpec] = []
    mixed_cell: Callable[..., list[Tensor]] = ops.mixed_cell

    def run(inputs: object, alphas: object, parameters: object, spec: CellSpec, **options: object) -> object:
        seen.append(spec)
        return mixed_cell(inputs, alphas, parameters, spec, **options)

    monkeypatch.setattr(ops, "mixed_cell", run)
    return seen


def inputs_of(cell: nn.Module) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    wide = (2, 6, 12, 10) if isinstance(cell, Reduced) else (2, 4, 6, 5)
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in (wide, (2, 4, 6, 5))
    )


def assert_alike(plain: nn.Module, fused: nn.Module) -> None:
    """Values, all gradients, running statistics and counters of one call."""
    results = []
    for cell in (plain, fused):
        inputs = [x.requires_grad_() for x in inputs_of(cell)]
        y = cell(*inputs)
        gradients = torch.autograd.grad(y.square().sum(), [*inputs, *cell.parameters()], allow_unused=True)
        results.append([y, *gradients, *(buffer.clone() for buffer in cell.buffers())])
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def fused_pair(kind: type[Cell]) -> tuple[Cell, Cell, supernet.FuseReport]:
    torch.manual_seed(0)
    plain = randomised(kind())
    fused = copy.deepcopy(plain)
    return plain, fused, supernet.fuse(fused)


@pytest.mark.parametrize(
    ("kind", "edges"),
    [
        (Cell, 3),
        (Reduced, 3),
        (OnNodes, 3),
        (Result, 3),
        (Dense, 3),
        (Apart, 2),
        (WithoutNorm, 2),
    ],
)
def test_operations_join_where_they_work_like_the_mixed_ops(
    kind: type[Cell], edges: int, specs: list[CellSpec]
) -> None:
    plain, fused, report = fused_pair(kind)
    [entry] = report.joined
    assert not report.not_fused
    assert entry.summary == f"2 mixed ops{', operation' if edges == 3 else ''} in one call"
    for training in (True, False):
        specs.clear()
        assert_alike(plain.train(training), fused.train(training))
        assert [len(spec.edges) for spec in specs] == [edges]


def test_one_tensor_for_two_operations_is_one_input(specs: list[CellSpec]) -> None:
    cell = randomised(darts.Cell(2, 2, 4, 4, 4, False, False))
    plain = copy.deepcopy(cell)
    supernet.fuse(cell)
    specs.clear()
    x, weights = inputs_of(plain)[1], torch.rand(5, 8, dtype=torch.float64)
    torch.testing.assert_close(cell(x, x, weights), plain(x, x, weights))
    torch.testing.assert_close(cell(x, 2 * x, weights), plain(x, 2 * x, weights))
    assert [spec.inputs for spec in specs] == [1, 2]


def test_operations_with_hooks_or_other_parts_run_by_themselves(specs: list[CellSpec]) -> None:
    plain, fused, _ = fused_pair(Cell)
    seen: list[str] = []
    for target, name in ((fused.operation, "operation"), (fused.operation.op[1], "convolution")):
        hook = target.register_forward_hook(lambda *_, name=name: seen.append(name))
        specs.clear()
        assert_alike(plain, fused)
        assert seen.pop() == name and [len(spec.edges) for spec in specs] == [2]
        hook.remove()
    for cell in (plain, fused):
        cell.operation.op[0] = nn.Tanh()
    specs.clear()
    assert_alike(plain, fused)
    assert [len(spec.edges) for spec in specs] == [2]


def test_operations_whose_norms_are_frozen_run_by_themselves(specs: list[CellSpec]) -> None:
    plain, fused, _ = fused_pair(Cell)
    for frozen, edges in ((True, 2), (False, 3)):
        for cell in (plain, fused):
            cell.operation.train(not frozen)
        specs.clear()
        assert_alike(plain, fused)
        assert [len(spec.edges) for spec in specs] == [edges]
