"""Processes that train one supernet together, each on its part of every batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


class Ranks:
    """The processes of `group` (torch.distributed); None stands for this process alone."""

    def __init__(self, group: dist.ProcessGroup | None) -> None:
        self._group = group
        self.rank = 0 if group is None else dist.get_rank(group)
        self.size = 1 if group is None else dist.get_world_size(group)

    def part(self, indices: Tensor) -> Tensor:
        """This process's part of a batch."""
        return indices[self.rank :: self.size]

    @torch.no_grad()
    def average(self, tensors: list[Tensor]) -> None:
        """Makes each tensor its mean over the processes, in place, by one message; all of one dtype."""
        if self._group is None or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat, group=self._group)
        flat /= self.size
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(
            tensors, [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
        )

    @torch.no_grad()
    def follow_first(self, tensors: list[Tensor]) -> None:
        """Gives every process the values of the first."""
        if self._group is not None:
            for tensor in tensors:
                dist.broadcast(tensor, dist.get_global_rank(self._group, 0), group=self._group)

    def wait(self) -> None:
        """Returns when every process has come here."""
        if self._group is not None:
            dist.barrier(group=self._group)
