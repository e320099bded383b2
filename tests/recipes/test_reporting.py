"""The report of a real run shows the objective that was searched on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import efficient_nas as nas
from efficient_nas.recipes.reporting import report_data
from efficient_nas.reports.progress import progress


def run(output: Path, objective: dict[str, Any]) -> Any:
    """A search of NAS-Bench-Macro cells for few parameters per unit of depth, by a formula."""

    def evaluate(candidate: Any, seed: int) -> dict[str, float]:
        return {"accuracy": candidate.architecture.depth / 100, "params": candidate.architecture.params / 1e6}

    return nas.search(
        {
            "space": {"name": "nasbench_macro"},
            "task": {"input_shape": [3, 8, 8], "num_classes": 10},
            "objective": objective,
            "controller": {"kind": "random"},
            "budget": {"trials": 12},
            "execution": {"parallelism": 1},
            "control_arms": ["local_search"],
            "final": {"top": 1},
        },
        output=output,
        evaluator=evaluate,
    )


WEIGHTED = {"kind": "weighted", "accuracy": 1.0, "params": 0.05}


@pytest.mark.parametrize("limit", [None, 2.0])
def test_a_weighted_sum_is_a_metric_of_its_own(tmp_path: Path, limit: float | None) -> None:
    limited = {"kind": "constrained", "objective": WEIGHTED, "limits": {"params": limit}}
    found = run(tmp_path / "run", limited if limit else WEIGHTED)
    data = report_data(found)
    trials = data.trials
    assert trials["weighted"].to_numpy() == pytest.approx(trials["accuracy"] - 0.05 * trials["params"])
    assert data.optimised == ["weighted"] and list(data.axes) == ["params", "accuracy"]
    main = trials[(trials["arm"] == "main") & (trials["params"] <= (limit or 1e9))]
    assert len(main) > 0 and (len(main) < 12) == bool(limit)
    best = main["trial"][main["weighted"].idxmax()]
    assert data.front[0] == best
    curves = progress(data)
    assert curves is not None and curves.metric == "weighted" and not curves.minimize
    assert curves.curves[0].values[-1] == main["weighted"].max()


def test_several_objectives_are_the_metrics_themselves(tmp_path: Path) -> None:
    found = run(tmp_path / "run", {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["params"]})
    data = report_data(found)
    assert data.optimised == ["accuracy", "params"] and data.axes == ()
    assert "weighted" not in data.trials.columns
    assert sorted(data.front) == sorted(f.trial for f in found.front)


def test_a_run_that_cannot_keep_its_limits_says_so(tmp_path: Path) -> None:
    objective = {"kind": "constrained", "objective": WEIGHTED, "limits": {"params": 1e-6}}
    found = run(tmp_path / "run", objective)
    assert found.front == [] and found.best is None
    assert "No trial of the main arm keeps them" in found.report_path.read_text(encoding="utf-8")
