"""Sampled paths in the trainer: stages of progressive shrinking, resume in one of them, cell spaces."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_training as small
import torch

from efficient_nas import spaces, supernet
from efficient_nas.supernet import Trainer, progressive_shrinking

SPACE = spaces.create(
    "mbconv",
    stem_channels=4,
    head_channels=8,
    stages=[{"widths": [4], "depths": [1, 2], "expansions": [1, 2]}],
)


def trainer(epochs: int = 4) -> Trainer:
    return Trainer(
        supernet.Elastic(SPACE, (3, 8, 8)),
        small.data(),
        small.options(epochs=epochs),
        sampler=supernet.Sandwich(SPACE),
        stages=progressive_shrinking(SPACE),
    )


def test_stages_open_one_after_the_other() -> None:
    """Largest only; kernels; depths; expansions: weights that only smaller paths use rest until then."""
    training = trainer()
    transforms = [p for name, p in training.supernet.named_parameters() if "transforms" in name]
    before = [p.detach().clone() for p in transforms]
    moved, sizes = [], []

    def watch(record: supernet.EpochRecord) -> None:
        moved.append(any(not torch.equal(p, b) for p, b in zip(transforms, before, strict=True)))
        sizes.append(len({path.tobytes() for seed in range(50) for path in training.sampler.paths(seed)}))

    training.fit(watch)
    assert moved == [False, True, True, True]
    assert sizes[0] == 1
    assert sizes == sorted(set(sizes))


def test_a_resumed_training_is_in_the_stage_where_it_stopped(tmp_path: Path) -> None:
    whole = trainer()
    whole.fit()
    first = trainer()
    first.fit(lambda record: record.epoch == 2)
    first.save(tmp_path)
    second = trainer()
    second.load(tmp_path)
    second.fit()
    one, two = (small.trained_state(t, tmp_path / str(i)) for i, t in enumerate((whole, second)))
    small.assert_same_bits(one, two)


@pytest.mark.parametrize("make", [supernet.Uniform, supernet.FairNAS])
def test_paths_of_a_cell_space_are_sampled_too(make: type[supernet.Uniform]) -> None:
    """NAS-Bench-201 as a one-shot supernet: its alphas rest, its shared weights learn."""
    network = small.nasbench201()
    alphas = [p.detach().clone() for p in network.arch_parameters()]
    records = Trainer(network, small.data(64), small.options(), sampler=make(network.space)).fit()
    assert records[-1].weight_loss < records[0].weight_loss
    assert all(torch.equal(p, a) for p, a in zip(network.arch_parameters(), alphas, strict=True))
