"""The configs of the repository run as they are, made small where they would take minutes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import run_here

from efficient_nas.recipes import load_run

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def settings(*overrides: str) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def test_quickstart_then_report_and_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured here, trained, exported; then the commands for a finished run."""
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    small = settings(
        "budget.trials=8", "evaluator.epochs=1", "execution.workers=0", "final.top=1", "final.epochs=2"
    )
    assert run_here("search", CONFIGS / "quickstart.yaml", *small) == 0
    output, errors = capsys.readouterr()
    assert "runs/quickstart-1" in output and "onnx pt2 ok" in output
    assert re.search(r"main 8/8 +best: accuracy 0\.\d{4} latency_ms [\d.]+ \| front \d", errors)
    folder = tmp_path / "runs" / "quickstart-1"
    table = json.loads((folder / "costs" / "cpu.json").read_text())
    assert table["unit"] == "ms" and len(table["operators"]) > 30

    run = load_run(folder)
    assert list(run.trials["arm"].unique()) == ["main", "random"] and len(run.trials) == 16
    assert set(run.trials.loc[run.trials["arm"] == "main", "stage"]) == {0, 1, 2}
    assert run.best is not None and {"test_accuracy", "latency_ms"} <= set(run.best.measured)
    assert [(parity.format, parity.ok) for parity in run.best.exports] == [("onnx", True), ("pt2", True)]

    (folder / "report.html").unlink()
    assert run_here("report", folder) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert "quickstart" in (folder / "report.html").read_text()

    (folder / "finalists" / "1" / "model.pt2").unlink()
    assert run_here("export", folder, "--format", "pt2") == 0
    exported = re.findall(r"finalist (\d): (\S+): same outputs", capsys.readouterr().out)
    assert exported == [("1", "finalists/1/model.pt2")]
    assert (folder / "finalists" / "1" / "model.pt2").is_file()
    assert len(load_run(folder).finalists[0].exports) == 2


def test_nasbench201(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFFICIENT_NAS_DATA", str(data_dir))
    assert run_here("search", CONFIGS / "nasbench201.yaml", "--output", tmp_path / "run") == 0
    run = load_run(tmp_path / "run")
    assert list(run.trials["arm"].unique()) == ["main", "random", "local_search"]
    assert "cifar10-test" not in run.trials.columns  # the search never sees it
    assert run.best is not None
    assert run.best.predicted["accuracy"] > 0.83 and run.best.measured["cifar10-test"] > 0.88


def test_cifar10(tmp_path: Path, cifar10_images: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few hundred of the real images, in the layout of the binary version."""
    images, labels = cifar10_images
    records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(len(images), -1)], axis=1)
    records[:300].tofile(tmp_path / "data_batch_1.bin")
    records[300:].tofile(tmp_path / "test_batch.bin")
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path))
    small = settings(
        "budget.trials=5",
        "evaluator.epochs=2",
        "evaluator.image_sizes=[[0, 16], [0.5, 32]]",
        "evaluator.batch_size=32",
        "execution.workers=0",
        "control_arms=[]",
        "final={top: 1, epochs: 1}",
    )
    assert run_here("search", CONFIGS / "cifar10.yaml", "--output", tmp_path / "run", *small) == 0
    run = load_run(tmp_path / "run")
    assert len(run.trials) == 5 and set(run.trials["status"]) == {"completed"}
    assert run.best is not None and run.best.architecture is not None
    assert run.best.architecture.input_shape == (3, 32, 32)
    assert 0 < run.best.measured["latency_ms"] < 1000


SMALL_CELLS = settings(
    "space.macro={channels: 4, layers: 3}",
    "supernet.channels=4",
    "supernet.layers=3",
    "supernet.diagnosis.eigenvalue_every=0",
)
SMALL_CHAIN = settings(
    "space.macro={channels: 4, head_channels: 8}", "supernet.macro={channels: 4, head_channels: 8}"
)


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("darts_quick", [*SMALL_CELLS, *settings("evaluator.epochs=1")]),
        ("darts_cifar10", [*SMALL_CELLS, *settings("evaluator.epochs=1", "evaluator.batch_size=16")]),
        (
            "pcdarts_cifar10",
            [
                *SMALL_CELLS,
                *settings(
                    "evaluator.epochs=1", "evaluator.batch_size=16", "supernet.training.alpha_from_epoch=0"
                ),
            ],
        ),
        ("oneshot_quick", [*SMALL_CHAIN, *settings("evaluator.recalibration_images=32")]),
    ],
)
def test_supernets(
    name: str,
    small: list[str],
    tmp_path: Path,
    cifar10_images: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the published settings and the quick ones, on a few hundred of the real images."""
    images, labels = cifar10_images
    records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(len(images), -1)], axis=1)
    records[:300].tofile(tmp_path / "data_batch_1.bin")
    records[300:].tofile(tmp_path / "test_batch.bin")
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path))
    overrides = settings(
        f"task={{dataset: cifar10, path: '{tmp_path}'}}",
        "supernet.data_fraction=0.5",
        "supernet.training.epochs=1",
        "supernet.training.batch_size=16",
        "supernet.threads=1",
        "execution.workers=0",
        "budget.trials=2",
        "control_arms=[]",
        "final.top=0",
        "final.export=[]",
    )
    assert run_here("search", CONFIGS / f"{name}.yaml", "--output", tmp_path / "run", *overrides, *small) == 0
    assert "supernet 1/1  loss" in capsys.readouterr().err
    run = load_run(tmp_path / "run")
    assert set(run.trials["status"]) == {"completed"} and len(run.trials) == 2
    assert run.supernet is not None and len(run.supernet.records) == 1
    if name != "oneshot_quick":
        assert run.trials["origin"].unique().tolist() == ["derived"]
    assert (tmp_path / "run" / "supernet" / "tensorboard").is_dir() == name.endswith("_cifar10")
