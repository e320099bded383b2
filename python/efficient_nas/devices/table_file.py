"""The JSON file of an operator table. Every field is checked when it is read: users exchange these files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from efficient_nas.devices.calibration import Calibration
from efficient_nas.devices.operators import Operator
from efficient_nas.devices.timing import Timing
from efficient_nas.errors import TableError
from efficient_nas.graph import ArchNode

SCHEMA = "efficient_nas.operator_table"
VERSION = 1
NODE_FIELDS = [field.name for field in fields(ArchNode)]


def write(path: Path, timings: Mapping[Operator, Timing], facts: Mapping[str, Any]) -> None:
    """Writes the timings and the table's facts (device, date, batch_size, threads, calibration)."""
    rows = [
        {
            **asdict(operator.node),
            "height": operator.size[0],
            "width": operator.size[1],
            "inputs": operator.inputs,
            "latency_ms": timing.median_ms,
            "spread_ms": timing.spread_ms,
            "repeats": timing.repeats,
        }
        for operator, timing in timings.items()
    ]
    head = {
        "schema": SCHEMA,
        "version": VERSION,
        "unit": "ms",
        **facts,
        "calibration": asdict(facts["calibration"]),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    body = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    path.write_text("{\n" + "\n".join(lines) + f'\n  "operators": [\n{body}\n  ]\n}}\n', encoding="utf-8")


def read(path: Path) -> tuple[dict[Operator, Timing], dict[str, Any]]:
    """The timings and facts of a file that `write` wrote; TableError for anything else."""
    if not path.is_file():
        raise TableError(f"operator table: {path} is not a file")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"operator table: {path} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"operator table: {path} is no JSON (truncated?): {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise TableError(f"operator table: {path} is not an operator table (schema must be {SCHEMA!r})")
    if data.get("version") != VERSION:
        raise TableError(
            f"operator table: {path} has version {data.get('version')!r}, this release reads {VERSION}; "
            "measure the table again"
        )
    check = _Checker(path)
    check.names(data, ["schema", "version", "unit", "device", "date", "batch_size", "threads", "calibration",
                       "operators"], "the table")  # fmt: skip
    if data["unit"] != "ms":
        raise check.error("unit", data["unit"], "'ms'")
    facts = {
        "device": check.typed("device", data["device"], dict, "an object"),
        "date": check.typed("date", data["date"], str, "text"),
        "batch_size": check.count("batch_size", data["batch_size"]),
        "threads": check.count("threads", data["threads"]),
        "calibration": _calibration(check, data["calibration"]),
    }
    rows = check.typed("operators", data["operators"], list, "a list")
    timings: dict[Operator, Timing] = {}
    for i, row in enumerate(rows):
        operator, timing = _row(check, f"operators[{i}]", row)
        if operator in timings:
            raise TableError(f"operator table: operators[{i}] of {path} repeats {operator}")
        timings[operator] = timing
    if not timings:
        raise check.error("operators", [], "at least one operator")
    return timings, facts


class _Checker:
    """Checks single values; every error names the file and the field."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, field: str, value: object, allowed: str) -> TableError:
        return TableError(f"operator table: {field} of {self.path} must be {allowed}, got {value!r}")

    def names(self, data: Mapping[str, Any], expected: list[str], where: str) -> None:
        for name in expected:
            if name not in data:
                raise TableError(f"operator table: {where} of {self.path} lacks {name!r}")
        for name in data:
            if name not in expected:
                raise TableError(f"operator table: {where} of {self.path} has an unknown field {name!r}")

    def typed(self, field: str, value: Any, kind: type, allowed: str) -> Any:
        if not isinstance(value, kind):
            raise self.error(field, value, allowed)
        return value

    def count(self, field: str, value: Any, low: int = 1) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.error(field, value, f"an int >= {low}")
        return value

    def number(self, field: str, value: Any, accept: Callable[[float], bool], allowed: str) -> float:
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not numeric or not math.isfinite(value) or not accept(value):
            raise self.error(field, value, allowed)
        return float(value)


def _row(check: _Checker, where: str, row: Any) -> tuple[Operator, Timing]:
    check.typed(where, row, dict, "an object")
    check.names(row, [*NODE_FIELDS, "height", "width", "inputs", "latency_ms", "spread_ms", "repeats"], where)
    try:
        node = ArchNode(**{name: row[name] for name in NODE_FIELDS})
    except (ValueError, TypeError) as error:
        raise TableError(f"operator table: {where} of {check.path} is no operator: {error}") from error
    size = (check.count(f"{where}.height", row["height"]), check.count(f"{where}.width", row["width"]))
    operator = Operator(node, size, check.count(f"{where}.inputs", row["inputs"]))
    latency = check.number(f"{where}.latency_ms", row["latency_ms"], lambda v: v > 0, "a number > 0")
    spread = check.number(f"{where}.spread_ms", row["spread_ms"], lambda v: v >= 0, "a number >= 0")
    return operator, Timing(latency, spread, check.count(f"{where}.repeats", row["repeats"]))


def _calibration(check: _Checker, data: Any) -> Calibration:
    check.typed("calibration", data, dict, "an object")
    check.names(data, [field.name for field in fields(Calibration)], "calibration")
    for name in ("fitted", "held_out"):
        check.count(f"calibration.{name}", data[name], low=0)
    for name in ("scale", "per_operator_ms", "fixed_ms", "mean_error", "max_error"):
        if data[name] is None and name.endswith("error"):
            continue
        check.number(f"calibration.{name}", data[name], lambda v: v >= 0, "a number >= 0")
    if data["scale"] == 0:
        raise check.error("calibration.scale", 0, "a number > 0")
    return Calibration(**data)
