"""The trainer's steps on a fused supernet are those of the published loop on the plain network."""

from __future__ import annotations

import sys
from pathlib import Path

import small_training as small
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))

from loss_curves import Search, plain_losses, trainer_losses
from plain_networks import darts, nasbench201
from plain_networks.tensors import double, give_tensors


def search(seed: int, steps: int, dtype: torch.dtype) -> Search:
    images = 8 * steps
    return Search(small.data(images, images, dtype), small.options(epochs=1), seed)


def test_losses_are_as_close_to_float64_as_those_of_the_plain_loop() -> None:
    """Six steps, in which roundings alone differ: 2e-7 to 4e-7 in either loop.

    In longer runs a rounding puts a value to the other side of a ReLU, or another pixel first in a pool: a
    jump, whose step is chance (benchmarks/training_closeness.py follows it over many seeds).
    """
    for seed in (0, 1):
        exact = trainer_losses(small.darts(seed=seed).double(), search(seed, 6, torch.float64))
        given, plain = search(seed, 6, torch.float32), []
        for layout in torch.contiguous_format, torch.channels_last:
            network = darts.Network(C=4, layers=3)
            give_tensors(small.darts(seed=seed), network)
            plain.append((plain_losses(network, given, layout) - exact).abs().max())
        error = (trainer_losses(small.darts(seed=seed), given) - exact).abs().max()
        rounding = torch.finfo(torch.float32).eps * exact.max()
        assert error <= 2 * max(plain) + 2 * rounding
        assert exact[-1] != exact[0]


def test_200_losses_are_those_of_the_plain_loop_in_float64() -> None:
    """Float64's roundings are too small to meet a jump, so that 200 steps can be followed.

    Within them the plain network comes 2e-11 from itself in the other memory layout, and the trainer's 2e-11
    from either. A norm's eps that is 1.5 times too large makes it 1.0, gradients of the architecture
    parameters that are 0.1 % too large make it 0.3.
    """
    given = search(0, 200, torch.float64)
    network = double(nasbench201.Network(4, 1))
    give_tensors(small.nasbench201(), network)
    plain = plain_losses(network, given, torch.contiguous_format)
    ours = trainer_losses(small.nasbench201().double(), given)
    assert ours[-10:].mean() < 0.5 * ours[:10].mean()
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-9)
