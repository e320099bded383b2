"""The commands, their output and their exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import ALLOW, SLOW, archives, run_here, write_config

from efficient_nas.cli import main


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["--version"], *([c, "--help"] for c in ("search", "report", "export"))):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
    output = capsys.readouterr().out
    assert "--allow-import" in output and "resumable" in output and "efficient-nas 0." in output


@pytest.mark.parametrize("arguments", [[], ["serach"], ["search", "--worker"], ["search", "a", "b"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2 and capsys.readouterr().err


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spaces"]) == 0 and main(["controllers"]) == 0
    output = capsys.readouterr().out
    for name in ("nasbench201", "15,625", "darts", "mbconv", "random", "hybrid", "nsga2"):
        assert name in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search"], "CONFIG: is required: a YAML file, or --resume DIR"),
        (["search", "none.yaml"], "config: none.yaml cannot be read: No such file"),
        (["search", "--resume", "none"], "none: no such folder"),
        (["search", "--resume", "."], "not a run folder"),
        (["search", "--resume", ".", "--output", "x"], "--output: cannot be combined with --resume"),
        (["search", "config.yaml", "--workers", "-1"], "execution.workers: must be greater than or"),
        (["search", "config.yaml", "--set", "seed"], "--set: must look like section.field=value, got 'seed'"),
        (["search", "config.yaml", "--set", "budget.trails=1"], "budget.trails: unknown field"),
        (["search", "config.yaml"], "space.name: 'own_evaluators:plain_space' is imported only with"),
        (["search", "config.yaml", "--output", "config.yaml"], "config.yaml: exists and is not a folder"),
        (["search", "config.yaml", "--output", "."], "is not empty; choose another output"),
        (["search", "config.yaml", "--output", "config.yaml/x"], "is not a folder"),
        (["report", "none"], "none: no such folder"),
        (["export", "none"], "none: no such folder"),
        (["export", ".", "--format", "tflite"], "--format: unknown format 'tflite'; allowed: onnx, pt2"),
    ],
)  # fmt: skip
def test_bad_arguments(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, SLOW)
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == "" and message in errors and errors.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml"]


def test_a_finished_run_resumes_to_itself_and_a_raised_budget_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = {**SLOW, "evaluator": {"kind": "own_evaluators:Slow"}}
    write_config(tmp_path, {**quick, "budget": {"trials": 20}})
    assert run_here("search", "config.yaml", "--output", "a", "--quiet", *ALLOW) == 0
    assert capsys.readouterr() == ("", "")
    before = archives(tmp_path / "a")
    assert run_here("search", "--resume", "a", *ALLOW) == 0
    assert archives(tmp_path / "a") == before
    assert run_here("search", "--resume", "a", "--set", "budget.trials=60", *ALLOW) == 0
    write_config(tmp_path, quick, "longer.yaml")
    assert run_here("search", "longer.yaml", "--output", "b", *ALLOW) == 0
    assert archives(tmp_path / "a") == archives(tmp_path / "b")
    capsys.readouterr()
    assert run_here("search", "--resume", "a", "--set", "seed=1", *ALLOW) == 2
    assert "seed: was 0 in this run, got 1" in capsys.readouterr().err
    assert run_here("export", "a") == 2
    assert "a: has no trained finalist to export" in capsys.readouterr().err
