"""Searched = derived = exported, and not where the weights differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diagnosed import CLASSES, batch, darts, everything, nasbench201, same
from torch import Tensor

from efficient_nas import export, spaces
from efficient_nas.supernet import NASBench201, SinglePath
from efficient_nas.supernet.diagnosis import derived_network, parity
from efficient_nas.types import Genotype


def test_a_path_of_the_supernet_its_network_and_the_exported_file(tmp_path: Path) -> None:
    supernet = nasbench201()
    supernet.train()(batch(16)[0])
    genotype = np.array([3, 2, 3, 1, 4, 3], np.uint8)
    before = everything(supernet)
    network = derived_network(supernet, genotype)
    assert export.to_pt2(network, (3, 8, 8), tmp_path / "model.pt2").ok
    program = torch.export.load(tmp_path / "model.pt2").module()
    found = parity(supernet, genotype, batch()[0], {"pt2": program})
    assert [p.format for p in found] == ["derived", "pt2"] and all(p.ok for p in found)
    assert same(before, everything(supernet))


def test_norms_behind_pools_are_what_darts_leaves_out() -> None:
    supernet = darts()
    supernet.train()(batch(16)[0])
    space = supernet.space
    genotype = space.sample(1, 0)[0]
    genotype[1::2] = space.choices[1].index("sep_conv_3x3")
    assert [p.format for p in parity(supernet, genotype, batch()[0])] == ["derived"]
    genotype[1] = space.choices[1].index("max_pool_3x3")
    norms, derived = parity(supernet, genotype, batch()[0])
    assert (norms.format, norms.ok, derived.format, derived.ok) == ("norms of pools", False, "derived", True)


def test_single_paths() -> None:
    space = spaces.create("nasbench_macro")
    supernet = SinglePath(space, (3, 8, 8), CLASSES)
    genotypes = space.sample(3, 0)
    for genotype in genotypes:
        supernet.set_path(genotype)
        supernet.train()(batch(16)[0])
    before = everything(supernet)
    assert all(p.ok for p in parity(supernet, genotypes[0], batch()[0]))
    assert same(before, everything(supernet))


class Forgetful(NASBench201):
    """Derives networks with one weight that is a little off."""

    def subnet_state(self, genotype: Genotype) -> dict[str, Tensor]:
        state = super().subnet_state(genotype)
        state[next(iter(state))].view(-1)[0] += 0.05
        return state


@pytest.mark.parametrize("wrong", ["weight", "nan", "shape"])
def test_differences_are_seen(wrong: str) -> None:
    supernet = Forgetful(4, 1, CLASSES, (3, 8, 8)) if wrong == "weight" else nasbench201()
    supernet.train()(batch(16)[0])
    programs = {
        "nan": lambda x: torch.full((len(x), CLASSES), torch.nan),
        "shape": lambda x: torch.zeros(1, 1),
    }
    exported = {wrong: programs[wrong]} if wrong in programs else {}
    found = {p.format: p.ok for p in parity(supernet, np.full(6, 3, np.uint8), batch()[0], exported)}
    assert found == ({"derived": False} if wrong == "weight" else {"derived": True, wrong: False})
