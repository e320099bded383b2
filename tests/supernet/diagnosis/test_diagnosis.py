"""What is measured after each epoch, that it changes nothing, and when it stops a search."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from diagnosed import RandomImages, everything, nasbench201, same, search_data

from efficient_nas.supernet import EpochRecord, NASBench201, SearchData, Trainer, TrainingOptions
from efficient_nas.supernet.diagnosis import Diagnosis, DiagnosisOptions

EVERY_EPOCH = DiagnosisOptions(eigenvalue_every=1, batch_size=8, iterations=3)
CELL = {"skips_cell", "entropy_cell", "entropy_share_cell"}
REACH = {"unreached_alphas", "unreached_candidates"}


def record(epoch: int, **diagnosis: float) -> EpochRecord:
    return EpochRecord(epoch, 1.0, 1.0, 0.5, 1.0, 0.5, 0.1, None, None, diagnosis)


def prefer(supernet: NASBench201, operation: str, edges: int) -> NASBench201:
    """Makes `operation` the choice of so many edges, and a convolution that of the others."""
    operations = supernet.alpha_tables()["cell"].operations
    with torch.no_grad():
        alpha = supernet.alpha("cell").zero_()
        alpha[:, operations.index("nor_conv_3x3")] = 1
        alpha[:edges, operations.index(operation)] = 2
    return supernet


def test_values_of_an_epoch_leave_no_trace() -> None:
    supernet = prefer(nasbench201(relaxation="gumbel"), "skip_connect", 2)
    before = everything(supernet)
    found = Diagnosis(EVERY_EPOCH)(supernet, search_data(), 1, seed=0)
    assert same(before, everything(supernet))
    assert set(found.values) == {*CELL, *REACH, "eigenvalue"} and found.stop is None
    assert found.values["skips_cell"] == 2 and found.values["unreached_alphas"] == 0
    assert 0.5 < found.values["entropy_share_cell"] < 1 and found.values["entropy_cell"] < 1.6095
    assert found == Diagnosis(EVERY_EPOCH)(supernet, search_data(), 1, seed=0)
    assert (
        found.values["eigenvalue"]
        != Diagnosis(EVERY_EPOCH)(supernet, search_data(), 1, 1).values["eigenvalue"]
    )


def test_measurements_come_when_they_are_due() -> None:
    diagnosis = Diagnosis(DiagnosisOptions(reach_every=2, eigenvalue_every=3, batch_size=4, iterations=1))
    supernet, data = nasbench201(), search_data()
    found = [set(diagnosis(supernet, data, epoch, 0).values) - CELL for epoch in range(1, 5)]
    assert found == [set(), REACH, {"eigenvalue"}, REACH]
    nothing = Diagnosis(DiagnosisOptions(reach_every=0, eigenvalue_every=0))
    assert set(nothing(supernet, data, 6, 0).values) == CELL


def test_a_diagnosed_training_is_the_same_training() -> None:
    def train(diagnosed: bool) -> tuple[dict[str, Any], list[EpochRecord]]:
        supernet, data = NASBench201(4, 1, 4, (3, 8, 8), relaxation="gdas"), search_data()
        trainer = Trainer(supernet, data, TrainingOptions(epochs=2, batch_size=8), seed=5)
        diagnosis = Diagnosis(EVERY_EPOCH)

        def on_epoch(record: EpochRecord) -> bool:
            found = diagnosis(supernet, data, record.epoch, seed=5)
            record.diagnosis.update(found.values)
            return found.stop is not None

        records = trainer.fit(on_epoch if diagnosed else None)
        return {k: v for k, v in everything(supernet).items() if "gradient" not in k}, records

    torch.manual_seed(0)
    (plain, records), (watched, diagnosed) = train(False), train(True)
    assert same(plain, watched)
    assert [dataclasses.replace(r, seconds=0.0) for r in records] == [
        dataclasses.replace(r, seconds=0.0, diagnosis={}) for r in diagnosed
    ]
    assert all(set(r.diagnosis) > REACH for r in diagnosed)


def test_skips_stop_a_search_and_an_earlier_epoch_is_taken() -> None:
    options = DiagnosisOptions(reach_every=0, eigenvalue_every=0, stop_on=("skips",), stop_from_epoch=3)
    diagnosis, data = Diagnosis(options), search_data()
    stops = []
    for epoch, skips in enumerate((6, 5, 2, 3, 4), 1):  # the first two are too early to count
        stops.append(diagnosis(prefer(nasbench201(), "skip_connect", skips), data, epoch, 0).stop)
    assert stops[:4] == [None] * 4
    assert stops[4] is not None and stops[4].return_to == 4
    assert stops[4].reason == "4 skip connections in the cell, collapse begins at 4"
    resumed = Diagnosis(options)
    resumed.restore([record(epoch, skips_cell=skips) for epoch, skips in enumerate((6.0, 5.0, 2.0, 3.0), 1)])
    assert resumed(prefer(nasbench201(), "skip_connect", 4), data, 5, 0).stop == stops[4]


def test_a_search_that_collapsed_too_early_to_stop_returns_to_before_that() -> None:
    options = DiagnosisOptions(reach_every=0, eigenvalue_every=0, stop_on=("skips",), stop_from_epoch=4)
    diagnosis, data = Diagnosis(options), search_data()
    for epoch, skips in enumerate((1, 3, 5, 4), 1):
        stop = diagnosis(prefer(nasbench201(), "skip_connect", skips), data, epoch, 0).stop
        assert (stop is not None) == (epoch == 4)
    assert stop is not None and stop.return_to == 2


def test_without_an_epoch_to_return_to_the_current_one_stays() -> None:
    options = DiagnosisOptions(reach_every=0, eigenvalue_every=0, stop_on=("skips",), stop_from_epoch=1)
    stop = Diagnosis(options)(prefer(nasbench201(), "skip_connect", 6), search_data(), 1, 0).stop
    assert stop is not None and stop.return_to is None


def test_rising_curvature_stops_a_resumed_search() -> None:
    options = dataclasses.replace(EVERY_EPOCH, stop_on=("eigenvalue",), stop_from_epoch=1)
    rising = [record(epoch, eigenvalue=10.0 * 2**epoch) for epoch in range(1, 12)]
    for records, expected in ((rising, 5), ([record(r.epoch, eigenvalue=10.0) for r in rising], None)):
        diagnosis = Diagnosis(options)
        diagnosis.restore(records)
        stop = diagnosis(nasbench201(), search_data(), 12, seed=0).stop
        assert (stop.return_to if stop else None) == expected


def test_validation_images_alone_are_looked_at() -> None:
    class Untouchable(RandomImages):
        def batch(self, indices: Any, generator: Any) -> Any:
            raise AssertionError("images for training are not for diagnosis")

    for count, size in ((5, 8), (5, 2)):
        data = SearchData(Untouchable(16, 0), Untouchable(16, 1), RandomImages(count, 2))
        options = dataclasses.replace(EVERY_EPOCH, batch_size=size, batches=3)
        assert Diagnosis(options)(nasbench201(), data, 1, 0).values["unreached_alphas"] == 0
    none = SearchData(RandomImages(4, 0), RandomImages(4, 0), RandomImages(0, 0))
    with pytest.raises(ValueError, match=r"data\.validation must hold images, got none"):
        Diagnosis()(nasbench201(), none, 1, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eigenvalue_every": -1}, "eigenvalue_every must be an int >= 0, got -1"),
        ({"batch_size": 1}, "batch_size must be an int >= 2, got 1"),
        ({"ratio": 0.5}, "ratio must be a number >= 1, got 0.5"),
        ({"stop_on": "skips"}, "stop_on must be a list of skips, eigenvalue, got 'skips'"),
        ({"stop_on": ["skip"]}, r"got 'skip' \(did you mean skips\?\)"),
        ({"stop_on": ["eigenvalue"], "eigenvalue_every": 0}, "eigenvalue_every must be at least 1, got 0"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiagnosisOptions(**options)
