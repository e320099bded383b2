"""The commands, their output and their exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running import ALLOW, SLOW, archives, run, write_config

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
    for name in ("nasbench201", "1.56e+04", "darts", "mbconv", "random", "hybrid", "nsga2"):
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


def test_a_search_from_begin_to_end(tmp_path: Path) -> None:
    """Trained, with a table measured here, then report and export of the finished run."""
    config = {
        "space": {"name": "mbconv", "stem_channels": 4, "stages": [{"widths": [4, 8], "depths": [1]}]},
        "task": {"dataset": "digits"},
        "evaluator": {"kind": "trained", "epochs": 1, "data_fraction": 0.2},
        "objective": {"kind": "pareto", "maximize": ["accuracy"], "minimize": ["latency_ms"]},
        "controller": {"kind": "random"},
        "devices": ["cpu"],
        "budget": {"trials": 3},
        "final": {"top": 1, "epochs": 1, "export": ["pt2"]},
    }
    write_config(tmp_path, config, "small.yaml")
    done = run("search", "small.yaml", "--set", "final.top=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "small-1"
    assert "runs/small-1" in done.stdout and "pt2 ok" in done.stdout
    assert re.search(r"main 3/3 +best: accuracy 0\.\d{4} latency_ms [\d.]+", done.stderr)
    table = json.loads((folder / "costs" / "cpu.json").read_text())
    assert table["unit"] == "ms" and len(table["operators"]) > 3

    (folder / "report.html").unlink()
    assert run("report", folder, cwd=tmp_path).stdout.strip() == str(folder / "report.html")
    assert "small" in (folder / "report.html").read_text()

    (folder / "finalists" / "2" / "model.pt2").unlink()
    exported = run("export", folder, "--format", "pt2", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert re.findall(r"finalist (\d): (\S+): same outputs", exported.stdout) == [
        ("1", "finalists/1/model.pt2"),
        ("2", "finalists/2/model.pt2"),
    ]
    assert (folder / "finalists" / "2" / "model.pt2").is_file()

    again = run("search", "small.yaml", "--quiet", "--set", "final.top=0", "--output", "other", cwd=tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    refused = run("export", "other", cwd=tmp_path)
    assert refused.returncode == 2 and "has no trained finalist to export" in refused.stderr


def test_a_finished_run_resumes_to_itself_and_a_raised_budget_goes_on(tmp_path: Path) -> None:
    write_config(tmp_path, {**SLOW, "evaluator": {"kind": "own_evaluators:Slow"}, "budget": {"trials": 20}})
    write_config(tmp_path, {**SLOW, "evaluator": {"kind": "own_evaluators:Slow"}}, "longer.yaml")
    assert run("search", "config.yaml", "--output", "a", *ALLOW, cwd=tmp_path).returncode == 0
    before = archives(tmp_path / "a")
    assert run("search", "--resume", "a", *ALLOW, cwd=tmp_path).returncode == 0
    assert archives(tmp_path / "a") == before
    raised = run("search", "--resume", "a", "--set", "budget.trials=60", *ALLOW, cwd=tmp_path)
    assert raised.returncode == 0, raised.stderr
    assert run("search", "longer.yaml", "--output", "b", *ALLOW, cwd=tmp_path).returncode == 0
    assert archives(tmp_path / "a") == archives(tmp_path / "b")
    changed = run("search", "--resume", "a", "--set", "seed=1", *ALLOW, cwd=tmp_path)
    assert changed.returncode == 2 and "seed: was 0 in this run, got 1" in changed.stderr
