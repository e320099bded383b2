"""A config is read strictly: each wrong field is one line with its path, its value and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient_nas.errors import ConfigError
from efficient_nas.recipes.config import parse
from efficient_nas.recipes.config_files import apply_overrides, expand_variables, read_config
from efficient_nas.recipes.config_loading import load_config

GOOD: dict[str, Any] = {"space": {"name": "nasbench201"}, "budget": {"trials": 3}}
STAGE = {"until": 1.0}


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"budgett": {}}, "budgett", ["unknown field", "{}", "did you mean 'budget'?"]),
        ({"budget": {"trails": 3}}, "budget.trails", ["value 3", "allowed: epochs, seconds", "'trials'?"]),
        ({"budget": {}}, "budget", ["at least one of trials, seconds, epochs", "got {}"]),
        ({"budget": 4}, "budget", ["mapping", "got 4"]),
        ({"budget": None}, "budget", ["mapping", "got None"]),
        ({"budget": {"trials": "3"}}, "budget.trials", ["integer", "got '3'"]),
        ({"budget": {"trials": 0}}, "budget.trials", ["greater than 0", "got 0"]),
        ({"budget": {"trials": True}}, "budget.trials", ["integer", "got True"]),
        ({"budget": {"trials": 2.5}}, "budget.trials", ["integer", "got 2.5"]),
        ({"budget": {"seconds": float("nan")}}, "budget.seconds", ["finite", "got nan"]),
        ({"budget": {"seconds": -1}}, "budget.seconds", ["greater than 0", "got -1"]),
        ({"seed": -1}, "seed", ["greater than or equal to 0", "got -1"]),
        ({"seed": "zero"}, "seed", ["integer", "got 'zero'"]),
        ({"space": "nasbench201"}, "space", ["mapping", "got 'nasbench201'"]),
        ({"space": {"nam": "x"}}, "space.name", ["is required"]),
        ({"space": {"name": ""}}, "space.name", ["at least 1 character", "got ''"]),
        ({"task": {"table": 3}}, "task.table", ["string", "got 3"]),
        ({"task": {"table": "t", "colums": {}}}, "task.colums", ["unknown field", "did you mean 'columns'?"]),
        ({"task": {"table": "t", "metric": {"a": 4}}}, "task.metric.a", ["string", "got 4"]),
        ({"task": {"table": "t", "scale": float("inf")}}, "task.scale", ["finite", "got inf"]),
        ({"task": {"table": "t", "input_shape": [3, 32]}}, "task.input_shape", ["at least 3 items"]),
        ({"execution": {"kind": "ray"}}, "execution.kind", ["unknown value 'ray'", "allowed: local"]),
        ({"execution": {"parallelism": 0}}, "execution.parallelism", ["greater than 0", "got 0"]),
        ({"execution": {"timeout_seconds": 9}}, "execution", ["workers: 1 or more"]),
        ({"progressive": {"stages": []}}, "progressive.stages", ["at least 1 item", "got []"]),
        ({"progressive": {"stages": [STAGE, {"untill": 1}]}}, "progressive.stages[1].untill", ["'until'?"]),
        ({"progressive": {"stages": [{"until": 2}]}}, "progressive.stages[0].until", ["less than", "got 2"]),
        ({"devices": ["cpu", "cpu"]}, "devices", ["at most 1 item", "got ['cpu', 'cpu']"]),
        ({"devices": "cpu"}, "devices", ["list", "got 'cpu'"]),
        ({"devices": [{"tabel": "x"}]}, "devices[0].tabel", ["unknown field", "'table'?"]),
        ({"control_arms": "random"}, "control_arms", ["list", "got 'random'"]),
        ({"final": {"top": -1}}, "final.top", ["greater than or equal to 0", "got -1"]),
        ({"final": {"export": ["onnx", 3]}}, "final.export[1]", ["string", "got 3"]),
        ({"objective": {"maximize": ["accuracy"]}}, "objective.kind", ["is required"]),
    ],
)  # fmt: skip
def test_wrong_fields(change: dict[str, Any], path: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse({**GOOD, **change})
    message = str(error.value)
    assert error.value.path == path and message.startswith(f"{path}: ") and "\n" not in message
    for word in words:
        assert word in message


def test_missing_budget() -> None:
    with pytest.raises(ConfigError, match=r"^budget: is required$"):
        parse({"space": {"name": "x"}})


def test_resolved_config_is_complete_and_reads_back() -> None:
    config = parse({**GOOD, "controller": {"kind": "nsga2", "population_size": 8}})
    resolved = config.resolved()
    assert resolved["controller"] == {"kind": "nsga2", "population_size": 8}
    assert resolved["execution"] == {"kind": "local", "parallelism": 4, "workers": 0}
    assert parse(resolved) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", ["line 2, column 1", "repeated field 'a'"]),
        ("a: {b: 1, c: 2, b: 3}", ["line 1", "repeated field 'b'"]),
        ("1: 2", ["field names must be text, got 1"]),
        ("a: [1", ["line 1"]),
        ("a: !!python/object/apply:os.getpid []", ["tag"]),
        ("- 1", ["must hold a mapping of fields, got [1]"]),
        ("", ["must hold a mapping of fields, got None"]),
        ("a: \x00", ["config.yaml"]),
    ],
)
def test_wrong_yaml(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "latin.yaml")


def test_numbers_and_dates_are_what_they_look_like(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "a: 1e-3\nb: 1E5\nc: -2.5e+3\nd: .5e1\ne: 7\nf: 1e\ng: 2026-01-01\nh: '1e3'"
    )
    assert read_config(tmp_path / "c.yaml") == {
        "a": 0.001, "b": 1e5, "c": -2500.0, "d": 5.0, "e": 7, "f": "1e", "g": "2026-01-01", "h": "1e3",
    }  # fmt: skip


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_an_override(number: float) -> None:
    assert apply_overrides({}, [f"x={number!r}"]) == {"x": number}


def test_overrides() -> None:
    fields = {"progressive": {"stages": [{"until": 1.0}]}, "seed": 1}
    changed = apply_overrides(
        fields, ["progressive.stages[0].until=0.5", "budget.trials=9", "devices=[cpu]", "seed=2", "seed=3"]
    )
    assert changed == {
        "progressive": {"stages": [{"until": 0.5}]},
        "budget": {"trials": 9},
        "devices": ["cpu"],
        "seed": 3,
    }
    assert fields == {"progressive": {"stages": [{"until": 1.0}]}, "seed": 1}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set: must look like section.field=value, got 'seed'"),
        ("=3", "--set: must look like"),
        ("a..b=3", "--set: must look like"),
        ("a[x]=3", "--set: must look like"),
        ("stages[4].until=1", "stages: --set: there is no element 4, it has 1"),
        ("stages.until=1", "stages: --set: has no fields"),
        ("seed.x=1", "seed: --set: has no fields, it is 1"),
        ("seed=[1", "config: --set seed: line 1"),
    ],
)
def test_wrong_overrides(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        apply_overrides({"stages": [{}], "seed": 1}, [override])
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"space": {"name": "x", "stages": [object]}}, "space.stages[0]: must be text, a number"),
        ({"seed": np.int64(3)}, "seed: must be text, a number"),
        ({"task": {1: 2}}, "task: field names must be text, got 1"),
    ],
)
def test_mappings_hold_plain_values(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(fields, {})
    assert str(error.value).startswith(message)


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_FOLDER", "/data")
    monkeypatch.delenv("NOT_SET", raising=False)
    assert expand_variables({"a": ["${SOME_FOLDER}/x${SOME_FOLDER}", 3]}) == {"a": ["/data/x/data", 3]}
    with pytest.raises(ConfigError, match=r"^task\.table: environment variable 'NOT_SET' is not set"):
        expand_variables({"task": {"table": "${NOT_SET}/x"}})
    with pytest.raises(ConfigError, match=r"^a\[1\]: environment variable ''"):
        expand_variables({"a": [1, "${}"]})


def test_sections_override_the_file_and_paths_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text(
        "space: {name: a}\nbudget: {trials: 1}\ntask: {table: t.csv}\ndevices: [{table: d.json}]"
    )
    monkeypatch.chdir(tmp_path)
    assert load_config({**GOOD, "task": {"table": Path("t.csv")}}, {}).resolved()["task"]["table"] == str(
        tmp_path / "t.csv"
    )
    resolved = load_config("c.yaml", {"space": {"name": "b"}}, ["budget.trials=2"]).resolved()
    assert resolved["space"]["name"] == "b" and resolved["budget"] == {"trials": 2}
    assert resolved["task"]["table"] == str(tmp_path / "t.csv")
    assert resolved["devices"] == [{"table": str(tmp_path / "d.json")}]
    with pytest.raises(ConfigError, match="must be a mapping or the path of a YAML file, got 3"):
        load_config(3, {})  # type: ignore[arg-type]
