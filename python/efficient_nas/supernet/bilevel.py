"""Gradients of architecture parameters: what they change in the loss once the weights have adapted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Loss = Callable[[], Tensor]
"""Runs the supernet on a batch that it holds; returns the loss."""

# arXiv:1806.09055, after eq. 8.
EPSILON = 0.01


@dataclass(frozen=True, slots=True)
class WeightStep:
    """The step of SGD that comes next: w - rate * (momentum * buffer + gradient + decay * w).

    buffers: the momentum of each weight; none without momentum.
    """

    rate: float
    momentum: float
    decay: float
    buffers: list[Tensor]


def first_order(alpha_loss: Loss, weights: list[Tensor], alphas: list[Tensor]) -> list[Tensor]:
    """The gradient of `alpha_loss` for each of `alphas` with the weights as they are.

    arXiv:1806.09055, section 2.3 with xi = 0. Gradients of weights are not computed.
    """
    with frozen(weights):
        return _gradients(alpha_loss(), alphas)


def second_order(
    weight_loss: Loss,
    alpha_loss: Loss,
    weights: list[Tensor],
    alphas: list[Tensor],
    step: WeightStep,
    average: Callable[[list[Tensor]], None] | None = None,
) -> list[Tensor]:
    """The gradient of `alpha_loss` after the weights' next step on `weight_loss`, for each of `alphas`.

        d alpha_loss(w') - rate * (d weight_loss(w+) - d weight_loss(w-)) / (2 epsilon),
        w' after the step, w+- = w +- epsilon * d_w alpha_loss(w'), epsilon = 0.01 / |d_w alpha_loss(w')|

    arXiv:1806.09055, eq. 7 and 8; the step has momentum and weight decay, as in the published code. Runs the
    supernet four times. The weights are moved in place and are the same bits afterwards, also after an error.
    average: makes gradients the mean over ranks, in place.
    """
    average = average or _nothing
    before = [weight.detach().clone() for weight in weights]
    try:
        with frozen(alphas):
            gradients = _gradients(weight_loss(), weights)
        average(gradients)
        _move(weights, gradients, step)
        unrolled = _gradients(alpha_loss(), [*alphas, *weights])
        result, direction = unrolled[: len(alphas)], unrolled[len(alphas) :]
        average(direction)
        norm = float(nn.utils.get_total_norm(direction))
        if norm == 0:
            return result
        epsilon = EPSILON / norm
        for sign in (1, -1):
            with torch.no_grad():
                torch._foreach_copy_(weights, before)
                torch._foreach_add_(weights, direction, alpha=sign * epsilon)
            moved = first_order(weight_loss, weights, alphas)
            torch._foreach_add_(result, moved, alpha=-sign * step.rate / (2 * epsilon))
        return result
    finally:
        with torch.no_grad():
            torch._foreach_copy_(weights, before)


@contextmanager
def frozen(parameters: list[Tensor]) -> Iterator[None]:
    """The body runs with these parameters as constants, so that nothing is computed for their gradients."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def held(buffers: list[Tensor]) -> Iterator[None]:
    """Whatever the body writes to `buffers`, they have their values back afterwards."""
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        if before:
            torch._foreach_copy_(buffers, before)


def _gradients(loss: Tensor, parameters: list[Tensor]) -> list[Tensor]:
    """Gradients, zeros where the loss does not depend on a parameter."""
    if not loss.requires_grad:
        return [torch.zeros_like(parameter) for parameter in parameters]
    return list(torch.autograd.grad(loss, parameters, materialize_grads=True))


@torch.no_grad()
def _move(weights: list[Tensor], gradients: list[Tensor], step: WeightStep) -> None:
    """Takes the step; `gradients` are used up."""
    torch._foreach_add_(gradients, weights, alpha=step.decay)
    if step.buffers:
        torch._foreach_add_(gradients, step.buffers, alpha=step.momentum)
    torch._foreach_add_(weights, gradients, alpha=-step.rate)


def _nothing(gradients: list[Tensor]) -> None:
    """One process has nothing to average."""
