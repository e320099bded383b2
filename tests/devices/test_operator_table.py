"""Operator tables: what they hold, how well they predict, what their files must look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from efficient_nas.devices import Operator, OperatorTable, all_operators
from efficient_nas.devices.device import quiet_measurement
from efficient_nas.devices.measurement import network_call
from efficient_nas.devices.operators import operators_of
from efficient_nas.devices.timing import time_in_turn
from efficient_nas.errors import TableError
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces import Candidate
from networks import build

Measured = tuple[OperatorTable, list[Any]]


def test_operators_are_those_that_run() -> None:
    values = {"depth": 2, "width": 8, "expansion": 4, "operation": "sep_conv_5x5"}
    found = dict(operators_of(build(values, (3, 16, 16))))
    assert {str(operator): count for operator, count in found.items()} == {
        "conv_bn 3->8, kernel 3 at 16x16": 1,
        "sep_conv_5x5 8->8 at 16x16": 1,
        "mbconv 8->8, kernel 3, expansion 4 at 16x16": 1,
        "sum 8->8, 2 inputs at 16x16": 2,
        "sep_conv_5x5 8->16, stride 2 at 16x16": 1,
        "mbconv 8->16, kernel 3, expansion 4, stride 2 at 16x16": 1,
        "concat 32->32, 2 inputs at 8x8": 1,
        "global_avg_pool 32->32 at 8x8": 1,
        "linear 32->10 at 1x1": 1,
    }


def test_dead_nodes_and_identities_do_not_run() -> None:
    nodes = [
        ArchNode("input", 4, 4),
        ArchNode("skip_connect", 4, 4),
        ArchNode("none", 4, 4),
        ArchNode("nor_conv_3x3", 4, 4),
        ArchNode("nor_conv_1x1", 4, 4),
        ArchNode("output", 4, 4),
    ]
    connections = [(0, 1), (0, 2), (2, 3), (0, 4), (1, 5), (3, 5), (4, 5), (4, 5)]
    found = dict(operators_of(Architecture(nodes, connections, (4, 8, 8))))
    assert found == {
        Operator(nodes[4], (8, 8)): 1,
        Operator(ArchNode("sum", 4, 4), (8, 8), 2): 2,
    }


def test_a_table_covers_its_space_and_reports_progress(
    measured: Measured, candidates: list[Candidate]
) -> None:
    table, calls = measured
    assert set(all_operators(c.architecture for c in candidates)) <= set(table.timings)
    done, total = zip(*calls, strict=True)
    assert list(done) == list(range(1, total[0] + 1))
    assert set(total) == {len(calls)}
    assert (table.batch_size, table.threads, table.device["device"]) == (1, 1, "cpu")
    calibration = table.describe()["calibration"]
    assert (calibration["fitted"], calibration["held_out"]) == (8, 4)
    assert calibration["mean_error"] <= calibration["max_error"]


def test_predictions_rank_networks_as_measurements_do(
    measured: Measured, candidates: list[Candidate]
) -> None:
    """12 networks whose latencies differ several times; about 0.99 is seen, 0.8 leaves room for noise."""
    ordered = sorted(candidates, key=lambda c: c.architecture.macs)
    chosen = [ordered[i] for i in np.linspace(0, len(ordered) - 1, 12).round().astype(int)]
    predicted = [measured[0].predict(c)["latency_ms"] for c in chosen]
    cpu = torch.device("cpu")
    with quiet_measurement(1):
        timings = time_in_turn([network_call(c.architecture, 1, cpu) for c in chosen], cpu, 1.0)
    ranks = [np.argsort(np.argsort(v)) for v in (predicted, [t.median_ms for t in timings])]
    assert np.corrcoef(ranks)[0, 1] > 0.8


def test_a_saved_table_predicts_the_same(
    measured: Measured, candidates: list[Candidate], tmp_path: Path
) -> None:
    table = measured[0]
    table.save(tmp_path / "cpu.json")
    loaded = OperatorTable.load(tmp_path / "cpu.json")
    assert [loaded.predict(c) for c in candidates] == [table.predict(c) for c in candidates]
    assert loaded.describe() == table.describe()
    assert loaded.timings == table.timings
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "cpu.json").read_bytes()


def test_without_networks_the_prediction_is_the_plain_sum(candidates: list[Candidate]) -> None:
    """Also where an operator runs more than once, which then counts as often."""
    repeating = next(c for c in candidates if max(n for _, n in operators_of(c.architecture)) > 1)
    found = operators_of(repeating.architecture)
    table = OperatorTable.measure([operator for operator, _ in found], seconds=0.05)
    total = sum(table.timings[operator].median_ms * n for operator, n in found)
    assert table.predict(repeating)["latency_ms"] == pytest.approx(total, rel=1e-12)
    with pytest.raises(TableError, match=r"none of its .* operators is \w+.* at \d+x\d+"):
        table.predict(candidates[-1])


def test_there_must_be_something_to_measure() -> None:
    with pytest.raises(TableError, match="no operators"):
        OperatorTable.measure([])


def change(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        data = data[int(part)] if part.isdigit() else data[part]
    if value is KeyError:
        del data[last]
    else:
        data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("schema", "other", "schema must be"),
        ("version", 2, "version 2"),
        ("unit", "s", "unit .* must be 'ms', got 's'"),
        ("batch_size", 0, "batch_size"),
        ("threads", True, "threads"),
        ("date", KeyError, "lacks 'date'"),
        ("note", "x", "unknown field 'note'"),
        ("device", [], "device"),
        ("operators", [], "at least one"),
        ("operators", {}, "a list"),
        ("operators.0.latency_ms", 0, r"operators\[0\].latency_ms"),
        ("operators.0.latency_ms", float("nan"), r"operators\[0\].latency_ms"),
        ("operators.0.latency_ms", "3", r"operators\[0\].latency_ms"),
        ("operators.0.spread_ms", -1, "spread_ms"),
        ("operators.0.repeats", 1.5, "repeats"),
        ("operators.0.operation", "nor_conv_9x9", "is no operator"),
        ("operators.0.height", 0, "height"),
        ("operators.0.speed", 1, "unknown field 'speed'"),
        ("operators.1", 7, "an object"),
        ("calibration.scale", 0, "scale"),
        ("calibration.fixed_ms", -1, "fixed_ms"),
        ("calibration.held_out", None, "held_out"),
    ],
)
def test_wrong_files_are_refused(
    measured: Measured, tmp_path: Path, path: str, value: Any, reason: str
) -> None:
    file = tmp_path / "cpu.json"
    measured[0].save(file)
    data = json.loads(file.read_text())
    if path == "operators.1":
        data["operators"][1] = value
    else:
        change(data, path, value)
    file.write_text(json.dumps(data))
    with pytest.raises(TableError, match=reason):
        OperatorTable.load(file)


def test_damaged_files_are_refused(measured: Measured, tmp_path: Path) -> None:
    file = tmp_path / "cpu.json"
    with pytest.raises(TableError, match="not a file"):
        OperatorTable.load(file)
    measured[0].save(file)
    text = file.read_text()
    for broken in (text[:-20], "", "[" * 100_000):
        file.write_text(broken)
        with pytest.raises(TableError, match="is no JSON"):
            OperatorTable.load(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(TableError, match="cannot be read"):
        OperatorTable.load(file)
    data = json.loads(text)
    data["operators"].append(data["operators"][3])
    file.write_text(json.dumps(data))
    with pytest.raises(TableError, match="repeats"):
        OperatorTable.load(file)
