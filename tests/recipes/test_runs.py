"""Runs as objects: results, reports, resuming from Python, failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import own_parts
import pytest

import efficient_nas as nas
from efficient_nas.devices import OperatorTable
from efficient_nas.errors import ConfigError, Interrupted, RunFolderError, SearchError, TrialFailed
from efficient_nas.ledger import Ledger
from efficient_nas.recipes.reporting import report_data, write_report
from efficient_nas.recipes.run import load_run

CONFIG: dict[str, Any] = {
    "controller": {"kind": "random"},
    "budget": {"trials": 15},
    "control_arms": ["local_search"],
}


def archives(path: Path) -> dict[str, bytes]:
    with Ledger.open(path / "ledger.sqlite", read_only=True) as ledger:
        return {arm: ledger.archive(arm) for arm in ledger.arms()}


class StoppedAt:
    """`own_parts.score`, with Ctrl-C in the middle of call number `at`."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, candidate: Any, seed: int) -> float:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return own_parts.score(candidate, seed)


def test_interrupted_in_either_arm_and_resumed(tmp_path: Path) -> None:
    space = own_parts.plain_space()
    nas.search(CONFIG, output=tmp_path / "a", space=space, evaluator=own_parts.score)
    for resume, calls in ((False, 4), (True, 20), (True, 1)):
        with pytest.raises(Interrupted) as stopped:
            evaluator = StoppedAt(calls)
            nas.search(
                None if resume else CONFIG, tmp_path / "b", resume=resume, space=space, evaluator=evaluator
            )
        assert stopped.value.run_folder == tmp_path / "b"
    with pytest.raises(ConfigError, match=r"space: this run was made with an object"):
        nas.search(output=tmp_path / "b", resume=True, evaluator=own_parts.score)
    result = nas.search(output=tmp_path / "b", resume=True, space=space, evaluator=own_parts.score)
    assert archives(tmp_path / "a") == archives(tmp_path / "b")
    assert len(result.trials) == 30


def test_resume_needs_the_folder_and_the_same_config(tmp_path: Path) -> None:
    objects = {"space": own_parts.plain_space(), "evaluator": own_parts.score}
    with pytest.raises(ConfigError, match="output: is required to resume"):
        nas.search(CONFIG, resume=True, **objects)
    nas.search(CONFIG, output=tmp_path / "a", **objects)
    with pytest.raises(ConfigError, match=r"controller\.kind: was 'random' in this run, got 'nsga2'"):
        nas.search(CONFIG, tmp_path / "a", resume=True, controller={"kind": "nsga2"}, **objects)
    with pytest.raises(RunFolderError, match="holds a run already"):
        nas.search(CONFIG, tmp_path / "a", **objects)


def test_failures_are_results(tmp_path: Path) -> None:
    def evaluate(candidate: Any, seed: int) -> float:
        if candidate.genotype[0] == 0:
            raise TrialFailed("too small")
        return float("nan") if candidate.genotype[0] == 1 else 0.5

    result = nas.search(CONFIG, tmp_path / "a", space=own_parts.plain_space(), evaluator=evaluate)
    reasons = set(result.trials["reason"].dropna())
    assert "too small" in reasons and any("accuracy" in reason and "nan" in reason for reason in reasons)
    assert all(found.genotype[0] > 1 for found in result.front)
    data = report_data(result)
    assert (data.trials["status"] == "failed").sum() == result.trials["reason"].notna().sum()


def test_limits_that_nothing_keeps_are_noted(tmp_path: Path) -> None:
    weighted = {"kind": "weighted", "accuracy": 1.0, "macs": 1e-6}
    objective = {"kind": "constrained", "objective": weighted, "limits": {"params": 3}}
    objects = {"space": own_parts.own_space(), "evaluator": own_parts.score}
    result = nas.search(CONFIG, tmp_path / "a", objective=objective, **objects)
    assert result.best is None and result.front == [] == result.finalists
    least = int(result.trials.loc[result.trials["arm"] == "main", "params"].min())
    (note,) = result.notes
    assert note.startswith("no trial keeps the limits (params 3); closest is trial ")
    assert note.endswith(f" with params {least}")
    assert note in result.report_path.read_text()


def test_a_search_of_failures_says_why(tmp_path: Path) -> None:
    def evaluate(candidate: Any, seed: int) -> dict[str, float]:
        return {"acuracy": 1.0}

    objective = {"kind": "weighted", "accuracy": 1.0}
    objects = {"space": own_parts.plain_space(), "evaluator": evaluate}
    with pytest.raises(SearchError, match="metric 'accuracy' is missing; there are acuracy"):
        nas.search(CONFIG, tmp_path / "a", objective=objective, **objects)
    run = load_run(tmp_path / "a")
    assert run.best is None and write_report(run).is_file()


def test_an_exhausted_space_is_noted(tmp_path: Path) -> None:
    config = {**CONFIG, "budget": {"trials": 5000}, "control_arms": []}
    for resume in (False, True):
        result = nas.search(
            config, tmp_path / "a", resume=resume, space=own_parts.plain_space(), evaluator=own_parts.score
        )
        assert len(result.trials) == 4**5
        assert result.notes == ["arm main: every architecture of the space was tried after 1024 trials"]


def test_weighted_and_constrained_reports(tmp_path: Path) -> None:
    weighted = {"kind": "weighted", "accuracy": 1.0, "params": 1e-4}
    objective = {"kind": "constrained", "objective": weighted, "limits": {"macs": 1e5}}
    result = nas.search(
        CONFIG,
        tmp_path / "a",
        space=own_parts.own_space(),
        evaluator=own_parts.score,
        task={"input_shape": [1, 8, 8]},
        objective=objective,
        final={"top": 2},
    )
    data = report_data(result)
    assert list(data.objectives) == ["weighted"] and data.limits == {"macs": 1e5}
    expected = data.trials["accuracy"] - 1e-4 * data.trials["params"]
    assert data.trials["weighted"].tolist() == pytest.approx(expected.tolist())
    feasible = data.trials[(data.trials["arm"] == "main") & (data.trials["macs"] <= 1e5)]
    assert result.best is not None and result.best.trial == feasible.sort_values("weighted").iloc[-1]["trial"]
    assert [found.trial for found in result.finalists][:1] == data.front
    assert "<html" in result.report_path.read_text()


def test_reading_a_run_changes_nothing(tmp_path: Path) -> None:
    objects = {"space": own_parts.own_space(), "evaluator": own_parts.score}
    nas.search(CONFIG, tmp_path / "a", **objects)
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (tmp_path / "a").rglob("*") if p.is_file()}
    run = nas.load_run(tmp_path / "a")
    assert len(run.trials) == 30 and run.front and run.finalists and run.best and repr(run)
    after = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (tmp_path / "a").rglob("*") if p.is_file()}
    assert before == after
    with pytest.raises(RunFolderError, match="no such folder"):
        nas.load_run(tmp_path / "b")


def test_a_table_of_another_machine_is_used_and_named(tmp_path: Path) -> None:
    space = own_parts.own_space()
    OperatorTable.for_space(space, (1, 8, 8), 10, seconds=0.2).save(tmp_path / "here.json")
    stored = json.loads((tmp_path / "here.json").read_text())
    config = {
        **CONFIG,
        "task": {"input_shape": [1, 8, 8]},
        "objective": {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["latency_ms"]},
        "final": {"top": 1},
    }
    for device, name, note in (
        ("cpu", "Phone 7", "latency is predicted for Phone 7, finalists are measured on "),
        ("cuda:7", "Card", "finalist 1: measuring failed: device 'cuda:7'"),
    ):
        table = tmp_path / f"{name}.json"
        table.write_text(
            json.dumps({**stored, "device": {**stored["device"], "device": device, "name": name}})
        )
        result = nas.search(
            {**config, "devices": [{"table": table}]},
            tmp_path / name,
            space=space,
            evaluator=own_parts.score,
        )
        assert result.notes[0].startswith(note)
        assert ("latency_ms" in result.finalists[0].measured) == (device == "cpu")
        assert result.trials["latency_ms"].notna().all()
        assert (result.path / "costs" / f"{name}.json").is_file()
