"""Searched = derived = exported: the same weights give the same logits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import BatchNorm2d, Module

from efficient_nas.parity import agreement
from efficient_nas.supernet.networks import Supernet
from efficient_nas.supernet.networks.edges import MixedEdge
from efficient_nas.types import Genotype, Parity

POOL_NORMS = "norms of pools"  # a comparison that may differ: derived networks have none, as published


def derived_network(supernet: Supernet, genotype: Genotype) -> Module:
    """The derived network of a genotype [num_choices] with the shared weights, in evaluation mode."""
    with torch.device("meta"):  # its own weights are not needed, and would draw random numbers
        network: Module = supernet.architecture(genotype).to_pytorch()
    network.load_state_dict(supernet.subnet_state(genotype), assign=True)
    return network.eval()


@torch.no_grad()
def parity(
    supernet: Supernet,
    genotype: Genotype,
    images: Tensor,
    exported: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
) -> list[Parity]:
    """Whether the searched network and what became of it give the same logits, for each comparison.

    Searched is the supernet with the path of `genotype`, in evaluation mode, on images [N, C, H, W]. It is
    compared with the `derived` network and with each of `exported`: programs made of `derived_network`, e.g.
    {"pt2": torch.export.load(path).module()}. As published, DARTS searches with norms behind pools and
    derives networks without: these norms are left out, and a comparison with the supernet as it is, `norms
    of pools`, comes first where that changes the logits. The tolerance is that of exports
    (`efficient_nas.parity`).
    """
    searched = copy.deepcopy(supernet).eval()
    searched.set_path(genotype)
    whole = searched(images)
    _leave_out_norms_of_pools(searched)
    expected = searched(images)
    found = [] if torch.equal(whole, expected) else [agreement(POOL_NORMS, "", [expected], [whole])]
    programs: dict[str, Callable[[Tensor], Tensor]] = {"derived": derived_network(supernet, genotype)}
    programs.update(exported or {})
    return found + [agreement(name, "", [expected], [run(images)]) for name, run in programs.items()]


def _leave_out_norms_of_pools(supernet: Supernet) -> None:
    """In evaluation mode, norms behind pools pass on what they get."""
    for edge in supernet.modules():
        if isinstance(edge, MixedEdge):
            norms = [m for name, pool in edge.items() if name.endswith("pool_3x3") for m in pool.modules()]
            for norm in norms:
                if isinstance(norm, BatchNorm2d):
                    assert norm.running_mean is not None and norm.running_var is not None
                    norm.running_mean.zero_()
                    norm.running_var.fill_(1 - norm.eps)
