"""The curves of a supernet's training: which there are, and their values by epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from efficient_nas.reports.display import Display, display, finite
from efficient_nas.reports.supernet_data import SupernetData

PERCENT = Display("", "", "%", 100.0, 2)
COUNT = Display("", "", "", 1.0, 0)

Series: TypeAlias = dict[str, list[float | None]]


@dataclass(frozen=True)
class Curve:
    """One quantity by epoch; `values` has None where it was not measured."""

    name: str
    values: list[float | None]


@dataclass(frozen=True)
class Chart:
    """Curves that share an axis, which `scale` labels."""

    key: str
    scale: Display
    curves: list[Curve]


def charts(data: SupernetData) -> list[Chart]:
    """The charts that have at least one value: what was trained, then what was diagnosed."""
    losses: Series = {
        "weights": [r.weight_loss for r in data.records],
        "alphas": [r.alpha_loss for r in data.records],
    }
    accuracies: Series = {
        "weights": [r.weight_accuracy for r in data.records],
        "alphas": [r.alpha_accuracy for r in data.records],
    }
    eigenvalues = {"validation loss": _diagnosed(data, "eigenvalue")}
    entropies = _by_cell(data, "entropy_share_")
    found = [
        _chart("loss", "Loss", losses),
        _chart("accuracy", "Accuracy", accuracies, PERCENT),
        _chart("skips", "Skip connections", _by_cell(data, "skips_"), COUNT),
        _chart("entropy", "Entropy of alpha", entropies, PERCENT),
        _chart("eigenvalue", "Hessian eigenvalue", eigenvalues),
    ]
    return [chart for chart in found if chart.curves]


def supernet_payload(data: SupernetData) -> dict[str, Any]:
    """What the script draws of a supernet."""
    ranks = data.ranks
    return {
        "epochs": [r.epoch for r in data.records],
        "mark": data.returned_to,
        "charts": [
            {
                "id": f"supernet-{chart.key}",
                "scale": chart.scale.for_script(),
                "curves": [{"name": c.name, "values": c.values} for c in chart.curves],
            }
            for chart in charts(data)
        ],
        "ranks": list(zip(ranks.shared, ranks.stand_alone, strict=True)) if ranks else [],
    }


def _chart(key: str, label: str, values: Series, scale: Display | None = None) -> Chart:
    curves = [Curve(name, [finite(v) for v in series]) for name, series in values.items()]
    curves = [curve for curve in curves if any(v is not None for v in curve.values)]
    scale = scale or display(key, [v for curve in curves for v in curve.values])
    return Chart(key, Display(key, label, scale.unit, scale.factor, scale.decimals), curves)


def _diagnosed(data: SupernetData, name: str) -> list[float | None]:
    return [record.diagnosis.get(name) for record in data.records]


def _by_cell(data: SupernetData, prefix: str) -> Series:
    """The quantities whose names start with `prefix`, by the rest of the name."""
    names = dict.fromkeys(n for r in data.records for n in r.diagnosis if n.startswith(prefix))
    return {name.removeprefix(prefix): _diagnosed(data, name) for name in names}
