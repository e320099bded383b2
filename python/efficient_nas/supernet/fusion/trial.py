"""Tries out on float64 copies whether a module still computes the same when it runs fused."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from efficient_nas.supernet.fusion.recognition import Refusal

# Runs a copy of the module with arguments: by its own forward, or fused.
Run = Callable[[nn.Module, tuple[Any, ...]], Any]


@contextmanager
def same_draws(seed: int) -> Iterator[None]:
    """Random numbers drawn within depend on the seed alone, and the caller's go on as if none were drawn."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


def random_copy(module: nn.Module) -> nn.Module:
    """A float64 copy with random parameters and running statistics; Refusal if it cannot be copied."""
    try:
        twin = copy.deepcopy(module).double().cpu()
    except Exception as error:
        raise Refusal(f"it cannot be copied: {error}") from error
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.normal_(generator=generator)
        for buffer in twin.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.1, 2, generator=generator)
    return twin


def equal_in_a_trial(module: nn.Module, arguments: Sequence[Any], own: Run, fused: Run) -> None:
    """Compares results, gradients and buffers in training and in evaluation; Refusal names the difference.

    module: a `random_copy`. arguments: floating tensors get gradients too.
    """
    for training in (True, False):
        module.train(training)
        expected, got = (_run(run, module, arguments, seed=int(training)) for run in (own, fused))
        for what, a, b in zip(("values", "gradients", "running statistics"), expected, got, strict=True):
            if not all(map(_equal, a, b)):
                during = "training" if training else "evaluation"
                raise Refusal(f"a weighted sum of its candidates gives other {what} in {during}")


def _run(run: Run, module: nn.Module, arguments: Sequence[Any], seed: int) -> tuple[list[Tensor | None], ...]:
    """Result, gradients and buffers; the buffers are as before afterwards."""
    inputs = [
        value.clone().requires_grad_(value.is_floating_point()) if isinstance(value, Tensor) else value
        for value in arguments
    ]
    buffers = list(module.buffers())
    saved = [buffer.clone() for buffer in buffers]
    attributes = dict(vars(module))
    with same_draws(seed), torch.enable_grad():
        try:
            y = run(module, tuple(inputs))
        except Refusal:
            raise
        except Exception as error:
            raise Refusal(f"{type(error).__name__}: {error}") from error
    if not isinstance(y, Tensor) or not y.is_floating_point():
        raise Refusal(f"its forward returns a {type(y).__name__}, not a floating tensor")
    for name, value in vars(module).items():
        if value is not attributes.get(name):
            raise Refusal(f"its forward sets the attribute {name}, which it would not do fused")
    gradients = _gradients(module, y, inputs)
    results: list[Tensor | None] = [buffer.clone() for buffer in buffers]
    with torch.no_grad():
        for buffer, value in zip(buffers, saved, strict=True):
            buffer.copy_(value)
    return [y], gradients, results


def _gradients(module: nn.Module, y: Tensor, inputs: Sequence[Any]) -> list[Tensor | None]:
    wanted = [value for value in (*inputs, *module.parameters()) if isinstance(value, Tensor)]
    wanted = [tensor for tensor in wanted if tensor.requires_grad]
    if not y.requires_grad or not wanted:
        return []
    cotangent = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(1))
    return list(torch.autograd.grad(y, wanted, cotangent, allow_unused=True))


def _equal(expected: Tensor | None, got: Tensor | None) -> bool:
    if expected is None or got is None:
        return expected is got
    if expected.shape != got.shape:
        return False
    # Sums over many terms in another order: judged by the largest of a tensor.
    scale = float(expected.detach().abs().max()) if expected.numel() else 0.0
    return torch.allclose(got.double(), expected.double(), rtol=1e-9, atol=1e-9 * max(scale, 1.0))
