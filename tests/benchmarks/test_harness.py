"""The benchmark harness: what it calls, how it counts, what it prints. No test looks at a time of its own."""

from __future__ import annotations

import gc
import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import bench_core
import harness
from harness import Timing


def test_rounds_are_interleaved_and_the_collector_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "SAMPLE_SECONDS", 0.0)
    calls: list[tuple[str, bool]] = []
    timings = harness.measure(
        {name: lambda name=name: calls.append((name, gc.isenabled())) for name in "ab"},
        items={"a": 2, "b": 3},
        rounds=4,
    )
    assert [name for name, _ in calls[-8:]] == ["a", "b"] * 4
    assert not any(enabled for _, enabled in calls[-8:])
    assert gc.isenabled()
    assert [len(timing.seconds) for timing in timings.values()] == [4, 4]
    assert [timing.items for timing in timings.values()] == [2, 3]


def test_short_calls_are_repeated_within_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()  # ticks at every reading and at every call
    monkeypatch.setattr(harness, "SAMPLE_SECONDS", 20.0)
    monkeypatch.setattr(harness, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    calls: list[int] = []
    timing = harness.measure({"tick": lambda: calls.append(next(clock))}, rounds=1)["tick"]
    repeats = round(1 / (timing.seconds[0] - 1))  # r calls last r + 1 ticks
    assert repeats >= 19
    assert timing.seconds == ((repeats + 1) / repeats,)


def test_long_calls_are_tried_once_before_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=2)  # every call lasts 2 s
    monkeypatch.setattr(harness, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    calls: list[None] = []
    timing = harness.measure({"long": lambda: calls.append(None)}, rounds=3)["long"]
    assert len(calls) == 1 + 3
    assert timing.seconds == (2.0, 2.0, 2.0)


def test_figures_of_a_timing() -> None:
    timing = Timing("call", (4e-6, 1e-6, 2e-6, 3e-6, 5e-6), items=10)
    assert timing.median == 3e-6
    assert timing.minimum == 1e-6
    assert timing.spread == pytest.approx(2 / 3)
    assert timing.nanoseconds_per_item == pytest.approx(300)
    assert timing.items_per_second == pytest.approx(10 / 3e-6)
    assert Timing("once", (1.0,)).spread == 0.0


def test_ratio_pairs_the_rounds_and_counts_items() -> None:
    slow, fast = Timing("slow", (2.0, 20.0, 6.0), items=1), Timing("fast", (1.0, 10.0, 1.0), items=4)
    assert harness.ratio(slow, fast) == 8.0


def test_tables_are_markdown_with_three_digits() -> None:
    text = harness.table(["call", "ns"], [["a", 12345.6], ["b", 0.012345], ["c", 7]])
    assert text.splitlines() == [
        "| call | ns |",
        "| --- | --- |",
        "| a | 12,346 |",
        "| b | 0.0123 |",
        "| c | 7 |",
    ]


def test_bench_core_writes_a_dated_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "core.md"
    bench_core.main(["--only", "genotypes", "--rounds", "1", "--output", str(report)])
    text = report.read_text()
    assert text in capsys.readouterr().out
    assert text.startswith("# Native core\n")
    assert "commit " in text
    assert "numpy " in text
    assert "| darts | mutate one row |" in text
    with pytest.raises(SystemExit):
        bench_core.main(["--only", "genotype"])
