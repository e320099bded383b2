"""What `fuse` did, and what it could not do."""

from __future__ import annotations

from dataclasses import dataclass

_ITSELF = "(itself)"  # the module that `fuse` was given, whose name is empty


@dataclass(frozen=True, slots=True)
class Fused:
    """A module that runs fused now. name: in the network; kind: its class; summary: its candidates."""

    name: str
    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class NotFused:
    """A module that runs as before, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FuseReport:
    """fused: mixed ops. joined: cells whose mixed ops and sums run in one call. not_fused: the others."""

    fused: tuple[Fused, ...] = ()
    joined: tuple[Fused, ...] = ()
    not_fused: tuple[NotFused, ...] = ()
    already_fused: int = 0

    def __str__(self) -> str:
        lines = [f"fused {len(self.fused)} mixed ops, joined {len(self.joined)} cells"]
        if self.already_fused:
            lines[0] += f"; {self.already_fused} modules were fused before"
        elif not (self.fused or self.joined or self.not_fused):
            lines[0] = "nothing to fuse: no module with candidate operations was found"
        entries = (*self.joined, *self.fused)
        lines += [f"  {entry.name or _ITSELF} ({entry.kind}): {entry.summary}" for entry in entries]
        lines += [f"  not fused: {entry.name or _ITSELF}: {entry.reason}" for entry in self.not_fused]
        return "\n".join(lines)
