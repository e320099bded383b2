"""How a metric is written for a reader: its label, unit and digits, the same in tables and plots."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LABELS = {
    "macs": "MACs",
    "params": "Parameters",
    "memory_bytes": "Memory",
    "peak_activation_bytes": "Peak activations",
    "trial": "Trial",
    "seconds": "Trial time",
}
UNITS = {"_ms": "ms", "_mj": "mJ", "seconds": "s"}
BINARY = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
DECIMAL = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
COUNTS: dict[str, tuple[tuple[float, str], ...]] = {"trial": (), "macs": DECIMAL, "params": DECIMAL}
MISSING = "–"


def finite(value: float | None) -> float | None:
    """The value, or None when it is missing, NaN or infinite."""
    return float(value) if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Display:
    """A metric's way to be written: `value * factor` with `decimals` digits and `unit`."""

    name: str
    label: str
    unit: str
    factor: float
    decimals: int

    @property
    def heading(self) -> str:
        """Label with unit, e.g. `Latency (ms)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float | None, unit: bool = False) -> str:
        """The value as a reader sees it; a dash when there is none."""
        value = finite(value)
        if value is None:
            return MISSING
        digits = f"{value * self.factor:,.{self.decimals}f}"
        return f"{digits} {self.unit}".rstrip() if unit else digits

    def for_script(self, label: str | None = None) -> dict[str, str | float]:
        """What the page's script needs to write values alike; `label` in place of the metric's own."""
        return {
            "label": label or self.label,
            "unit": self.unit,
            "factor": self.factor,
            "decimals": self.decimals,
        }


def display(name: str, values: Iterable[float | None]) -> Display:
    """The display of a metric; `values` decide prefix and digits: four of them for the largest."""
    if name.endswith("accuracy"):
        return Display(name, _label(name), "%", 100.0, 2)
    largest = max((abs(v) for v in map(finite, values) if v is not None), default=0.0)
    stem, unit, scale = name, "", 1.0
    counts = name in COUNTS or name.endswith("_bytes")
    if name.endswith("_bytes"):
        stem = name.removesuffix("_bytes")
        scale, unit = next((b for b in BINARY if largest >= b[0]), (1.0, "B"))
    elif name in COUNTS:
        scale, unit = next((d for d in COUNTS[name] if largest >= d[0]), (1.0, ""))
    else:
        suffix = next((s for s in UNITS if name.endswith(s)), None)
        if suffix is not None:
            stem, unit = name.removesuffix(suffix) or name, UNITS[suffix]
    shown = largest / scale
    decimals = min(6, max(0, 3 - math.floor(math.log10(shown)))) if shown > 0 else 1
    whole = counts and scale == 1.0
    return Display(name, LABELS.get(name) or _label(stem), unit, 1 / scale, 0 if whole else decimals)


def _label(stem: str) -> str:
    words = stem.strip("_").replace("_", " ")
    return LABELS.get(stem) or words[:1].upper() + words[1:]
