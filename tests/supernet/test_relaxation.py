"""Weights of candidates from architecture parameters."""

from __future__ import annotations

import pytest
import torch

from efficient_nas.supernet.relaxation import gumbel_noise, relax

ALPHA = torch.tensor([[0.3, -0.2, 1.0], [0.0, 0.4, -0.9]], dtype=torch.float64)
NOISE = gumbel_noise((2, 3), 4, "cell").double()


def soft(alpha: torch.Tensor, temperature: float) -> torch.Tensor:
    return ((alpha.softmax(1).log() + NOISE) / temperature).softmax(1)


def test_softmax_takes_no_noise() -> None:
    torch.testing.assert_close(relax("softmax", ALPHA, None, None), ALPHA.exp() / ALPHA.exp().sum(1)[:, None])


def test_gumbel_is_the_concrete_distribution() -> None:
    for temperature in (5.0, 0.5):
        got = relax("gumbel", ALPHA, NOISE, torch.tensor(temperature))
        torch.testing.assert_close(got, soft(ALPHA, temperature))
    assert relax("gumbel", ALPHA, NOISE, torch.tensor(1e-3)).max(1).values.min() > 0.999


def test_gdas_is_hard_forward_and_soft_backward() -> None:
    alpha = ALPHA.clone().requires_grad_()
    hard = relax("gdas", alpha, NOISE, torch.tensor(2.0))
    best = soft(ALPHA, 2.0).argmax(1)
    assert (hard == 0).sum() == 4  # exactly: those candidates do not run
    torch.testing.assert_close(hard[[0, 1], best], torch.ones(2, dtype=torch.float64))
    factors = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((hard * factors).sum(), alpha)
    other = ALPHA.clone().requires_grad_()
    (expected,) = torch.autograd.grad((soft(other, 2.0) * factors).sum(), other)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "gdas"])
def test_a_closed_candidate_has_the_weight_and_the_gradient_zero(relaxation: str) -> None:
    alpha = ALPHA.clone().requires_grad_()
    closed = torch.tensor([[False, False, True], [True, False, False]])
    weights = relax(relaxation, alpha.masked_fill(closed, -torch.inf), NOISE, torch.tensor(0.7))
    factors = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((weights * factors).sum(), alpha)
    assert (weights[closed] == 0).all()
    assert (gradient[closed] == 0).all()
    assert (gradient[~closed] != 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(2, dtype=torch.float64))


def test_with_noise_the_strongest_is_drawn_by_the_probabilities() -> None:
    alpha = torch.tensor([0.5, 0.0, -1.0]).expand(20000, 3)
    hard = relax("gdas", alpha, gumbel_noise((20000, 3), 0, "cell"), torch.tensor(1.0))
    torch.testing.assert_close(hard.mean(0), alpha[0].softmax(0), rtol=0, atol=0.015)


def test_noise_depends_on_seed_and_name() -> None:
    before = torch.get_rng_state()
    assert torch.equal(gumbel_noise((4, 3), 1, "a"), gumbel_noise((4, 3), 1, "a"))
    assert not torch.equal(gumbel_noise((4, 3), 1, "a"), gumbel_noise((4, 3), 2, "a"))
    assert not torch.equal(gumbel_noise((4, 3), 1, "a"), gumbel_noise((4, 3), 1, "b"))
    assert torch.equal(torch.get_rng_state(), before)
    many = gumbel_noise((100000,), 0, "a")
    assert float(many.mean()) == pytest.approx(0.5772, abs=0.02)  # Euler's constant
