"""What a report shows of a supernet: its epochs, final alphas, and checks. Plain data, kept as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from efficient_nas.supernet import AlphaTable, EpochRecord
from efficient_nas.supernet.diagnosis import RankCorrelation
from efficient_nas.types import Parity

T = TypeVar("T")


@dataclass(frozen=True)
class Alphas:
    """The probabilities of one kind of cell: probabilities[e][k] of operation k on edge e."""

    operations: Sequence[str]
    edges: Sequence[str]
    probabilities: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        rows = [len(row) for row in self.probabilities]
        if rows != [len(self.operations)] * len(self.edges):
            raise ValueError(
                f"Alphas: probabilities must have {len(self.edges)} rows (edges) of {len(self.operations)} "
                f"(operations), got rows of {rows}"
            )

    @classmethod
    def of(cls, table: AlphaTable) -> Alphas:
        """The probabilities of one of `supernet.alpha_tables()`."""
        return cls(table.operations, table.edges, table.probabilities.tolist())


@dataclass(frozen=True)
class SupernetData:
    """The training of one supernet and what was checked of it.

    kind: e.g. `darts`. records: one per epoch. alphas: by kind of cell, at the end. stopped: why the
    training ended before its last epoch. returned_to: the epoch whose genotype was taken, if not the last
    one. ranks: of shared weights against training alone. parity: its `format` names the network that was
    compared with the searched one, e.g. `derived` or `onnx`. unreached: names of the architecture parameters
    and candidates that no gradient reached when that was measured last; None where it was not.
    """

    kind: str
    records: Sequence[EpochRecord]
    alphas: Mapping[str, Alphas] = field(default_factory=dict)
    stopped: str | None = None
    returned_to: int | None = None
    ranks: RankCorrelation | None = None
    parity: Sequence[Parity] = ()
    unreached: Sequence[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Values that `json.dumps` takes and `from_json` reads; null for a number that is not finite."""
        return {
            "kind": self.kind,
            "records": [record.to_json() for record in self.records],
            "alphas": {name: asdict(table) for name, table in self.alphas.items()},
            "stopped": self.stopped,
            "returned_to": self.returned_to,
            "checks": {
                "rank_correlation": _plain(self.ranks) if self.ranks else None,
                "parity": [_plain(parity) for parity in self.parity],
                "unreached": None if self.unreached is None else list(self.unreached),
            },
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SupernetData:
        """What `to_json` gave. ValueError naming fields that are missing or unknown."""
        names = ("kind", "records", "alphas", "stopped", "returned_to", "checks")
        _require("supernet", values, names)
        checks = values["checks"]
        _require("supernet: checks", checks, ("rank_correlation", "parity", "unreached"))
        ranks = checks["rank_correlation"]
        return cls(
            values["kind"],
            [EpochRecord.from_json(record) for record in values["records"]],
            {name: _made(Alphas, f"alphas.{name}", table) for name, table in values["alphas"].items()},
            values["stopped"],
            values["returned_to"],
            None if ranks is None else _made(RankCorrelation, "checks.rank_correlation", ranks),
            [_made(Parity, "checks.parity", parity) for parity in checks["parity"]],
            checks["unreached"],
        )


def _made(kind: type[T], where: str, values: Mapping[str, Any]) -> T:
    _require(f"supernet: {where}", values, [f.name for f in fields(kind)])  # type: ignore[arg-type]
    return kind(**{k: math.nan if v is None else v for k, v in values.items()})


def _plain(made: RankCorrelation | Parity) -> dict[str, Any]:
    odd = {k for k, v in asdict(made).items() if isinstance(v, float) and not math.isfinite(v)}
    return {k: None if k in odd else v for k, v in asdict(made).items()}


def _require(where: str, values: Mapping[str, Any], names: Sequence[str]) -> None:
    if set(values) != set(names):
        raise ValueError(f"{where}: fields must be {sorted(names)}, got {sorted(values)}")
