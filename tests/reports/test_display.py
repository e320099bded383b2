"""Metrics are written with fitting units and digits."""

from __future__ import annotations

import pytest

from efficient_nas.reports.display import display


@pytest.mark.parametrize(
    ("name", "value", "heading", "text"),
    [
        ("accuracy", 0.9537, "Accuracy (%)", "95.37"),
        ("test_accuracy", 1.0, "Test accuracy (%)", "100.00"),
        ("latency_ms", 1.23456, "Latency (ms)", "1.235"),
        ("latency_ms", 123.456, "Latency (ms)", "123.5"),
        ("latency_ms", 0.0123456, "Latency (ms)", "0.01235"),
        ("energy_mj", 4321.0, "Energy (mJ)", "4,321"),
        ("memory_bytes", 3 * 2**20, "Memory (MiB)", "3.000"),
        ("peak_activation_bytes", 2048, "Peak activations (KiB)", "2.000"),
        ("memory_bytes", 12, "Memory (B)", "12"),
        ("macs", 117_900_000, "MACs (M)", "117.9"),
        ("params", 950, "Parameters", "950"),
        ("trial", 12, "Trial", "12"),
        ("seconds", 0.001234, "Trial time (s)", "0.001234"),
        ("val_loss", -0.25, "Val loss", "-0.2500"),
        ("score", 0.0, "Score", "0.0"),
    ],
)
def test_metric(name: str, value: float, heading: str, text: str) -> None:
    shown = display(name, [value])
    assert (shown.heading, shown.text(value)) == (heading, text)


def test_the_largest_value_decides_the_digits_of_all() -> None:
    shown = display("latency_ms", [12.3456, None, float("nan"), 0.5])
    assert [shown.text(v) for v in (12.3456, 0.5, None, float("inf"))] == ["12.35", "0.50", "–", "–"]
    assert shown.text(0.5, unit=True) == "0.50 ms"
