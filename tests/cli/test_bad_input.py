"""Every wrong config ends with exit code 2 and one line that names field, value and what is allowed."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import yaml

from efficient_nas.cli import main

TRAINED: dict[str, Any] = {
    "space": {"name": "mbconv", "stem_channels": 4, "stages": [{"widths": [4, 8], "depths": [1, 2]}]},
    "task": {"dataset": "digits"},
    "evaluator": {"kind": "trained", "epochs": 1},
    "controller": {"kind": "random"},
    "budget": {"trials": 4},
}
TINY = {
    "name": "mbconv",
    "stages": [{"widths": [4], "depths": [1], "kernels": [3, 5], "expansions": [1, 2]}],
}
TABLE: dict[str, Any] = {
    "space": TINY,
    "task": {"table": "good.csv", "metric": "val"},
    "controller": {"kind": "random"},
    "budget": {"trials": 4},
}
ROWS = ["w4-k3e1,0.1", "w4-k3e2,0.4", "w4-k5e1,0.2", "w4-k5e2,0.3"]
TABLES = {
    "good.csv": "\n".join(["architecture,val", *ROWS]),
    "empty.csv": "",
    "header.csv": "architecture,val\n",
    "short.csv": "\n".join(["architecture,val", *ROWS[:3], "w4-k5e2"]),
    "twice.csv": "\n".join(["architecture,val", *ROWS, ROWS[0]]),
    "foreign.csv": "architecture,val\nw4-k9e1,0.5\n",
    "nan.csv": "architecture,val\nw4-k3e1,nan\n",
    "percent.csv": "architecture,val\nw4-k3e1,93.5\n",
    "words.json": "{}",
}


def stages(*limits: dict[str, Any]) -> dict[str, Any]:
    return {"progressive": {"stages": list(limits)}}


def objective(**fields: Any) -> dict[str, Any]:
    return {"objective": fields}


CASES: list[tuple[dict[str, Any], dict[str, Any], str, list[str]]] = [
    # names
    (TRAINED, {"space": {"name": "mbcnov"}}, "space.name: ", ["'mbcnov'", "darts, mbconv", "'mbconv'?"]),
    (TRAINED, {"controller": {"kind": "evolutoin"}}, "controller.kind: ", ["'evolutoin'", "nsga2"]),
    (TRAINED, {"control_arms": ["rnd"]}, "control_arms[0]: ", ["'rnd'", "local_search", "random"]),
    (TRAINED, {"control_arms": ["random", "random"]}, "control_arms[1]: ", ["repeat", "'random'"]),
    (TRAINED, {"control_arms": ["main"]}, "control_arms[0]: ", ["'main'", "random"]),
    (TRAINED, {"task": {"dataset": "digitz"}}, "task.dataset: ", ["'digitz'", "cifar10", "'digits'?"]),
    (TRAINED, {"task": {}}, "task.dataset: ", ["is required", "digits"]),
    (TRAINED, {"evaluator": {"kind": "train"}}, "evaluator.kind: ", ["'train'", "tabular, trained"]),
    (TRAINED, {"evaluator": {"kind": "tabular"}}, "evaluator.kind: ", ["task.table"]),
    (TABLE, {"evaluator": {"kind": "trained"}}, "evaluator.kind: ", ["task.dataset"]),
    (TRAINED, {"final": {"export": ["onxx"]}}, "final.export[0]: ", ["'onxx'", "onnx, pt2", "'onnx'?"]),
    (TABLE, {"final": {"export": ["pt2"]}}, "final.export[0]: ", ["train_final"]),
    (TABLE, {"final": {"epochs": 3}}, "final.epochs: ", ["train_final"]),
    (TRAINED, {"devices": ["tpu"]}, "devices[0]: ", ["'tpu'", "cpu or cuda"]),
    # options of what is named
    (TRAINED, {"space": {"name": "mbconv", "stem": 3}}, "space.stem: ", ["value 3", "stem_channels"]),
    (TRAINED, {"space": {"name": "mbconv", "stem_channels": "4"}}, "space.stem_channels: ", ["'4'"]),
    (TRAINED, {"space": {"name": "mbconv", "stem_channels": 0}}, "space: ", ["stem_channels", "0"]),
    (TRAINED, {"space": {"name": "mbconv", "stages": [{"widths": []}]}}, "space: ", ["stages[0]"]),
    (TRAINED, {"space": {"name": "nasbench201", "macro": {"chanels": 8}}}, "space: ", ["chanels"]),
    (TRAINED, {"evaluator": {"kind": "trained", "epoch": 3}}, "evaluator.epoch: ", ["value 3", "'epochs'?"]),
    (TRAINED, {"evaluator": {"kind": "trained", "epochs": 0}}, "evaluator: ", ["epochs", "0"]),
    (TRAINED, {"evaluator": {"kind": "trained", "epochs": "2"}}, "evaluator.epochs: ", ["integer", "'2'"]),
    (TRAINED, {"evaluator": {"kind": "trained", "patience": 1.5}}, "evaluator.patience: ", ["null", "1.5"]),
    (TRAINED, {"evaluator": {"kind": "trained", "device": "tpu"}}, "evaluator: ", ["tpu"]),
    (TRAINED, {"task": {"dataset": "digits", "path": "x"}}, "task: ", ["digits", "no path"]),
    (TRAINED, {"task": {"dataset": "cifar10", "path": "nowhere"}}, "task: ", ["nowhere"]),
    (TRAINED, {"task": {"dataset": "digits", "validation_fraction": 2}}, "task: ", ["validation"]),
    (TRAINED, {"controller": {"kind": "nsga2", "population": 4}}, "controller.population: ", ["n_size"]),
    (TRAINED, {"controller": {"kind": "nsga2", "population_size": -4}}, "controller: ", ["-4"]),
    # objectives
    (TRAINED, objective(kind="best"), "objective.kind: ", ["'best'", "constrained, pareto, weighted"]),
    (TRAINED, objective(kind="pareto"), "objective: ", ["maximize", "minimize"]),
    (TRAINED, objective(kind="pareto", maximise=["accuracy"]), "objective: ", ["maximise", "maximize"]),
    (TRAINED, objective(kind="pareto", maximize=["accuracy"], minimize=["latency_ms"]), "objective: ",
     ["'latency_ms'", "devices: [cpu]", "accuracy"]),
    (TRAINED, objective(kind="pareto", maximize=["acuracy"]), "objective: ", ["'acuracy'", "'accuracy'?"]),
    (TRAINED, objective(kind="weighted", accuracy=-1), "objective: ", ["accuracy", "-1"]),
    (TRAINED, objective(kind="weighted", acuracy=1), "objective: ", ["'acuracy'", "accuracy"]),
    (TRAINED, objective(kind="constrained", objective={"kind": "weighted", "accuracy": 1},
                        limits={"params": -5}), "objective: ", ["params", "-5"]),
    (TRAINED, objective(kind="constrained", objective={"kind": "weighted", "accuracy": 1},
                        limits={"accuracy": 93}), "objective: ", ["accuracy", "93", "[0, 1]"]),
    (TABLE, objective(kind="pareto", maximize=["test"]), "objective: ", ["'test'", "accuracy"]),
    # stages
    (TRAINED, stages({"until": 0.5}), "progressive: ", ["stages[0].until", "1.0", "0.5"]),
    (TRAINED, stages({"until": 0.5, "max_depth": 0}, {"until": 1.0}), "progressive: ", ["max_depth"]),
    (TRAINED, stages({"until": 0.5, "max_depth": 2}, {"until": 1.0, "max_depth": 1}), "progressive: ",
     ["stages[1].max_depth"]),
    (TRAINED, stages({"until": 1.0, "operations": ["conv"]}), "progressive: ", ["operation"]),
    (TRAINED, {"space": {"name": "nasbench201"}, **stages({"until": 1.0, "operations": ["conv9x9"]})},
     "progressive: ", ["conv9x9"]),
    (TABLE, {**stages({"until": 1.0}), "budget": {"seconds": 3}}, "progressive: ", ["budget.trials"]),
    (TABLE, {"budget": {"epochs": 9}}, "budget.epochs: ", ["reports no epochs", "trials or seconds"]),
    # tables
    (TABLE, {"task": {"table": "god.csv", "metric": "val"}}, "task.table: ", ["god.csv", "mean good.csv?"]),
    (TABLE, {"task": {"table": "words.json", "metric": "val"}}, "task.table: ", ["words.json", ".csv"]),
    (TABLE, {"task": {"table": "empty.csv", "metric": "val"}}, "task.table: ", ["empty.csv", "empty"]),
    (TABLE, {"task": {"table": "header.csv", "metric": "val"}}, "task.table: ", ["header.csv", "no rows"]),
    (TABLE, {"task": {"table": "short.csv", "metric": "val"}}, "task.table: ", ["short.csv", "row 4"]),
    (TABLE, {"task": {"table": "cut.csv.gz", "metric": "val"}}, "task.table: ", ["cut.csv.gz", "truncated"]),
    (TABLE, {"task": {"table": "twice.csv", "metric": "val"}}, "task.table: ", ["rows 1 and 5", "same"]),
    (TABLE, {"task": {"table": "foreign.csv", "metric": "val"}}, "task.table: ", ["row 1", "options: 3, 5"]),
    (TABLE, {"task": {"table": "nan.csv", "metric": "val"}}, "task.table: ", ["'val'", "no finite number"]),
    (TABLE, {"task": {"table": "percent.csv", "metric": "val"}}, "task.table: ", ["93.5", "scale: 0.01"]),
    (TABLE, {"task": {"table": "good.csv", "metric": "vel"}}, "task.table: ", ["'vel'", "did you mean val?"]),
    (TABLE, {"task": {"table": "good.csv", "metric": "val", "report": ["test"]}}, "task.table: ", ["'test'"]),
    (TABLE, {"task": {"table": "${NO_SUCH_VARIABLE}/x"}}, "task.table: ", ["'NO_SUCH_VARIABLE' is not set"]),
    (TABLE, {"devices": [{"table": "none.json"}]}, "devices[0].table: ", ["none.json"]),
    (TABLE, {"devices": [{"table": "words.json"}]}, "devices[0].table: ", ["words.json"]),
    (TABLE, {"task": {"table": "good.csv", "metric": "val", "input_shape": [3, 1, 0]}},
     "task.input_shape[2]: ", ["greater than 0", "got 0"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name, text in TABLES.items():
        (folder / name).write_text(text)
    (folder / "cut.csv.gz").write_bytes(gzip.compress(TABLES["good.csv"].encode() * 50)[:-20])
    return folder


@pytest.mark.parametrize(("base", "change", "start", "words"), CASES, ids=lambda value: str(value)[:60])
def test_bad_config(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    base: dict[str, Any],
    change: dict[str, Any],
    start: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump({**base, **change}))
    assert main(["search", "config.yaml", "--output", "run"]) == 2
    output, errors = capsys.readouterr()
    assert output == "" and errors.startswith(f"error: {start}") and errors.count("\n") == 1
    for word in words:
        assert word in errors
    assert not (folder / "run").exists()


def test_the_bases_are_good(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise the cases above would prove nothing."""
    monkeypatch.chdir(folder)
    for i, base in enumerate((TABLE, {**TRAINED, "budget": {"trials": 1}, "final": {"top": 0}})):
        (folder / "config.yaml").write_text(yaml.safe_dump(base))
        assert main(["search", "config.yaml", "--output", str(tmp_path / str(i)), "--quiet"]) == 0
