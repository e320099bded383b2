"""A table of operator latencies as a cost model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from efficient_nas.devices import table_file
from efficient_nas.devices.calibration import Calibration, calibrate
from efficient_nas.devices.device import describe, quiet_measurement, resolve
from efficient_nas.devices.measurement import network_call
from efficient_nas.devices.operators import Operator, all_operators, callable_of, operators_of
from efficient_nas.devices.timing import Timing, time_in_turn
from efficient_nas.errors import TableError
from efficient_nas.graph import Architecture
from efficient_nas.protocols import Candidate
from efficient_nas.spaces import Space
from efficient_nas.threads import fixed_threads
from efficient_nas.types import Metrics, derive_seed

Progress = Callable[[int, int], None]
"""Called with (measurements done, measurements in all)."""

CALIBRATION_NETWORKS = 12
CALIBRATION_POOL = 96


@dataclass(frozen=True)
class OperatorTable:
    """Latencies of operators on one device; predicts a network as their calibrated sum.

    timings: per operator, in ms for one batch. device: `describe()` of the machine that measured. date: UTC,
    ISO 8601. batch_size and threads as measured. See `Calibration` for the model and its error.
    """

    timings: Mapping[Operator, Timing]
    device: Mapping[str, Any]
    date: str
    batch_size: int
    threads: int
    calibration: Calibration

    metrics = ("latency_ms",)

    @classmethod
    def measure(
        cls,
        operators: Iterable[Operator],
        device: str = "cpu",
        *,
        networks: Sequence[Architecture] = (),
        batch_size: int = 1,
        threads: int = 1,
        seconds: float = 6.0,
        progress: Progress | None = None,
    ) -> OperatorTable:
        """A table measured now, in about `seconds`.

        operators: see `all_operators`. networks: whole networks, measured end to end to calibrate the sum
        (fewer than 2: the plain sum); their operators are measured too. Operators and networks take turns, so
        that a slow phase of the machine touches all alike.
        """
        target = resolve(device)
        wanted = list(dict.fromkeys([*operators, *all_operators(networks)]))
        if not wanted:
            raise TableError("operator table: there are no operators to measure")
        calls: list[Callable[[], object]] = [callable_of(operator, batch_size, target) for operator in wanted]
        calls += [network_call(network, batch_size, target) for network in networks]
        with quiet_measurement(threads):
            timings = time_in_turn(calls, target, seconds, progress)
        with fixed_threads(threads):
            machine = describe(device)
        table = cls(
            dict(zip(wanted, timings, strict=False)),
            machine,
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
            batch_size,
            threads,
            Calibration(),
        )
        if len(networks) < 2:
            return table
        sums, counts = zip(*(table.operator_sum(network) for network in networks), strict=True)
        measured = [timing.median_ms for timing in timings[len(wanted) :]]
        return replace(table, calibration=calibrate(sums, counts, measured))

    @classmethod
    def for_space(
        cls,
        space: Space,
        input_shape: tuple[int, int, int],
        num_classes: int,
        macro: Mapping[str, Any] | None = None,
        *,
        device: str = "cpu",
        batch_size: int = 1,
        threads: int = 1,
        seconds: float = 6.0,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> OperatorTable:
        """A table with every operator of a space, calibrated on 12 of its architectures of all sizes."""

        def build(genotypes: Any) -> list[Architecture]:
            return [space.build(row, input_shape, num_classes, **(macro or {})) for row in genotypes]

        operators = all_operators(build(space.covering_genotypes()))
        pool = set(build(space.sample(CALIBRATION_POOL, derive_seed(seed, "calibration"))))
        ordered = sorted((a for a in pool if operators_of(a)), key=lambda a: (a.macs, a.to_json()))
        last = len(ordered) - 1
        picked = {round(i) for i in np.linspace(0, last, CALIBRATION_NETWORKS)} if ordered else set()
        return cls.measure(
            operators,
            device,
            networks=[ordered[i] for i in sorted(picked)],
            batch_size=batch_size,
            threads=threads,
            seconds=seconds,
            progress=progress,
        )

    def predict(self, candidate: Candidate) -> Metrics:
        """latency_ms of the candidate's architecture, for one batch."""
        return {"latency_ms": self.calibration.apply(*self.operator_sum(candidate.architecture))}

    def operator_sum(self, architecture: Architecture) -> tuple[float, int]:
        """Milliseconds of the architecture's operators one by one, and how many run.

        Raises TableError that names an operator which the table lacks.
        """
        total, count = 0.0, 0
        for operator, times in operators_of(architecture):
            timing = self.timings.get(operator)
            if timing is None:
                raise TableError(
                    f"operator table of {self.device.get('name')}: none of its {len(self.timings)} "
                    f"operators is {operator}"
                )
            total += times * timing.median_ms
            count += times
        return total, count

    def save(self, path: str | Path) -> None:
        """Writes the table as JSON."""
        table_file.write(Path(path), self.timings, self._facts())

    @classmethod
    def load(cls, path: str | Path) -> OperatorTable:
        """The table of a file that `save` wrote; predicts the same to the last bit.

        Raises TableError that names the file and the field for anything missing, unknown or malformed.
        """
        timings, facts = table_file.read(Path(path))
        return cls(timings, **facts)

    def describe(self) -> dict[str, Any]:
        """Device, date, settings, number of operators and calibration as plain values."""
        calibration = self.calibration
        return {
            **{name: value for name, value in self._facts().items() if name != "calibration"},
            "operators": len(self.timings),
            "calibration": {name: getattr(calibration, name) for name in calibration.__dataclass_fields__},
        }

    def _facts(self) -> dict[str, Any]:
        return {
            "device": dict(self.device),
            "date": self.date,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "calibration": self.calibration,
        }
