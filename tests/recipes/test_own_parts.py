"""`nas.search` with a user's own space, evaluator and dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import own_parts
import pytest
import torch

import efficient_nas as nas
from efficient_nas.errors import ConfigError, RunFolderError

BUDGET = {"trials": 12}
RANDOM = {"kind": "random"}


def test_space_and_function(tmp_path: Path) -> None:
    result = nas.search(
        space=own_parts.plain_space(),
        evaluator=own_parts.score,
        budget=BUDGET,
        controller=RANDOM,
        output=tmp_path / "run",
    )
    assert len(result.trials) == 12 and set(result.trials["status"]) == {"completed"}
    assert result.best is not None and result.best.predicted["accuracy"] == result.trials["accuracy"].max()
    assert result.report_path.is_file()
    again = nas.load_run(tmp_path / "run")
    assert again.best is not None and again.best.text == result.best.text
    with pytest.raises(RunFolderError, match="has no trained network"):
        result.best.load()


def test_space_that_builds_gets_exact_costs(tmp_path: Path) -> None:
    result = nas.search(
        space=own_parts.own_space(),
        evaluator=own_parts.Scores(),
        task={"input_shape": [3, 16, 16], "num_classes": 5},
        objective={"kind": "pareto", "maximize": ["accuracy", "robustness"], "minimize": ["macs"]},
        controller={"kind": "nsga2", "population_size": 4},
        budget=BUDGET,
        output=tmp_path / "run",
    )
    assert result.best is not None and result.best.architecture is not None
    built = own_parts.own_space().build(result.best.genotype, (3, 16, 16), 5)
    assert result.best.architecture == built and result.best.predicted["macs"] == built.macs


def test_workers_and_control_arms_do_not_change_what_is_found(tmp_path: Path) -> None:
    frames = []
    for workers in (0, 2):
        result = nas.search(
            space=own_parts.own_space(),
            evaluator=own_parts.Scores(0.1),
            budget=BUDGET,
            control_arms=["random", "local_search"],
            execution={"workers": workers},
            output=tmp_path / str(workers),
        )
        frames.append(result.trials.drop(columns=["seconds"]))
    assert list(frames[0]["arm"].unique()) == ["main", "random", "local_search"]
    assert frames[0].equals(frames[1])


def test_dataset_is_trained_on(tmp_path: Path) -> None:
    result = nas.search(
        space=own_parts.own_space(),
        dataset=own_parts.Stripes(),
        task={"validation_fraction": 0.3},
        evaluator={"kind": "trained", "epochs": 2, "batch_size": 16},
        controller=RANDOM,
        budget={"trials": 4},
        final={"top": 2, "epochs": 3, "export": ["pt2"]},
        output=tmp_path / "run",
    )
    assert [found.rank for found in result.finalists] == [1, 2]
    best = result.best
    assert best is not None and best is result.finalists[0]
    assert best.measured["epochs"] == 3 and 0 <= best.measured["test_accuracy"] <= 1
    module = best.load()
    assert module(torch.zeros(5, 1, 8, 8)).shape == (5, 3)
    (parity,) = best.exports
    assert parity.ok and parity.path == "finalists/1/model.pt2" and (result.path / parity.path).is_file()


def test_dotted_names(tmp_path: Path) -> None:
    """The own parts by name, each found in the module that the tests import as `own_parts`."""
    config: dict[str, Any] = {
        "space": {"name": "own_parts:own_space"},
        "task": {"dataset": "own_parts:Stripes", "count": 90, "classes": 2, "validation_fraction": 0.3},
        "evaluator": {"kind": "trained", "epochs": 1, "batch_size": 16},
        "controller": RANDOM,
        "budget": {"trials": 2},
        "final": {"top": 0},
    }
    with pytest.raises(ConfigError, match=r"space\.name: .* --allow-import own_parts"):
        nas.search(config, output=tmp_path / "run")
    with pytest.raises(ConfigError, match="--allow-import own_parts"):
        nas.search(config, output=tmp_path / "run", allow_imports=["own", "own_parts.x"])
    assert not (tmp_path / "run").exists()
    result = nas.search(config, output=tmp_path / "run", allow_imports=["own_parts"])
    assert len(result.trials) == 2
    with pytest.raises(ConfigError, match="--allow-import own_parts"):
        nas.search(output=tmp_path / "run", resume=True)
    nas.search(output=tmp_path / "run", resume=True, allow_imports=["own_parts"])
    scores = {**config, "task": {}, "evaluator": {"kind": "own_parts:Scores", "bonus": 1}}
    result = nas.search(scores, output=tmp_path / "scores", allow_imports=["own_parts"])
    assert result.trials["accuracy"].min() >= 0.99


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"space": {"name": "own_parts:nothing"}}, "space.name: 'own_parts:nothing' cannot be imported: "),
        ({"space": {"name": "no_such_module:x"}}, "space.name: 'no_such_module:x' cannot be imported: "),
        ({"space": {"name": "own_parts:BUILD"}}, "cannot be imported"),
        ({"space": {"name": "own_parts:__name__"}}, "must be callable, it is str"),
        ({"space": {"name": "builtins:iter"}}, "space: names something without a signature"),
        ({"space": {"name": "own_parts:score"}}, "space.candidate: is required"),
        ({"space": {"name": "own_parts:Stripes"}}, "space: must be a nas.spaces.Space, got Stripes"),
        ({"space": {"name": "own_parts:own_space", "depth": 3}}, "space.depth: unknown option (value 3)"),
        (
            {"evaluator": {"kind": "own_parts:Scores", "bonus": "x"}},
            "evaluator.bonus: must be a number, got",
        ),
        ({"evaluator": {"kind": "own_parts:Stripes"}}, "evaluator: must be a callable or an object"),
    ],
)
def test_wrong_dotted_names(tmp_path: Path, section: dict[str, Any], message: str) -> None:
    config = {"space": {"name": "own_parts:own_space"}, "task": {}, "budget": BUDGET, "controller": RANDOM}
    evaluator = {"evaluator": {"kind": "own_parts:Scores"}}
    with pytest.raises(ConfigError) as error:
        allowed = ["own_parts", "no_such_module", "builtins"]
        nas.search({**config, **evaluator, **section}, output=tmp_path / "run", allow_imports=allowed)
    assert message in str(error.value) and not (tmp_path / "run").exists()


def test_entry_points_need_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution may register names; its metadata is all that this needs."""
    installed = tmp_path / "site" / "chain_space-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: chain-space\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[efficient_nas.spaces]\nchain = own_parts:own_space\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    for name in ("chain", "own_parts:own_space"):
        result = nas.search(
            {"space": {"name": name}, "budget": {"trials": 2}, "controller": RANDOM},
            evaluator=own_parts.score,
            output=tmp_path / name.replace(":", "-"),
        )
        assert len(result.trials) == 2
    with pytest.raises(ConfigError, match=r"unknown space 'chian'; allowed: .*chain.*did you mean 'chain'"):
        nas.search({"space": {"name": "chian"}, "budget": BUDGET}, evaluator=own_parts.score)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({"evaluator": 3}, "evaluator: must be a callable or an object"),
        ({"evaluator": lambda a, b, c: 0.0}, "evaluator: "),
        ({"space": 3}, "space: must be a nas.spaces.Space, got int"),
        ({"dataset": 3}, "task: dataset must be map-style"),
        ({"dataset": []}, "task: dataset list is empty"),
        ({"dataset": own_parts.Stripes(), "task": {"dataset": "digits"}}, "task.dataset: is given twice"),
        ({"dataset": own_parts.Stripes(), "task": {"fraction": 1}}, "task.fraction: unknown option"),
        ({"evaluator": lambda candidate, seed: 0.5, "execution": {"workers": 2}}, "execution.workers: "),
    ],
)
def test_wrong_objects(tmp_path: Path, objects: dict[str, Any], message: str) -> None:
    arguments = {"space": own_parts.own_space(), "budget": BUDGET, "controller": RANDOM, **objects}
    with pytest.raises(ConfigError) as error:
        nas.search(output=tmp_path / "run", **arguments)
    assert str(error.value).startswith(message) and not (tmp_path / "run").exists()
