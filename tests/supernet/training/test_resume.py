"""A training that was saved and loaded gives the same bits as one that never stopped."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import small_training as small
import torch
from safetensors.torch import load_file, save_file

from efficient_nas import spaces, supernet
from efficient_nas.errors import RunFolderError, TrialFailed
from efficient_nas.supernet import Trainer, checkpoints


def stages() -> list[tuple[float, spaces.Space]]:
    space = spaces.create("darts")
    return [(0.5, space.restrict(operations=["skip_connect", "sep_conv_3x3"])), (1.0, space)]


def macro_trainer(sampler: type, **changes: object) -> Trainer:
    network = small.single_path()
    return Trainer(network, small.data(), small.options(**changes), 3, sampler=sampler(network.space))


CASES: dict[str, Callable[[], Trainer]] = {
    "darts": lambda: Trainer(small.darts(), small.data(), small.options(), 3, stages=stages()),
    "second order": lambda: Trainer(small.darts(), small.data(), small.options(order=2), 3),
    "gdas": lambda: Trainer(small.nasbench201(relaxation="gdas"), small.data(), small.options(), 3),
    "uniform": lambda: macro_trainer(supernet.Uniform),
    "policy": lambda: macro_trainer(supernet.Policy),
}


@pytest.mark.parametrize("name", CASES)
def test_resume_is_exact_to_the_bit(name: str, tmp_path: Path) -> None:
    unbroken = CASES[name]()
    expected = unbroken.fit()
    first = CASES[name]()
    first.fit(lambda record: record.epoch == 1)
    first.save(tmp_path / "half")
    second = CASES[name]()
    second.load(tmp_path / "half")
    records = second.fit()
    small.assert_same_bits(
        small.trained_state(second, tmp_path / "b"), small.trained_state(unbroken, tmp_path / "a")
    )
    assert [r.epoch for r in records] == [1, 2]
    for got, wanted in zip(records, expected, strict=True):
        assert dataclasses.replace(got, seconds=0) == dataclasses.replace(wanted, seconds=0)


def test_another_process_goes_on_to_the_bit(tmp_path: Path) -> None:
    unbroken = CASES["gdas"]()
    unbroken.fit()
    half = CASES["gdas"]()
    half.fit(lambda record: record.epoch == 1)
    half.save(tmp_path / "half")
    code = (
        "import sys; sys.path[:0] = sys.argv[1:2]; import test_resume; t = test_resume.CASES['gdas']();"
        "t.load(sys.argv[2]); t.fit(); t.save(sys.argv[3])"
    )
    arguments = [str(Path(__file__).parent), str(tmp_path / "half"), str(tmp_path / "whole")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=300)
    tensors, _ = checkpoints.read(tmp_path / "whole")
    small.assert_same_bits(tensors, small.trained_state(unbroken, tmp_path / "a"))


def test_diagnosis_is_kept(tmp_path: Path) -> None:
    trainer = CASES["uniform"]()

    def measure(record: supernet.EpochRecord) -> bool:
        record.diagnosis["entropy"] = 0.1 * record.epoch
        trainer.save(tmp_path)
        return record.epoch == 1

    trainer.fit(measure)
    resumed = CASES["uniform"]()
    resumed.load(tmp_path)
    assert [r.diagnosis for r in resumed.records] == [{"entropy": 0.1}]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: Trainer(small.darts(), small.data(), small.options(), 4), "seed was 3 there and is 4 here"),
        (lambda: Trainer(small.darts(), small.data(), small.options(epochs=5), 3), "epochs was 2 there"),
        (lambda: Trainer(small.darts(), small.data(32), small.options(), 3), "images was"),
        (lambda: Trainer(small.nasbench201(), small.data(), small.options(), 3), "supernet was 'DARTS'"),
        (
            lambda: Trainer(
                supernet.DARTS(channels=8, layers=3, input_shape=(3, 8, 8)), small.data(), small.options(), 3
            ),
            "has shape",
        ),
    ],
)
def test_another_training_is_refused_and_nothing_changes(
    other: Callable[[], Trainer], message: str, tmp_path: Path
) -> None:
    Trainer(small.darts(), small.data(), small.options(), 3).save(tmp_path / "saved")
    trainer = other()
    before = small.trained_state(trainer, tmp_path / "before")
    with pytest.raises(RunFolderError, match=message):
        trainer.load(tmp_path / "saved")
    small.assert_same_bits(small.trained_state(trainer, tmp_path / "after"), before)


def test_a_lost_tensor_is_refused(tmp_path: Path) -> None:
    trainer = CASES["uniform"]()
    path = trainer.save(tmp_path)
    with_header = checkpoints.read(tmp_path)
    tensors = {name: value for name, value in with_header[0].items() if not name.endswith("running_mean")}
    checkpoints.write(tmp_path, tensors, with_header[1])
    with pytest.raises(RunFolderError, match="running_mean has shape no there"):
        trainer.load(tmp_path)
    save_file(load_file(path), path)  # without its header
    with pytest.raises(RunFolderError, match="is no saved training"):
        trainer.load(tmp_path)


def test_a_loss_that_is_not_finite_names_the_step_and_the_last_save_goes_on(tmp_path: Path) -> None:
    trainer = CASES["darts"]()

    def spoil(record: supernet.EpochRecord) -> None:
        trainer.save(tmp_path / str(record.epoch))
        if record.epoch == 1:
            with torch.no_grad():
                next(iter(trainer.supernet.weight_parameters())).fill_(float("nan"))

    with pytest.raises(TrialFailed, match=r"became nan in epoch 2, step 1"):
        trainer.fit(spoil)
    resumed = CASES["darts"]()
    resumed.load(tmp_path / "1")
    resumed.fit()
    unbroken = CASES["darts"]()
    unbroken.fit()
    small.assert_same_bits(
        small.trained_state(resumed, tmp_path / "b"), small.trained_state(unbroken, tmp_path / "a")
    )
