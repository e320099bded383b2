"""The section on a supernet: from JSON to tables and to what the script draws."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from page_reader import ATTACK, Page, sections

from efficient_nas.reports import Alphas, SupernetData, render
from efficient_nas.reports.payload import payload
from efficient_nas.supernet import DARTS
from efficient_nas.types import Parity


def drawn(report: Any) -> Any:
    return payload(report, None)["supernet"]


def test_every_value_is_in_the_page(make_report: Any, supernet: SupernetData) -> None:
    page = Page(render(make_report(supernet=supernet)))
    record = supernet.records[-1]
    for words in (
        "Supernet darts: 6 epochs in",
        "Stopped early: 2 skip connections in the normal cell.",
        "The architecture is that of epoch 4",
        f"{record.weight_loss:.3f}",
        f"{100 * record.weight_accuracy:.2f}",
        "Hessian eigenvalue",
        "sep_conv_3x3",
        "0.600",
        "Kendall’s tau +0.500, 95% interval -0.100 to +0.900 (bootstrap over 3 networks)",
        "derived",
        "✗ differs",
        "No gradient reached 2 architecture parameters or candidates",
        "normal/0->2/none",
    ):
        assert words in page.text, words
    assert max(page.ids.values()) == 1


def test_what_the_script_draws(make_report: Any, supernet: SupernetData) -> None:
    found = drawn(make_report(supernet=supernet))
    assert (found["epochs"], found["mark"]) == ([1, 2, 3, 4, 5, 6], 4)
    curves = {(c["id"], curve["name"]): curve["values"] for c in found["charts"] for curve in c["curves"]}
    assert list(curves) == [
        ("supernet-loss", "weights"),
        ("supernet-loss", "alphas"),
        ("supernet-accuracy", "weights"),
        ("supernet-accuracy", "alphas"),
        ("supernet-skips", "normal"),
        ("supernet-skips", "reduce"),
        ("supernet-entropy", "normal"),
        ("supernet-eigenvalue", "validation loss"),
    ]
    assert curves["supernet-loss", "weights"] == [r.weight_loss for r in supernet.records]
    assert curves["supernet-loss", "alphas"][:2] == [None, supernet.records[1].alpha_loss]
    assert curves["supernet-eigenvalue", "validation loss"] == [None, 0.2, None, 0.3, None, 0.9]
    assert found["ranks"] == [(0.3, 0.6), (0.4, 0.7), (0.35, 0.8)]


def test_runs_without_a_supernet_or_its_checks(make_report: Any, supernet: SupernetData) -> None:
    assert "supernet" not in sections(render(make_report()))
    records = [
        dataclasses.replace(r, alpha_loss=None, alpha_accuracy=None, diagnosis={}) for r in supernet.records
    ]
    bare = SupernetData("single_path", records[:1])
    report = make_report(supernet=bare)
    text = render(report)
    page = Page(text)
    assert "gradient" not in page.text
    calm = dataclasses.replace(bare, unreached=[])
    assert "gradient reached every architecture" in render(make_report(supernet=calm))
    assert "supernet" in sections(text) and "Supernet single_path: 1 epoch in" in page.text
    assert (
        "Kendall" not in page.text
        and "Searched" not in page.text
        and "Architecture parameters" not in page.text
    )
    assert [c["id"] for c in drawn(report)["charts"]] == ["supernet-loss", "supernet-accuracy"]


def test_norms_of_pools_are_no_failure(make_report: Any, supernet: SupernetData) -> None:
    parities = [Parity("norms of pools", "", 0.1, 1e-5, False), Parity("derived", "", 1e-7, 1e-5, True)]
    text = render(make_report(supernet=dataclasses.replace(supernet, parity=parities)))
    section = text[text.index("Searched, derived, exported") :]
    section = section[: section.index("</table>")]
    assert "left out, as published" in section and "✗ differs" not in section and "✓ same" in section
    assert "derives networks without" in section
    parities[1] = dataclasses.replace(parities[1], ok=False)
    assert "✗ differs" in render(make_report(supernet=dataclasses.replace(supernet, parity=parities)))


def test_long_trainings_keep_their_last_epoch(make_report: Any, supernet: SupernetData) -> None:
    records = [dataclasses.replace(supernet.records[0], epoch=i) for i in range(1, 252)]
    text = render(make_report(supernet=SupernetData("darts", records)))
    table = re.search(r"<caption>Training and diagnosis by epoch.*?</table>", text, re.S)
    assert table is not None
    epochs = [int(n) for n in re.findall(r"<tr><td>(\d+)</td>", table[0])]
    assert epochs[-1] == 251 and len(epochs) <= 100 and set(np.diff(epochs)) == {3}


def test_data_stays_data(make_report: Any, supernet: SupernetData) -> None:
    alphas = supernet.alphas["normal"]
    bad = dataclasses.replace(
        supernet,
        kind=ATTACK,
        stopped=ATTACK,
        alphas={ATTACK: dataclasses.replace(alphas, operations=[ATTACK] * 3, edges=[ATTACK] * 2)},
        records=[dataclasses.replace(r, diagnosis={"skips_" + ATTACK: 1.0}) for r in supernet.records],
        parity=[dataclasses.replace(supernet.parity[0], format=ATTACK)],
        unreached=[ATTACK],
    )
    page, calm = Page(render(make_report(supernet=bad))), Page(render(make_report(supernet=supernet)))
    assert page.elements["img"] == 0 and page.handlers == []
    assert page.elements["script"] == calm.elements["script"] == 2
    assert page.text.count(ATTACK) >= 10


def test_json_and_back(supernet: SupernetData) -> None:
    again = SupernetData.from_json(json.loads(json.dumps(supernet.to_json(), allow_nan=False)))
    assert json.dumps(again.to_json()) == json.dumps(supernet.to_json())
    assert again.records == supernet.records and again.returned_to == 4
    assert again.unreached == supernet.unreached
    assert again.alphas["normal"].probabilities == supernet.alphas["normal"].probabilities


def test_numbers_that_json_lacks_come_back_as_nan(supernet: SupernetData) -> None:
    assert supernet.ranks is not None
    odd = dataclasses.replace(
        supernet,
        ranks=dataclasses.replace(supernet.ranks, tau=math.nan),
        parity=[dataclasses.replace(supernet.parity[0], max_abs_error=math.inf)],
    )
    again = SupernetData.from_json(json.loads(json.dumps(odd.to_json(), allow_nan=False)))
    assert again.ranks is not None and math.isnan(again.ranks.tau) and again.ranks.low == supernet.ranks.low
    assert math.isnan(again.parity[0].max_abs_error) and not again.parity[0].ok


@pytest.mark.parametrize("where", ["", "checks", "alphas.normal"])
def test_unknown_fields_are_named(supernet: SupernetData, where: str) -> None:
    values = json.loads(json.dumps(supernet.to_json()))
    inner = values
    for name in filter(None, where.split(".")):
        inner = inner[name]
    inner["colour"] = 1
    with pytest.raises(ValueError, match=r"fields must be .*, got .*'colour'"):
        SupernetData.from_json(values)


def test_alphas_of_a_supernet() -> None:
    network = DARTS(4, 3, 4, (3, 8, 8))
    tables = network.alpha_tables()
    data = SupernetData("darts", [], {name: Alphas.of(table) for name, table in tables.items()})
    again = SupernetData.from_json(json.loads(json.dumps(data.to_json())))
    assert list(again.alphas) == ["normal", "reduce"]
    for name, alphas in again.alphas.items():
        torch.testing.assert_close(torch.tensor(alphas.probabilities), tables[name].probabilities)
        assert tuple(alphas.edges) == tables[name].edges and alphas.operations[0] == "none"


def test_alphas_have_a_row_for_each_edge(supernet: SupernetData) -> None:
    with pytest.raises(ValueError, match=r"2 rows \(edges\) of 3 \(operations\), got rows of \[3\]"):
        dataclasses.replace(supernet.alphas["normal"], probabilities=[[0.2, 0.3, 0.5]])
