"""Looks results up in a table of architectures that were trained before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from efficient_nas.errors import TableError, TrialFailed
from efficient_nas.evaluators.tables import Columns, as_numbers, column, read_table
from efficient_nas.protocols import Candidate, SearchSpace
from efficient_nas.types import Genotype, Metrics

GENOTYPE_ARRAY = "genotypes"


class Tabular:
    """An evaluator that returns the metrics of a table's row.

    table_path: .csv, .csv.gz, .parquet or .npz. Each row is one architecture, either in a column of the
        space's own notation (`architecture` unless `columns` says otherwise) or as a genotype: one column of
        option indices per choice (named by `columns["genotype"]`, else by the space's choices), in an NPZ
        file also one array `genotypes` [n, num_choices].
    metric: the column that is searched on as `accuracy`, or a mapping from metric names to columns.
    columns: other names for columns, e.g. `{"architecture": "cellstr", "val": "cifar10-val"}`;
        `metric` and `report` may then use the name on the left.
    report: columns that are only reported, never searched on.
    scale: factor for every metric and every numeric report column, e.g. 0.01 for percent; or one factor per
        name (1 for the others).

    A lookup finds the row of the very genotype; where the table lacks it, the first row of an isomorphic
    architecture (equal canonical bytes) answers, and where there is none the trial fails. A row whose metric
    is not a finite number makes its trial fail with that reason. Rows are counted from 1 below the header.
    Raises TableError before any lookup for whatever makes the table unusable.
    """

    def __init__(
        self,
        table_path: str | Path,
        space: SearchSpace,
        metric: str | Mapping[str, str] = "accuracy",
        columns: Mapping[str, str | Sequence[str]] | None = None,
        report: Sequence[str] = (),
        scale: float | Mapping[str, float] = 1.0,
    ) -> None:
        self.path = str(table_path)
        self.space = space
        self._names = dict(columns or {})
        metrics = {"accuracy": metric} if isinstance(metric, str) else dict(metric)
        if not metrics:
            raise TableError("table: metric must name at least one column to search on")
        if isinstance(report, str):
            raise TableError(f"table: report must be a list of columns, got the text {report!r}")
        self._check_names(metrics, report)
        factors = _factors(scale, [*metrics, *report])

        data = read_table(self.path)
        self._genotypes = self._read_genotypes(data)
        self._metrics = {name: self._numbers(data, source, factors[name]) for name, source in metrics.items()}
        self._report = {name: self._report_column(data, name, factors[name]) for name in report}
        self._check_accuracy()
        self._rows = self._index()
        self._classes: dict[bytes, int] | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `evaluate` returns."""
        return tuple(self._metrics)

    @property
    def genotypes(self) -> npt.NDArray[np.uint8]:
        """The table's architectures, uint8 [rows, num_choices], in the order of its rows."""
        return self._genotypes

    def values(self, metric: str = "accuracy") -> npt.NDArray[np.float64]:
        """One metric of all rows, float64 [rows]; NaN or infinite where the table has no number."""
        return np.array(self._metrics[metric], dtype=np.float64)

    def describe(self) -> dict[str, Any]:
        """What the table holds: rows, share of the space's genotypes, rows without a finite metric."""
        finite = np.all([np.isfinite(values) for values in self._metrics.values()], axis=0)
        return {
            "table": self.path,
            "rows": len(self._genotypes),
            "coverage": len(self._genotypes) / self.space.size,
            "invalid_rows": int((~finite).sum()),
            "metrics": list(self._metrics),
            "report": list(self._report),
        }

    def evaluate(self, candidate: Candidate, seed: int) -> Metrics:
        """The row's metrics, whatever the seed. Raises TrialFailed where the row or a number is missing."""
        row = self._row(candidate)
        metrics = {name: values[row] for name, values in self._metrics.items()}
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise TrialFailed(f"{name} is {value} in row {row + 1} of {self.path}")
        return metrics

    def report(self, candidate: Candidate) -> dict[str, Any]:
        """The row's report-only values; numbers that are missing in the table are left out."""
        row = self._row(candidate)
        values = {name: column[row] for name, column in self._report.items()}
        return {name: v for name, v in values.items() if isinstance(v, str) or math.isfinite(v)}

    def _row(self, candidate: Candidate) -> int:
        row = self._rows.get(candidate.genotype.tobytes())
        if row is None:
            row = self._class_row(candidate.genotype)
        if row is None:
            raise TrialFailed(f"{self.path} has no row for {candidate.text}")
        return row

    def _class_row(self, genotype: Genotype) -> int | None:
        if self._classes is None:
            self._classes = {}
            for row, key in enumerate(self.space.canonical_bytes(self._genotypes)):
                self._classes.setdefault(key, row)
        return self._classes.get(self.space.canonical_bytes(genotype[None])[0])

    # ---- reading

    def _check_names(self, metrics: Mapping[str, str], report: Sequence[str]) -> None:
        used = {"architecture", "genotype", *metrics.values(), *report}
        for name in self._names:
            if name not in used:
                raise TableError(
                    f"table: columns has {name!r}, which is neither architecture, genotype, metric nor report"
                )

    def _column(self, data: Columns, name: str, role: str) -> npt.NDArray[Any]:
        source = self._names.get(name, name)
        if not isinstance(source, str):
            raise TableError(f"table: columns[{name!r}] must be one column name, got {source!r}")
        return column(data, source, self.path, role)

    def _numbers(self, data: Columns, name: str, factor: float) -> list[float]:
        """The column as Python floats (a lookup then costs no numpy scalar); NaN where it has no number."""
        values = as_numbers(self._column(data, name, "metric"))
        if not np.isfinite(values).any():
            raise TableError(f"table: column {name!r} of {self.path} holds no finite number")
        return [float(v) for v in values * factor]

    def _report_column(self, data: Columns, name: str, factor: float) -> list[Any]:
        cells = self._column(data, name, "report")
        numbers = as_numbers(cells)
        if np.isfinite(numbers).any():
            return [float(v) for v in numbers * factor]
        return [str(cell) for cell in cells]

    def _check_accuracy(self) -> None:
        values = np.array(self._metrics.get("accuracy", [0.0]))
        finite = values[np.isfinite(values)]
        if finite.min() < 0 or finite.max() > 1:
            percent = "; is it in percent? Then set scale: 0.01" if 1 < finite.max() <= 100 else ""
            raise TableError(
                f"table: accuracy must lie in [0, 1], {self.path} has {finite.min():g} to {finite.max():g}"
                + percent
            )

    def _read_genotypes(self, data: Columns) -> npt.NDArray[np.uint8]:
        choices = [choice.name for choice in getattr(self.space, "choices", ())]
        named = self._names.get("genotype")
        if named is not None:
            if "architecture" in self._names:
                raise TableError("table: columns may name architecture or genotype, not both")
            if isinstance(named, str):
                return self._checked(_stack([self._column(data, "genotype", "genotype")]))
            return self._checked(_stack([column(data, name, self.path, "genotype") for name in named]))
        if "architecture" not in self._names and "architecture" not in data:
            if GENOTYPE_ARRAY in data:
                return self._checked(data[GENOTYPE_ARRAY])
            if choices and all(name in data for name in choices):
                return self._checked(_stack([data[name] for name in choices]))
        return self._parse(self._column(data, "architecture", "architecture in the space's own notation"))

    def _parse(self, texts: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        rows = np.empty((len(texts), self.space.num_choices), dtype=np.uint8)
        for i, text in enumerate(texts):
            try:
                rows[i] = self.space.from_string(str(text))
            except ValueError as error:
                raise TableError(
                    f"table: row {i + 1} of {self.path} is no architecture of {self.space.name}: {error}"
                ) from error
        return rows

    def _checked(self, cells: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        expected = self.space.num_choices
        if cells.ndim != 2 or cells.shape[1] != expected:
            raise TableError(
                f"table: genotypes of {self.path} must have shape [rows, {expected}], got {list(cells.shape)}"
            )
        numbers = as_numbers(cells)
        bad = np.flatnonzero(~np.all((numbers >= 0) & (numbers <= 255) & (numbers % 1 == 0), axis=1))
        if bad.size:
            raise TableError(
                f"table: row {bad[0] + 1} of {self.path} holds no option indices: {cells[bad[0]].tolist()}"
            )
        genotypes = np.ascontiguousarray(numbers.astype(np.uint8))
        invalid = np.flatnonzero(~self.space.validate(genotypes))
        if invalid.size:
            raise TableError(
                f"table: row {invalid[0] + 1} of {self.path} is not valid in the space {self.space.name}: "
                f"{genotypes[invalid[0]].tolist()}"
            )
        return genotypes

    def _index(self) -> dict[bytes, int]:
        width = self._genotypes.shape[1]
        raw = self._genotypes.tobytes()
        rows: dict[bytes, int] = {}
        for row in range(len(self._genotypes)):
            first = rows.setdefault(raw[row * width : (row + 1) * width], row)
            if first != row:
                raise TableError(
                    f"table: rows {first + 1} and {row + 1} of {self.path} are the same architecture "
                    f"{self.space.to_string(self._genotypes[row])}"
                )
        return rows


def _stack(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return columns[0] if columns[0].ndim == 2 and len(columns) == 1 else np.stack(columns, axis=1)


def _factors(scale: float | Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    given = dict(scale) if isinstance(scale, Mapping) else dict.fromkeys(names, scale)
    for name, factor in given.items():
        if name not in names:
            raise TableError(f"table: scale names {name!r}, allowed are {list(names)}")
        numeric = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not numeric or not np.isfinite(factor) or factor == 0:
            raise TableError(f"table: scale must be a finite number other than 0, got {factor!r}")
    return {name: float(given.get(name, 1.0)) for name in names}
