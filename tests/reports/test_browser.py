"""The page in a real browser: it draws every point and curve, answers keys and clicks, logs no error."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from efficient_nas.reports import render
from efficient_nas.reports.payload import on_front

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--window-size=1200,2000",
)

Show = Callable[[str], str]


@pytest.fixture(scope="session")
def show(tmp_path_factory: pytest.TempPathFactory) -> Show:
    """Opens HTML in headless Chromium; returns the document after its scripts, with no console message."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on PATH")

    def run(text: str) -> str:
        folder = tmp_path_factory.mktemp("page")
        (folder / "report.html").write_text(text, encoding="utf-8")
        address = (folder / "report.html").as_uri()
        command = [browser, *QUIET, f"--user-data-dir={folder / 'profile'}", "--dump-dom", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert console == [], "\n".join(console)
        return done.stdout

    return run


def with_script(text: str, script: str) -> str:
    """The page with one more script at its end, which its own policy would forbid."""
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace(
        "</body>", f"<script>{script}</script></body>"
    )


def marks(document: str, name: str, arm: str) -> int:
    """Number of elements of a class that belong to an arm."""
    tags = re.findall(r"<(?:circle|path)[^>]*>", document)
    return sum(f'class="{name}' in tag and f'data-arm="{arm}"' in tag for tag in tags)


def test_every_point_and_curve_is_drawn(show: Show, make_report: Any) -> None:
    data = make_report(trials=60)
    document = show(render(data))
    front, done = on_front(data), (data.trials["status"] == "completed").to_numpy()
    for arm in ("main", "random"):
        rows = (data.trials["arm"] == arm).to_numpy()
        assert marks(document, "front-point", arm) == (front & rows).sum() > 1
        assert marks(document, "point", arm) == (done & rows & ~front).sum() > 10
        assert marks(document, "curve", arm) == 2
    assert document.count('class="front-line') == 2
    assert document.count('class="bar') > 10
    assert len(re.findall(r"<title>Rank \d: predicted", document)) == len(data.finalists)


def test_the_policy_holds_against_data(show: Show, make_report: Any) -> None:
    data = make_report(trials=20)
    attack = (
        "</script><script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">"
    )
    data.trials["architecture"] = attack
    document = show(render(data))
    assert "<title>Chains of convolutions</title>" in document and "<img" not in document
    assert marks(document, "front-point", "main") > 0


ACTIONS = """
const out = [];
const points = () => count("#pareto-chart .point, #pareto-chart .front-point");
const count = (selector) => document.querySelectorAll(selector).length;
const plot = () => document.querySelector("#pareto-chart svg");
const press = (key) => plot().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
press("End"); press("Enter"); press("ArrowLeft"); press(" ");
out.push(count(".pin"), count(".pinned-ring"));
document.querySelector(".pin button").click();
out.push(count(".pin"));
const before = points();
document.querySelectorAll("#pareto-legend button")[1].click();
out.push(before > points(), count(".curve.control"));
document.querySelectorAll("#pareto-legend button")[0].click();
out.push(document.querySelector("#pareto-chart").textContent.includes("No trial to show"));
document.querySelectorAll("#progress-legend button").forEach((_, i) =>
  document.querySelectorAll("#progress-legend button")[i].click());
out.push(before === points());
const select = document.getElementById("pareto-x");
for (const option of select.options) {
  select.value = option.value;
  select.dispatchEvent(new Event("change"));
  if (before !== points()) out.push("lost points on " + option.value);
}
document.getElementById("pareto-front").click();
out.push(count("#pareto-chart .front-point") > 0);
const box = plot().getBoundingClientRect();
const at = (type, x, y) => plot().dispatchEvent(new PointerEvent(type, {
  clientX: box.left + x * box.width, clientY: box.top + y * box.height, button: 0, bubbles: true }));
document.getElementById("pareto-all").click();
at("pointermove", 0.5, 0.5);
at("pointerdown", 0.3, 0.05); at("pointermove", 0.6, 0.5); at("pointerup", 0.6, 0.5);
out.push(before > points());
document.title = "RESULT " + JSON.stringify(out);
"""


def test_keys_legend_axes_and_zoom_work(show: Show, make_report: Any) -> None:
    document = show(with_script(render(make_report(trials=60)), ACTIONS))
    found = re.search(r"<title>RESULT (.*?)</title>", document)
    assert found is not None
    assert found[1] == "[2,2,1,true,0,true,true,true,true]"


def test_curves_and_ranks_of_a_supernet_are_drawn(show: Show, make_report: Any, supernet: Any) -> None:
    document = show(render(make_report(trials=5, supernet=supernet)))
    chart = re.findall(r'<path class="curve [^>]*data-curve="([^"]*)"', document)
    assert chart == [
        "weights",
        "alphas",
        "weights",
        "alphas",
        "normal",
        "reduce",
        "normal",
        "validation loss",
    ]
    points = re.findall(r"<title>Epoch (\d), ([^:]*): ([^<]*)</title>", document)
    assert len(points) == 6 + 5 + 6 + 5 + 3 * 6 + 3
    assert ("6", "validation loss", "0.9000") in points and ("1", "weights", "11.23 %") in points
    assert "Alone 80.00 %, shared weights 35.00 %" in document
    assert document.count(">epoch 4</text>") == 5


@pytest.mark.parametrize(
    "goals", [{"minimize": []}, {"maximize": []}, {"minimize": ["latency_ms", "params"]}]
)
def test_any_number_of_objectives_is_drawn(show: Show, make_report: Any, goals: dict[str, list[str]]) -> None:
    data = make_report(**goals)
    document = show(render(data))
    assert marks(document, "front-point", "main") == len(data.front)
    assert marks(document, "curve", "main") == 2


def test_runs_with_little_to_show_log_no_error(show: Show, make_report: Any) -> None:
    assert (
        marks(show(render(make_report(trials=1, control_arms=(), fail_every=0))), "front-point", "main") == 1
    )
    assert "No trial finished" in show(render(make_report(fail_every=1)))


def test_an_error_on_the_page_is_seen(show: Show) -> None:
    with pytest.raises(AssertionError, match="something broke"):
        show("<!doctype html><script>throw new Error('something broke')</script>")
