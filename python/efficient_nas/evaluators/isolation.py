"""Runs torch code so that only its seed decides, and leaves the process as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from efficient_nas.threads import fixed_threads


@contextmanager
def isolated(seed: int, device: torch.device, threads: int) -> Iterator[None]:
    """A body with torch's global generators seeded, `threads` threads, gradients on, float32 as default type.

    Everything is restored afterwards. On a GPU cuDNN is held to deterministic algorithms.
    """
    dtype = torch.get_default_dtype()
    forked = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=forked),
        fixed_threads(threads),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
