"""Two processes (gloo) that train one supernet together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import small_training as small
import torch
from torch import distributed as dist
from torch import multiprocessing, nn

from efficient_nas import supernet
from efficient_nas.errors import RunFolderError
from efficient_nas.supernet import Trainer, checkpoints

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="this build of torch has no gloo")


class Unmirrored(small.NoiseImages):
    """Without augmentation, which every process draws for its own part of a batch."""

    def batch(self, indices: torch.Tensor, generator: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return super().batch(indices, None)


def trainer(case: str, group: dist.ProcessGroup | None, seed: int = 0) -> Trainer:
    """In float64, so that only real differences are larger than rounding. seed: of the first weights."""
    images = supernet.SearchData(*(Unmirrored(16, part, torch.float64) for part in (1, 2, 3)))
    if case == "policy":
        network = small.single_path(seed).double()
        sampler = supernet.Policy(network.space)
        return Trainer(network, images, small.options(), 3, sampler=sampler, group=group)
    options = small.options(order=2 if case == "second order" else 1)
    relaxation = "gdas" if case == "gdas" else "softmax"
    network = small.nasbench201(relaxation=relaxation, seed=seed).double()
    if case == "without norms":
        # Statistics of a part of the batch are not those of the batch; those of an evaluation are fixed.
        network.train = lambda mode=True: nn.Module.train(network, False)
    return Trainer(network, images, options, 3, group=group)


def state(made: Trainer) -> dict[str, torch.Tensor]:
    """What a training leaves behind in one process."""
    tensors = {f"supernet.{name}": value for name, value in made.supernet.state_dict().items()}
    tensors |= checkpoints.optimizer_tensors(made._steps.sgd, dict(made.supernet.named_parameters()))
    if made.sampler is not None:
        tensors["logits"] = made.sampler.state_dict()["logits"]
    return tensors


CASES = ["gdas", "policy", "second order", "without norms"]


def run(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    for case in CASES:
        made = trainer(case, dist.group.WORLD, seed=rank)  # the first process' weights count
        made.fit()
        values = {"records": [{**record.to_json(), "seconds": 0} for record in made.records]}
        checkpoints.write(Path(folder) / f"{case} {rank}", state(made), values)
        made.save(Path(folder) / case)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), path])
    try:
        multiprocessing.spawn(run, (str(folder),), nprocs=2)
    finally:
        os.environ["PYTHONPATH"] = path
    return folder


@pytest.mark.parametrize("case", CASES)
def test_both_processes_have_the_same_bits(case: str, saved: Path) -> None:
    (one, records), (two, others) = (checkpoints.read(saved / f"{case} {rank}") for rank in (0, 1))
    small.assert_same_bits(one, two)
    assert records == others


@pytest.mark.parametrize("case", CASES)
def test_they_save_one_file_that_a_process_of_another_number_refuses(case: str, saved: Path) -> None:
    with pytest.raises(RunFolderError, match="processes was 2 there and is 1 here"):
        trainer(case, None).load(saved / case)


def test_without_norms_it_is_one_process_with_the_whole_batch(saved: Path) -> None:
    alone = trainer("without norms", None)
    start = {name: value.clone() for name, value in state(alone).items()}
    alone.fit()
    got, _ = checkpoints.read(saved / "without norms 0")
    for name, value in state(alone).items():
        torch.testing.assert_close(
            got[name], value, rtol=1e-9, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}"
        )
        if name in {"supernet.alpha_cell", "supernet.stem.0.weight"}:
            assert not torch.equal(start[name], value)


def test_batches_must_divide_by_the_processes() -> None:
    class Three:
        rank, size = 0, 3

    made = trainer("gdas", None)
    made._ranks = Three()
    with pytest.raises(ValueError, match=r"batches of data\.weights must divide by 3 processes, got 8"):
        made._check_parts()
