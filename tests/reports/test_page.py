"""The page is whole, loads nothing, runs nothing it was not given, and survives every kind of run."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from page_reader import ATTACK, Page, sections

from efficient_nas.reports import ReportData, render, write
from efficient_nas.reports.data import COLUMNS


def test_a_full_run_has_every_section(make_report: Any) -> None:
    text = render(make_report())
    page = Page(text)
    assert sections(text) == [
        "result",
        "notes",
        "trials",
        "progress",
        "origins",
        "architectures",
        "costs",
        "failed",
        "setup",
    ]
    assert max(page.ids.values()) == 1
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= set(page.ids)
    for words in ("loss is NaN after epoch 2", "space:", "Chains of convolutions", "depth=", "✓ same"):
        assert words in page.text


def test_nothing_is_loaded_from_anywhere(make_report: Any) -> None:
    text = render(make_report())
    page = Page(text)
    links = [a for a in page.addresses if not a.startswith(("#", "data:"))]
    assert links and all(re.fullmatch(r"finalists/\d/model\.onnx", a) for a in links)
    assert "url(" not in text and "@import" not in text and "import(" not in text
    outside = set(re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"^\s*//.*$", "", text, flags=re.M)))
    assert outside == {"http://www.w3.org"}  # the name of SVG's namespace
    assert "default-src 'none'" in text and "script-src 'sha256-" in text


def test_data_stays_data(make_report: Any) -> None:
    good = make_report()
    trials = good.trials.replace({"arm": {"main": ATTACK, "random": "random" + ATTACK}})
    for name in ("architecture", "origin"):
        trials[name] = trials[name] + ATTACK
    trials["reason"] = trials["reason"].where(trials["status"] == "completed", ATTACK)
    trials = trials.rename(columns={"macs": "macs" + ATTACK})
    parity = dataclasses.replace(good.finalists[0].exports[0], path=ATTACK.replace("/", "_"), format=ATTACK)
    finalist = dataclasses.replace(good.finalists[0], text=ATTACK, exports=[parity])
    bad = ReportData(
        ATTACK,
        {ATTACK: ATTACK},
        {ATTACK: ATTACK},
        {ATTACK: ATTACK},
        good.directions,
        {},
        trials,
        good.front,
        ["random" + ATTACK],
        [finalist],
        [ATTACK],
    )
    text = render(bad)
    page = Page(text)
    calm = Page(render(good))
    assert page.elements["img"] == 0
    assert page.elements["script"] == calm.elements["script"] == 2
    assert page.handlers == []
    assert page.text.count(ATTACK) > 10


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_one_objective(make_report: Any, direction: str) -> None:
    goals = {"maximize": ["accuracy"], "minimize": []} if direction == "maximize" else {"maximize": []}
    text = render(make_report(**goals))
    assert "so far" in Page(text).text and "progress" in sections(text)


def test_without_control_arms(make_report: Any) -> None:
    text = render(make_report(control_arms=()))
    Page(text)
    assert "random" not in "".join(re.findall(r'"arms":\[.*?\]', text))


def test_two_control_arms_and_limits(make_report: Any) -> None:
    data = make_report(control_arms=("random", "local_search"), limits={"latency_ms": 0.3})
    page = Page(render(data))
    assert "at most 0.300" in page.text and "local_search" in page.text


def test_a_tabular_run_without_finalists_shows_its_front(make_report: Any) -> None:
    data = make_report(finalists=0)
    text = render(data)
    assert "trained no finalists" in text and "architectures" not in sections(text)
    assert data.trials[data.trials["trial"] == data.front[0]]["architecture"].iloc[0] in Page(text).text


def test_all_trials_failed(make_report: Any) -> None:
    data = make_report(fail_every=1)
    text = render(data)
    page = Page(text)
    assert "No trial finished" in page.text
    assert sections(text) == ["result", "notes", "origins", "failed", "setup"]


def test_no_trial_at_all(make_report: Any) -> None:
    empty = pd.DataFrame(columns=[*COLUMNS, "accuracy"])
    data = dataclasses.replace(make_report(), trials=empty, front=[], finalists=[])
    text = render(data)
    Page(text)
    assert sections(text) == ["result", "notes", "setup"]


def test_one_trial(make_report: Any) -> None:
    data = make_report(trials=1, control_arms=(), fail_every=0)
    assert data.front == [0]
    Page(render(data))


def test_write_is_all_or_nothing(make_report: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_report(trials=10)
    path = write(data, tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8") == render(data)
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write(data, path)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["report.html"]
