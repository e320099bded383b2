"""Gradients of architecture parameters against exact differentiation through the unrolled step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from efficient_nas.supernet import bilevel

DECAY, MOMENTUM, RATE = 3e-2, 0.9, 1.0


class Network(nn.Module):
    """A weighted sum of two convolutions with a norm each, and a classifier; smooth, in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(2, 4, 3), nn.Conv2d(2, 4, 3, dilation=2, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)])
        self.classifier = nn.Linear(4, 3)
        self.alpha = nn.Parameter(torch.tensor([0.3, -0.2]))
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        weights = self.alpha.softmax(0)
        outputs = [
            norm(conv(images)) for conv, norm in zip((self.first, self.second), self.norms, strict=True)
        ]
        y = torch.tanh(weights[0] * outputs[0] + weights[1] * outputs[1])
        return self.classifier(y.mean((2, 3)))


def batch(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(8, 2, 6, 6, generator=generator, dtype=torch.float64)
    return images, torch.randint(3, (8,), generator=generator)


class Case:
    """A network with momentum of earlier steps, a batch for the weights and one for alpha."""

    def __init__(self) -> None:
        self.network = Network()
        self.alphas = [self.network.alpha]
        self.weights = [p for n, p in self.network.named_parameters() if n != "alpha"]
        generator = torch.Generator().manual_seed(5)
        self.buffers = [0.1 * torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in self.weights]
        self.train, self.validation = batch(1), batch(2)

    def loss(self, data: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
        return lambda: functional.cross_entropy(self.network(data[0]), data[1])

    def second_order(self, buffers: list[Tensor] | None = None) -> Tensor:
        step = bilevel.WeightStep(RATE, MOMENTUM, DECAY, self.buffers if buffers is None else buffers)
        losses = self.loss(self.train), self.loss(self.validation)
        (gradient,) = bilevel.second_order(*losses, self.weights, self.alphas, step)
        return gradient

    def exact(self, buffers: list[Tensor]) -> Tensor:
        """Differentiates through the step of the weights."""
        names = [n for n, _ in self.network.named_parameters() if n != "alpha"]
        loss = self.loss(self.train)()
        gradients = torch.autograd.grad(loss, self.weights, create_graph=True)
        moved = {
            name: w - RATE * (MOMENTUM * buffer + gradient + DECAY * w)
            for name, w, buffer, gradient in zip(names, self.weights, buffers, gradients, strict=True)
        }
        logits = functional_call(self.network, moved, (self.validation[0],))
        (exact,) = torch.autograd.grad(functional.cross_entropy(logits, self.validation[1]), self.alphas)
        return exact


def test_first_order_is_the_gradient_of_the_loss_and_leaves_weights_without_one() -> None:
    case = Case()
    (gradient,) = bilevel.first_order(case.loss(case.validation), case.weights, case.alphas)
    (expected,) = torch.autograd.grad(case.loss(case.validation)(), case.alphas)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=0)
    assert all(weight.grad is None and weight.requires_grad for weight in case.weights)


@pytest.mark.parametrize("started", [True, False], ids=["with momentum", "without"])
def test_second_order_is_the_derivative_through_the_step(
    started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case()
    zeros = [torch.zeros_like(weight) for weight in case.weights]
    exact = case.exact(case.buffers if started else zeros)
    gradient = case.second_order(None if started else [])
    (first,) = bilevel.first_order(case.loss(case.validation), case.weights, case.alphas)
    second_term = (first - exact).norm()
    assert second_term > 0.05 * exact.norm(), "the second term counts in this case"
    assert (gradient - exact).norm() < 1e-4 * second_term
    # Central differences: twice the epsilon leaves four times the error.
    monkeypatch.setattr(bilevel, "EPSILON", 2 * bilevel.EPSILON)
    coarser = case.second_order(None if started else [])
    assert 3.9 < (coarser - exact).norm() / (gradient - exact).norm() < 4.1


def test_second_order_leaves_weights_and_momentum_as_they_were_to_the_bit() -> None:
    case = Case()
    before = [t.detach().clone() for t in (*case.weights, *case.buffers)]
    case.second_order()
    after = [*case.weights, *case.buffers]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(weight.grad is None and weight.requires_grad for weight in case.weights)


def test_an_error_on_the_way_restores_the_weights() -> None:
    case = Case()
    before = [weight.detach().clone() for weight in case.weights]
    step = bilevel.WeightStep(RATE, MOMENTUM, DECAY, case.buffers)

    def broken() -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bilevel.second_order(case.loss(case.train), broken, case.weights, case.alphas, step)
    assert all(torch.equal(a, b) for a, b in zip(before, case.weights, strict=True))
    assert case.alphas[0].requires_grad


def test_where_the_loss_ignores_the_weights_there_is_no_second_term() -> None:
    case = Case()
    step = bilevel.WeightStep(RATE, MOMENTUM, DECAY, case.buffers)
    alpha_loss = lambda: case.network.alpha.square().sum()  # noqa: E731
    (gradient,) = bilevel.second_order(case.loss(case.train), alpha_loss, case.weights, case.alphas, step)
    torch.testing.assert_close(gradient, 2 * case.network.alpha.detach())


def test_held_buffers_have_their_values_back() -> None:
    case = Case()
    statistics = list(case.network.buffers())
    before = [buffer.clone() for buffer in statistics]
    with bilevel.held(statistics):
        case.second_order()
        assert not torch.equal(before[0], statistics[0])
    assert all(torch.equal(a, b) for a, b in zip(before, statistics, strict=True))
