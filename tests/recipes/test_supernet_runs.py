"""Searches with a supernet: derived architectures, shared weights, resume, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import efficient_nas as nas
from efficient_nas.errors import ConfigError, Interrupted
from efficient_nas.ledger import Ledger
from efficient_nas.recipes.progress import Progress, Silent

pytest.importorskip("sklearn")

TRAINING = {"epochs": 2, "batch_size": 32, "alpha_learning_rate": 0.1}
DERIVED: dict[str, Any] = {
    "space": {"name": "darts", "macro": {"channels": 4, "layers": 3}},
    "task": {"dataset": "digits"},
    "supernet": {
        "kind": "darts",
        "channels": 4,
        "layers": 3,
        "data_fraction": 0.2,
        "training": TRAINING,
        "diagnosis": {"eigenvalue_every": 2, "batch_size": 16, "iterations": 2},
    },
    "evaluator": {"kind": "trained", "epochs": 1, "data_fraction": 0.2},
    "controller": {"kind": "derived"},
    "budget": {"trials": 2},
    "execution": {"parallelism": 1},
    "final": {"top": 1, "epochs": 1, "export": ["pt2"]},
}
SHARED: dict[str, Any] = {
    "space": {"name": "nasbench_macro", "macro": {"channels": 4, "head_channels": 16}},
    "task": {"dataset": "digits"},
    "supernet": {
        "kind": "single_path",
        "macro": {"channels": 4, "head_channels": 16},
        "data_fraction": 0.2,
        "training": {"epochs": 2, "batch_size": 32, "learning_rate": 0.1},
        "sampler": {"kind": "fairnas"},
        "rank_sample": 4,
    },
    "evaluator": {
        "kind": "shared_weights",
        "recalibration_images": 64,
        "training": {"epochs": 4, "batch_size": 16, "data_fraction": 0.5},
    },
    "controller": {"kind": "nsga2"},
    "budget": {"trials": 6},
    "execution": {"parallelism": 2},
    "control_arms": ["random"],
    "final": {"top": 1},
}


def changed(config: dict[str, Any], section: str, **fields: Any) -> dict[str, Any]:
    return {**config, section: {**config[section], **fields}}


def archives(path: Path) -> dict[str, bytes]:
    with Ledger.open(path / "ledger.sqlite", read_only=True) as ledger:
        return {arm: ledger.archive(arm) for arm in ledger.arms()}


class Phases(Silent):
    """The metrics that are shown of the best trial, by phase."""

    def __init__(self) -> None:
        self.metrics: dict[str, tuple[str, ...]] = {}

    def begin(self, progress: Progress) -> None:
        self.metrics[progress.phase] = progress.metrics


class StopsAfter(Silent):
    """Ctrl-C after so many epochs of the supernet."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def update(self, progress: Progress) -> None:
        if progress.phase == "supernet" and progress.done == self.epochs:
            raise KeyboardInterrupt


def test_derived_architectures_enter_ledger_finals_and_report(tmp_path: Path) -> None:
    run = nas.search(DERIVED, tmp_path / "a")
    assert run.supernet is not None and [r.epoch for r in run.supernet.records] == [1, 2]
    assert list(run.trials["origin"]) == ["derived"] * 2 and set(run.trials["status"]) == {"completed"}
    derived = run.supernet.records[-1].genotype
    space = nas.spaces.create("darts")
    assert run.trials["architecture"][0] == space.to_string(nas_array(derived))
    assert {"eigenvalue", "skips_normal", "entropy_share_reduce"} <= run.supernet.records[1].diagnosis.keys()
    assert "eigenvalue" not in run.supernet.records[0].diagnosis
    assert run.supernet.alphas["normal"].operations[0] == "none"
    assert {parity.format: parity.ok for parity in run.supernet.parity}["derived"] is True
    assert run.best is not None and run.best.exports[0].ok and "test_accuracy" in run.best.measured
    page = run.report_path.read_text()
    assert "Supernet" in page and "Entropy of alpha" in page

    with pytest.raises(Interrupted):
        nas.search(DERIVED, tmp_path / "b", observer=StopsAfter(1))
    with pytest.raises(ConfigError, match=r"supernet\.channels: was 4 in this run, got 8"):
        nas.search(changed(DERIVED, "supernet", channels=8), tmp_path / "b", resume=True)
    again = nas.search(output=tmp_path / "b", resume=True)
    assert archives(tmp_path / "a") == archives(tmp_path / "b")
    assert again.supernet is not None
    assert [r.weight_loss for r in again.supernet.records] == [r.weight_loss for r in run.supernet.records]
    assert [r.diagnosis for r in again.supernet.records] == [r.diagnosis for r in run.supernet.records]
    more = nas.search(changed(DERIVED, "budget", trials=3), tmp_path / "b", resume=True)
    assert len(more.trials) == 3 and more.trials["architecture"][:2].tolist() == list(
        run.trials["architecture"]
    )


def nas_array(genotype: list[int] | None) -> Any:
    import numpy as np

    return np.array(genotype, np.uint8)


def test_a_collapse_stops_the_training_also_when_it_is_resumed(tmp_path: Path) -> None:
    """With nothing but skip connections open, the first epoch that may stop does."""
    stages = [{"until": 0.5, "operations": ["skip_connect"]}, {"until": 1.0}]
    diagnosis = {"eigenvalue_every": 0, "stop_on": ["skips"], "stop_from_epoch": 1}
    config = changed(DERIVED, "supernet", stages=stages, diagnosis=diagnosis)
    config = {**config, "budget": {"trials": 1}, "final": {"top": 0}}
    with pytest.raises(Interrupted):
        nas.search(config, tmp_path / "a", observer=StopsAfter(1))
    run = nas.search(output=tmp_path / "a", resume=True)
    assert run.supernet is not None and len(run.supernet.records) == 1
    assert run.supernet.stopped == "8 skip connections in the normal cell, collapse begins at 2"
    assert any("8 skip connections" in note for note in run.notes)
    assert run.supernet.stopped in run.report_path.read_text()


@pytest.mark.parametrize(("metric", "weight"), [("macs", 1.0), ("latency_ms", 100.0)])
def test_expected_cost_makes_cheaper_candidates_likely(metric: str, weight: float, tmp_path: Path) -> None:
    """With a weight that leaves nothing else, every edge turns to what costs nothing."""
    options = {"training": {**TRAINING, "cost_weight": weight}, "expected_cost": metric}
    config = changed(DERIVED, "supernet", **options, diagnosis={"eigenvalue_every": 0})
    devices = ["cpu"] if metric == "latency_ms" else []
    config = {**config, "final": {"top": 0}, "budget": {"trials": 1}, "devices": devices}
    run = nas.search(config, tmp_path / "a")
    assert (tmp_path / "a" / "costs" / "supernet-cpu.json").is_file() == bool(devices)
    assert run.supernet is not None
    table = run.supernet.alphas["normal"]
    free = [table.operations.index(name) for name in ("none", "skip_connect")]
    for row in table.probabilities:
        assert all(row[k] > 2 * row[table.operations.index("sep_conv_5x5")] for k in free)


def test_shared_weights_with_any_controller_and_worker_processes(tmp_path: Path) -> None:
    phases = Phases()
    run = nas.search(SHARED, tmp_path / "a", observer=phases)
    assert phases.metrics["rank_sample"] == ("accuracy",)
    assert run.supernet is not None and len(run.supernet.records) == 2
    assert run.trials["arm"].value_counts().to_dict() == {"main": 6, "random": 6, "rank_sample": 4}
    ranks = run.supernet.ranks
    assert ranks is not None and len(ranks.shared) == 4 and -1 <= ranks.low <= ranks.tau <= ranks.high <= 1
    assert ranks.stand_alone == tuple(run.trials.loc[run.trials["arm"] == "rank_sample", "accuracy"])
    assert "Kendall" in run.report_path.read_text()
    assert set(run.trials["status"]) == {"completed"} and run.trials["accuracy"].nunique() > 1
    assert run.best is not None and run.best.measured["epochs"] == 4.0
    workers = {**changed(SHARED, "execution", workers=2), "final": {"top": 0}}
    nas.search(workers, tmp_path / "b")
    assert archives(tmp_path / "a") == archives(tmp_path / "b")


@pytest.mark.parametrize(
    ("space", "kind", "options"),
    [
        ("darts", "pcdarts", {"channels": 8, "layers": 3}),
        ("nasbench201", "nasbench201", {"channels": 4, "cells_per_stage": 1, "relaxation": "gdas"}),
        ("mbconv", "elastic", {}),
    ],
)
def test_every_kind_of_supernet_runs(space: str, kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    gradient = kind != "elastic"
    config = {
        **DERIVED,
        "space": {"name": space},
        "supernet": {"kind": kind, **options, "data_fraction": 0.1, "training": {"epochs": 1}},
        "evaluator": {"kind": "shared_weights", "recalibration_images": 64},
        "controller": {"kind": "derived" if gradient else "random"},
        "final": {"top": 0},
    }
    if space == "mbconv":
        stages = [{"widths": [8, 12], "depths": [1, 2]}, {"widths": [12, 16], "depths": [1, 2], "stride": 2}]
        config["space"] = {"name": space, "stem_channels": 8, "head_channels": 16, "stages": stages}
    run = nas.search(config, tmp_path / "a")
    assert set(run.trials["status"]) == {"completed"} and run.supernet is not None
    parities = [parity.ok for parity in run.supernet.parity if parity.format in {"derived", "exported"}]
    assert parities == ([] if kind == "pcdarts" else [True, True])


def test_stages_open_the_supernet_step_by_step(tmp_path: Path) -> None:
    operations = nas.spaces.create("nasbench_macro").choices[0].options
    stages: list[dict[str, Any]] = [{"until": 0.5, "operations": list(operations[:2])}, {"until": 1.0}]
    config = changed(SHARED, "supernet", stages=stages, sampler={"kind": "uniform"}, rank_sample=0)
    config = {**config, "control_arms": [], "final": {"top": 0}, "budget": {"trials": 1}}
    assert len(nas.search(config, tmp_path / "a").trials) == 1
    stages[0]["operations"] = ["pool"]
    with pytest.raises(ConfigError, match=r"supernet: stages\[0\].*pool"):
        nas.search(config, tmp_path / "b")


@pytest.mark.parametrize(
    ("config", "path", "words"),
    [
        (changed(DERIVED, "supernet", kind="dart"), "supernet.kind", "did you mean 'darts'"),
        (changed(DERIVED, "supernet", chanels=4), "supernet.chanels", "did you mean 'channels'"),
        (changed(DERIVED, "supernet", kind="nasbench201", layers=1), "supernet.layers", "unknown option"),
        (changed(DERIVED, "supernet", training={"epoch": 3}), "supernet.training.epoch", "epochs"),
        (changed(DERIVED, "supernet", training={"epochs": 0}), "supernet.training", "epochs must be"),
        (changed(DERIVED, "supernet", diagnosis={"stop_on": ["skip"]}), "supernet.diagnosis", "skips"),
        (changed(DERIVED, "supernet", sampler={"kind": "uniform"}), "supernet.sampler", "samples no paths"),
        (changed(DERIVED, "supernet", alpha_fraction=0.0), "supernet.alpha_fraction", "above 0"),
        (changed(DERIVED, "supernet", expected_cost="latency_ms"), "supernet.expected_cost", "devices"),
        (changed(DERIVED, "supernet", expected_cost="watts"), "supernet.expected_cost", "macs"),
        ({**DERIVED, "space": {"name": "nasbench201"}}, "supernet.kind", "is for space darts"),
        ({**DERIVED, "budget": {"seconds": 5}}, "budget.trials", "how many architectures"),
        (changed(DERIVED, "supernet", rank_sample=1), "supernet.rank_sample", "0 or at least 2"),
        ({k: v for k, v in DERIVED.items() if k != "supernet"}, "controller.kind", "needs a supernet"),
        (changed(SHARED, "supernet", sampler={"kind": "unifrom"}), "supernet.sampler.kind", "'uniform'"),
        (changed(SHARED, "supernet", diagnosis={"batches": 2}), "supernet.diagnosis.batches", "unknown"),
        ({k: v for k, v in SHARED.items() if k != "supernet"}, "evaluator.kind", "needs a supernet"),
        (changed(SHARED, "evaluator", training={"epoch": 2}), "evaluator.training.epoch", "epochs"),
        ({**SHARED, "controller": {"kind": "derived"}}, "controller.kind", "with architecture parameters"),
    ],
)  # fmt: skip
def test_wrong_sections_are_refused_before_anything_is_trained(
    config: dict[str, Any], path: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        nas.search(config, tmp_path / "a")
    assert error.value.path == path and words in str(error.value)
    assert not (tmp_path / "a").exists()
