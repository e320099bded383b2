"""What a fused search network keeps for backward, beside the plain one."""

from __future__ import annotations

import copy

import pytest
import supernet_training  # noqa: F401  finds plain_networks
import torch

from efficient_nas import supernet
from live_memory import kept_bytes

from plain_networks import darts  # isort: skip


@pytest.mark.parametrize("channels", [16, 32, 64])
def test_a_darts_network_keeps_at_most_a_quarter(channels: int) -> None:
    plain = darts.Network(C=channels, layers=3, steps=2, multiplier=2)
    fused = copy.deepcopy(plain)
    assert len(supernet.fuse(fused).joined) == 3
    images = torch.randn(2, 3, 16, 16)
    eager, ours = (
        kept_bytes(lambda network=network: network(images), network.parameters())
        for network in (plain, fused)
    )
    assert 0 < 4 * ours <= eager
