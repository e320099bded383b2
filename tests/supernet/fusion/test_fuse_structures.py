"""Mixed ops of other people's making: what is recognised, and what is refused with which reason."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from supernet_training import randomised
from torch import Tensor, nn

from efficient_nas import candidates, supernet

from plain_networks import darts, nasbench201, operations  # isort: skip


def candidate_modules(*names: str, channels: int = 4, stride: int = 1) -> nn.ModuleList:
    return nn.ModuleList(operations.OPS[name](channels, stride, False) for name in names)


FEW = ("none", "skip_connect", "avg_pool_3x3", "dil_conv_3x3")


class Weighted(nn.Module):
    """A weighted sum over a list of an unusual name, with weights of its own making."""

    def __init__(self, *names: str, channels: int = 4, stride: int = 1) -> None:
        super().__init__()
        self.branches = candidate_modules(*(names or FEW), channels=channels, stride=stride)
        self.logits = nn.Parameter(torch.randn(len(self.branches)))

    def weights(self) -> Tensor:
        return torch.softmax(self.logits, 0)

    def forward(self, x: Tensor) -> Tensor:
        total = 0
        for branch, weight in zip(self.branches, self.weights(), strict=True):
            total = total + branch(x) * weight
        return total


class Gumbel(Weighted):
    def weights(self) -> Tensor:
        return nn.functional.gumbel_softmax(self.logits, tau=2.0, hard=True)


class Preprocessed(Weighted):
    """Activates first, and halves the result."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.tanh(x)) / 2


class Logits(nn.Module):
    """The second argument is not the weights yet."""

    def __init__(self) -> None:
        super().__init__()
        self.ops = candidate_modules(*FEW)

    def forward(self, x: Tensor, logits: Tensor) -> Tensor:
        weights = torch.sigmoid(logits)
        return torch.stack([op(x) * weights[k] for k, op in enumerate(self.ops)]).sum(0)


class SinglePath(Weighted):
    """One candidate a call, weighted."""

    def forward(self, x: Tensor) -> Tensor:
        k = random.randrange(len(self.branches))
        return self.weights()[k] * self.branches[k](x)


class InvertedResiduals(Weighted):
    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            candidates.create("mbconv", 4, 6, 2, kernel_size=size, expansion=expansion)
            for size, expansion in ((3, 1), (5, 3), (3, 6), (7, 2))
        )


def assert_alike(module: nn.Module, *arguments: Tensor, seeds: int = 4) -> None:
    """Fused and plain: values, all gradients, buffers; in training and in evaluation."""
    plain = randomised(module)
    fused = copy.deepcopy(plain)
    report = supernet.fuse(fused)
    assert len(report.fused) == 1 and not report.not_fused, str(report)
    x = torch.randn(3, 4, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for seed in range(seeds):
        results = []
        for network in (plain, fused):
            network.train(seed % 2 == 0)
            torch.manual_seed(seed)
            random.seed(seed)
            inputs = [value.clone().requires_grad_() for value in (x, *arguments)]
            y = network(*inputs)
            wanted = [*inputs, *network.parameters()]
            results.append([y, *torch.autograd.grad(y.square().sum(), wanted, allow_unused=True)])
            results[-1] += [buffer.clone() for buffer in network.buffers()]
        for expected, got in zip(*results, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [Weighted, Gumbel, Preprocessed, SinglePath, InvertedResiduals])
def test_modules_with_weights_of_their_own(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    assert_alike(kind())


class Children(nn.Module):
    """No list: the candidates are children, the weights come from outside."""

    def __init__(self) -> None:
        super().__init__()
        for name, candidate in zip(FEW, candidate_modules(*FEW), strict=True):
            self.add_module(name, candidate)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        return sum(w * getattr(self, name)(x) for name, w in zip(FEW, weights, strict=True))


@pytest.mark.parametrize("kind", [Logits, Children])
def test_modules_that_are_given_weights(kind: type[nn.Module]) -> None:
    assert_alike(kind(), torch.randn(4, dtype=torch.float64))


@pytest.mark.parametrize("names", [("none", "skip_connect"), ("none",), ("max_pool_3x3", "avg_pool_3x3")])
def test_candidates_without_tensors(names: tuple[str, ...]) -> None:
    assert_alike(Weighted(*names))


class Stages(nn.Module):
    """Two nodes, both of which are the result."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = Weighted(), Weighted(), Weighted()

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        return torch.cat([self.second(a) + self.third(x), a], dim=1)


def test_cells_of_any_class_are_joined() -> None:
    torch.manual_seed(0)
    plain = randomised(Stages())
    fused = copy.deepcopy(plain)
    report = supernet.fuse(fused)
    assert len(report.fused) == 3 and [entry.kind for entry in report.joined] == ["Stages"]
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    results = []
    for network in (plain, fused):
        y = network(x)
        results.append([y, *torch.autograd.grad(y.square().sum(), list(network.parameters()))])
        results[-1] += [buffer.clone() for buffer in network.buffers()]
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


class EdgeWeights(Stages):
    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor([0.5, -0.2]))

    def forward(self, x: Tensor) -> Tensor:
        return self.beta[0] * self.first(x) + self.second(x) + self.beta[1] * self.third(x)


def test_weights_of_edges_get_gradients() -> None:
    plain = EdgeWeights().double()
    fused = copy.deepcopy(plain)
    assert [entry.kind for entry in supernet.fuse(fused).joined] == ["EdgeWeights"]
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    for network in (plain, fused):
        network(x).square().sum().backward()
    torch.testing.assert_close(fused.beta.grad, plain.beta.grad, rtol=1e-9, atol=1e-9)


class Halved(Stages):
    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        return torch.cat([a, 0.5 * a, self.second(x) + self.third(x)], dim=1)


class Twice(Stages):
    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        return a + self.second(a) + self.third(x)


class Activated(Stages):
    def forward(self, x: Tensor) -> Tensor:
        return self.third(torch.relu(self.first(x) + self.second(x)) - 1)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Halved, "it does more with its mixed ops than to add them up"),
        (Twice, "a mixed op is not part of exactly one sum"),
        (Activated, "it does more with its mixed ops than to add them up"),
    ],
)
def test_cells_that_do_more_keep_their_sums(kind: type[nn.Module], reason: str) -> None:
    module = kind()
    plain = copy.deepcopy(module)
    report = supernet.fuse(module)
    assert len(report.fused) == 3 and not report.joined
    assert [entry.reason for entry in report.not_fused] == [f"its mixed ops are not joined: {reason}"]
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-4, atol=1e-5)


class Dropped(Weighted):
    """The sum is thinned out in training."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


class Squashed(Weighted):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(super().forward(x))


class Detached(darts.MixedOp):
    """The same values, but the weights learn nothing."""

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        return super().forward(x, 2 * weights.detach() - weights)


class Counting(darts.MixedOp):
    """Remembers how often it was called."""

    calls = 0

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x, weights)


class ThreeArguments(darts.MixedOp):
    def forward(self, x: Tensor, weights: Tensor, index: Tensor) -> Tensor:
        return weights[index] * self._ops[index](x)


class Replaced(Weighted):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.branches[2] = module


class TwoLists(Weighted):
    def __init__(self) -> None:
        super().__init__()
        self.more = candidate_modules("skip_connect")


def hooked() -> nn.Module:
    module = Weighted()
    module.branches[3].op[1].register_forward_hook(lambda *_: None)
    return module


def patched() -> nn.Module:
    module = Weighted()
    module.branches[1].forward = lambda x: 2 * x
    return module


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Dropped(), "a weighted sum of its candidates gives other values in training"),
        (Squashed(), "a weighted sum of its candidates gives other values in training"),
        (Counting(4, 1), "its forward sets the attribute calls, which it would not do fused"),
        (ThreeArguments(4, 1), "its forward takes neither x, nor x and the weights"),
        (Replaced(nn.Tanh()), r"candidate 2 \(Tanh\): neither an identity nor zeros"),
        (
            Replaced(nn.Dropout(0.0)),
            r"\(Dropout\): it has a dropout, whose rate may change",
        ),
        (Replaced(nn.AvgPool2d(3, 1, 1)), r"\(AvgPool2d\) is not avg_pool_3x3: it computes something else"),
        (Replaced(nn.Conv2d(4, 4, 3, padding=1)), "no operation that is known has its layers in this order"),
        (Replaced(nn.BatchNorm2d(4)), "no operation that is known has these layers"),
        (Replaced(nn.MaxPool2d(3, 2, 1)), "candidates differ in their stride: 1, 2"),
        (Replaced(operations.DilConv(8, 4, 3, 1, 2, 2, True)), "differ in their number of input channels"),
        (TwoLists(), "it has 2 lists of candidates"),
        (hooked(), r"DilConv.op.1 has hooks, which would not run"),
        (patched(), "Identity has a forward that is not its class's"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_is_not_fused_says_why_and_stays_as_it_is(module: nn.Module, reason: str) -> None:
    kind = type(module)
    report = supernet.fuse(module)
    assert not report.fused and type(module) is kind
    [entry] = report.not_fused
    assert entry.name == ""
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(entry.reason)
    assert f"not fused: (itself): {entry.reason}" in str(report)


def test_gradients_that_are_cut_stay_cut() -> None:
    assert_alike(Detached(4, 1), torch.rand(8, dtype=torch.float64))


def test_norms_of_a_cell_that_disagree_keep_it_apart() -> None:
    cell = nasbench201.NAS201SearchCell(4)
    cell.edges["2<-1"][3].op[2].eps = 0.1
    [entry] = supernet.fuse(cell).not_fused
    assert "edge 2<-1: modules must agree" in entry.reason or "agree in eps" in entry.reason


def test_random_numbers_of_the_caller_go_on_as_if_nothing_was_tried() -> None:
    torch.manual_seed(0)
    random.seed(0)
    module = Gumbel()
    states = torch.get_rng_state(), random.getstate()
    supernet.fuse(module)
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()


def test_a_call_that_cannot_run_fused_draws_the_same_random_numbers() -> None:
    torch.manual_seed(0)
    plain = Gumbel()
    fused = copy.deepcopy(plain)
    supernet.fuse(fused)
    x = torch.randn(2, 4, 6, 6)
    results = []
    for module in (plain.half(), fused.half()):
        torch.manual_seed(1)
        results.append((module(x.half()), torch.get_rng_state()))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
