"""Costs that follow from the architecture alone."""

from __future__ import annotations

from efficient_nas.protocols import Candidate
from efficient_nas.types import Metrics


class AnalyticCosts:
    """A cost model of exact counts (docs/design/architectures.md): no device, no measurement.

    memory_bytes is what float32 inference at batch 1 holds: 4 bytes a parameter plus peak_activation_bytes.
    """

    metrics = ("macs", "params", "peak_activation_bytes", "memory_bytes")

    def predict(self, candidate: Candidate) -> Metrics:
        """The four counts of the candidate's architecture."""
        counts = {name: float(count) for name, count in candidate.costs.items()}
        return {**counts, "memory_bytes": 4 * counts["params"] + counts["peak_activation_bytes"]}
