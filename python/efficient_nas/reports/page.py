"""Puts the sections, style, script and data together into one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from efficient_nas._core import __version__
from efficient_nas.reports import appendix, networks, sections
from efficient_nas.reports.data import ReportData
from efficient_nas.reports.display import Display, display
from efficient_nas.reports.markup import escape
from efficient_nas.reports.payload import displays, embed, payload
from efficient_nas.reports.progress import Progress, progress
from efficient_nas.reports.result import result
from efficient_nas.reports.supernet_section import supernet
from efficient_nas.reports.values import column, completed

SCRIPTS = ("chart.js", "pareto.js", "supernet.js", "report.js")


def render(data: ReportData) -> str:
    """The report as one HTML document: no request leaves it, and its policy forbids any."""
    scales = displays(data)
    curves = progress(data)
    found = {
        "result": ("Result", result(data, scales)),
        "notes": ("Notes", appendix.notes(data)),
        "trials": ("All trials", sections.trials(data, scales)),
        "progress": ("Progress", sections.curves(data, scales, curves)),
        "supernet": ("Supernet", supernet(data.supernet)),
        "origins": ("Who proposed what", sections.origins(data, scales)),
        "architectures": ("Architectures", networks.drawings(data)),
        "costs": ("Predicted and measured", networks.costs(data, scales)),
        "failed": ("Failed trials", appendix.failed(data)),
        "setup": ("Configuration and device", appendix.setup(data)),
    }
    present = {key: (title, body) for key, (title, body) in found.items() if body}
    body = [
        f'<section id="{key}" aria-labelledby="{key}-title"><h2 id="{key}-title">{title}</h2>\n'
        f"{content}</section>"
        for key, (title, content) in present.items()
    ]
    script = '"use strict";\n(() => {\n' + "\n".join(_static(name) for name in SCRIPTS) + "})();\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_static("page.html")).substitute(
        policy="default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        title=escape(data.title),
        style=_static("report.css"),
        first=next(iter(present)),
        subtitle=escape(_subtitle(data)),
        tiles=_tiles(data, scales, curves),
        navigation="".join(f'<a href="#{key}">{title}</a>' for key, (title, _) in present.items()),
        sections="\n".join(body),
        version=escape(__version__),
        payload=embed(payload(data, curves)),
        script=script,
    )


def write(data: ReportData, path: str | Path) -> Path:
    """Writes the report to `path`, whole or not at all; returns the path. Raises OSError."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_text(render(data), encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _static(name: str) -> str:
    return (files("efficient_nas.reports") / "static" / name).read_text(encoding="utf-8")


def _subtitle(data: ReportData) -> str:
    goals = [f"{data.directions[m]} {m}" for m in data.optimised]
    device = next((str(data.device[k]) for k in ("name", "cpu", "model") if data.device.get(k)), "")
    return " · ".join(part for part in (", ".join(goals), device) if part)


def _tiles(data: ReportData, scales: Mapping[str, Display], curves: Progress | None) -> str:
    """The run in four numbers: trials, front, best value, and progress beside the control arms."""
    trials = data.trials
    failures = int((~completed(trials)).sum())
    per_arm = ", ".join(f"{arm} {int((trials['arm'] == arm).sum()):,}" for arm in data.arms)
    tiles = [("Trials", f"{len(trials):,}", per_arm + (f"; {failures:,} failed" if failures else ""))]
    spent = display("seconds", [float(column(trials, "seconds")[~trials["seconds"].isna()].sum())])
    total = float(column(trials, "seconds")[~trials["seconds"].isna()].sum())
    tiles.append(("Evaluation time", spent.text(total, unit=True), "summed over all trials"))
    if len(data.optimised) > 1:
        tiles.append(("Front", f"{len(data.front):,}", "trials that no other trial dominates"))
    if curves is not None and curves.curves:
        tiles.append(_progress_tile(scales, curves))
    cells = "".join(
        f'<div class="tile"><dt>{escape(name)}</dt><dd class="value">{escape(value)}</dd>'
        f'<dd class="detail">{escape(detail)}</dd></div>'
        for name, value, detail in tiles
    )
    return f'<dl class="tiles">{cells}</dl>'


def _progress_tile(scales: Mapping[str, Display], curves: Progress) -> tuple[str, str, str]:
    """The main arm beside the control arms after the same number of trials."""
    same = min(curve.trials[-1] for curve in curves.curves)

    def written(value: float | None) -> str:
        if curves.metric:
            return scales[curves.metric].text(value, unit=True)
        return "–" if value is None else f"{value:.3f}"

    first, *others = curves.curves
    title = f"Best {scales[curves.metric].label.lower()}" if curves.metric else "Hypervolume"
    beside = ", ".join(f"{curve.arm} {written(curve.at(same))}" for curve in others)
    detail = f"{first.arm}, after {same:,} trials" + (f"; {beside}" if beside else "")
    return title, written(first.at(same)), detail
