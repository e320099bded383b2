"""Every scalar of an epoch is in the event file; without the package there is one clear error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from efficient_nas.supernet import EpochRecord, TensorBoard

FIRST = EpochRecord(1, 7.5, 2.25, 0.25, None, None, 0.025, None, None)
SECOND = EpochRecord(
    2, 8.0, 1.5, 0.5, 1.75, 0.375, 0.02, 5.0, [0, 1], {"skips_normal": 2.0, "eigenvalue": 0.5}
)


def test_epochs_are_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TensorBoard(tmp_path / "first") as board:
        board.add(FIRST)
        live = EventAccumulator(str(tmp_path / "first")).Reload()
        assert [event.value for event in live.Scalars("loss/weights")] == [2.25]  # while the file is open
        board.add(SECOND)
    events = EventAccumulator(str(tmp_path / "first")).Reload()
    found = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    expected = {
        "loss/weights": [(1, 2.25), (2, 1.5)],
        "loss/alphas": [(2, 1.75)],
        "accuracy/weights": [(1, 0.25), (2, 0.5)],
        "accuracy/alphas": [(2, 0.375)],
        "learning_rate": [(1, pytest.approx(0.025)), (2, pytest.approx(0.02))],
        "temperature": [(2, 5.0)],
        "seconds": [(1, 7.5), (2, 8.0)],
        "diagnosis/skips_normal": [(2, 2.0)],
        "diagnosis/eigenvalue": [(2, 0.5)],
    }
    assert found == expected


def test_a_resumed_training_goes_on_in_the_same_folder(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for record in (FIRST, SECOND):
        with TensorBoard(tmp_path) as board:
            board.add(record)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(event.step for event in events.Scalars("seconds")) == [1, 2]


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['tensorboard'] = None\n"
        "from efficient_nas import supernet\n"
        "try:\n    supernet.TensorBoard(sys.argv[1])\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert "pip install 'efficient-nas[tensorboard]'" in done.stdout
