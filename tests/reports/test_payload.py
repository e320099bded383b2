"""What the script gets: every point it must draw, and nothing that could end its element."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from efficient_nas import pareto
from efficient_nas.reports import ReportData
from efficient_nas.reports.payload import MAX_POINTS, embed, payload, shown
from efficient_nas.reports.progress import progress


def made(data: ReportData) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(embed(payload(data, progress(data))))
    return result


def test_finished_trials_are_points_and_failed_ones_are_not(make_report: Any) -> None:
    data = make_report()
    trials = made(data)["trials"]
    done = data.trials[data.trials["status"] == "completed"]
    assert trials["text"] == done["architecture"].tolist()
    assert trials["values"]["trial"] == done["trial"].tolist()
    assert trials["values"]["accuracy"] == pytest.approx(done["accuracy"].tolist(), rel=1e-5)
    assert all(len(trials[k]) == len(done) for k in ("arm", "origin", "stage", "feasible", "front"))


def test_fronts_are_marked_for_every_arm(make_report: Any) -> None:
    data = make_report()
    result = made(data)
    trials = result["trials"]
    for index, arm in enumerate(["main", "random"]):
        rows = data.trials[(data.trials["arm"] == arm) & (data.trials["status"] == "completed")]
        values = np.stack([-rows["accuracy"], rows["latency_ms"]], axis=1)
        marks = [f for f, a in zip(trials["front"], trials["arm"], strict=True) if a == index]
        assert marks == pareto.is_nondominated(values).astype(int).tolist()
    assert result["arms"] == [{"name": "main", "main": True}, {"name": "random", "main": False}]
    assert result["axes"] == {"x": "latency_ms", "y": "accuracy"}


def test_the_axes_can_be_chosen(make_report: Any) -> None:
    assert made(make_report(axes=["macs", "params"]))["axes"] == {"x": "macs", "y": "params"}
    assert made(make_report(minimize=[]))["axes"] == {"x": "trial", "y": "accuracy"}


def test_only_costs_are_predicted_and_measured(make_report: Any) -> None:
    assert [pair["label"] for pair in made(make_report())["pairs"]] == ["Latency"]


def test_limits_mark_what_breaks_them(make_report: Any) -> None:
    data = make_report(limits={"latency_ms": 0.3})
    result = made(data)
    latency = result["trials"]["values"]["latency_ms"]
    assert result["trials"]["feasible"] == [int(v <= 0.3) for v in latency]
    assert {m["name"]: m["limit"] for m in result["metrics"]}["latency_ms"] == 0.3
    marked = zip(result["trials"]["front"], result["trials"]["feasible"], strict=True)
    assert all(ok for front, ok in marked if front)


def test_history_counts_every_proposal_once(make_report: Any) -> None:
    data = make_report(trials=130)
    history = made(data)["history"]
    main = data.trials[data.trials["arm"] == "main"]
    assert history["trials"] == 130 and len(history["counts"][0]) <= 60
    for origin, counts in zip(history["origins"], history["counts"], strict=True):
        assert sum(counts) == (main["origin"] == origin).sum()
    totals = np.sum(history["counts"], axis=0)
    assert totals[:-1].tolist() == [history["width"]] * (len(totals) - 1)


def test_stages_start_where_their_first_trial_is(make_report: Any) -> None:
    data = make_report(trials=40)
    seconds = data.trials[data.trials["arm"] == "main"]["seconds"][:20].sum()
    assert made(data)["stages"] == [{"stage": 1, "trials": 20, "seconds": pytest.approx(seconds)}]


def many(count: int) -> ReportData:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "arm": np.where(np.arange(count) % 2, "main", "random"),
            "trial": np.arange(count) // 2,
            "stage": 0,
            "origin": "mutation",
            "architecture": [f"cell {i}" for i in range(count)],
            "status": "completed",
            "reason": None,
            "seconds": 0.1,
            "accuracy": rng.random(count),
            "latency_ms": rng.random(count),
        }
    )
    main = frame[frame["arm"] == "main"]
    best = pareto.is_nondominated(np.stack([-main["accuracy"], main["latency_ms"]], axis=1))
    directions = {"accuracy": "maximize", "latency_ms": "minimize"}
    front = main["trial"][best].tolist()
    return ReportData("many", {}, {}, {}, directions, {}, frame, front, ["random"], [])


def test_thousands_of_trials_are_thinned_but_no_front_is() -> None:
    data = many(20_001)
    rows = shown(data)
    assert rows.sum() == MAX_POINTS
    everything = payload(data, None)["trials"]
    assert len(everything["text"]) == MAX_POINTS
    for arm in ("main", "random"):
        part = data.trials[(data.trials["arm"] == arm).to_numpy() & rows]
        whole = data.trials[data.trials["arm"] == arm]
        for frame in (part, whole):
            best = pareto.is_nondominated(np.stack([-frame["accuracy"], frame["latency_ms"]], axis=1))
            assert set(frame["trial"][best]) == set(
                whole["trial"][
                    pareto.is_nondominated(np.stack([-whole["accuracy"], whole["latency_ms"]], axis=1))
                ]
            )
    assert shown(many(5000)).all()


def test_json_cannot_leave_its_element() -> None:
    text = embed({"reason": "</script><!--<script>&amp;\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"reason": "</script><!--<script>&amp;\u2028\u2029"}


def test_odd_numbers_become_null(make_report: Any) -> None:
    data = make_report(fail_every=0)
    frame = data.trials.copy()
    frame.loc[0, "accuracy"] = np.inf
    frame.loc[1, "macs"] = np.nan
    odd = ReportData(
        "t", {}, {}, {}, data.directions, {"latency_ms": float("inf")}, frame, [], ["random"], []
    )
    values = made(odd)["trials"]["values"]
    assert values["accuracy"][0] is None and values["macs"][1] is None
