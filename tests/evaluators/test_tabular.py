"""Tables of results: every format, every kind of damage, and the real NAS-Bench-201 table."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from efficient_nas import spaces
from efficient_nas.errors import TableError, TrialFailed
from efficient_nas.evaluators import Tabular
from efficient_nas.graph import Architecture, ArchNode
from efficient_nas.spaces import Candidate, Choice, Space


def build(values: dict[str, Any], input_shape: tuple[int, int, int], num_classes: int) -> Architecture:
    """Two operations side by side, summed: swapping them gives an isomorphic network."""
    nodes = [
        ArchNode("input", 3, 3),
        ArchNode(values["left"], 3, 3),
        ArchNode(values["right"], 3, 3),
        ArchNode("output", 3, 3),
    ]
    return Architecture(nodes, [(0, 1), (0, 2), (1, 3), (2, 3)], input_shape)


OPERATIONS = ["nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
SPACE = Space([Choice("left", OPERATIONS), Choice("right", OPERATIONS)], build=build, name="pairs")
ROWS = SPACE.enumerate()
TEXTS = [SPACE.to_string(row) for row in ROWS]
FRAME = pd.DataFrame(
    {
        "architecture": TEXTS,
        "left": ROWS[:, 0],
        "right": ROWS[:, 1],
        "val": np.linspace(0.1, 0.9, 9),
        "test": np.linspace(0.2, 0.95, 9),
        "latency": np.arange(9) + 1.5,
        "note": [f"n{i}" for i in range(9)],
    }
)


def candidate(row: Any) -> Candidate:
    return Candidate(SPACE, np.asarray(row, dtype=np.uint8))


def write(folder: Path, frame: pd.DataFrame, suffix: str = ".csv") -> Path:
    path = folder / f"table{suffix}"
    if suffix in {".csv", ".csv.gz"}:
        frame.to_csv(path, index=False)
    elif suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    else:
        columns = {name: frame[name].to_numpy() for name in frame.columns}
        np.savez(path, **{n: c.astype(str) if c.dtype == object else c for n, c in columns.items()})
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".npz"])
def test_every_format_gives_the_same_metrics(tmp_path: Path, suffix: str) -> None:
    frame = FRAME.astype({"architecture": object, "note": object})
    table = Tabular(write(tmp_path, frame, suffix), SPACE, metric="val", report=["test", "note"])
    for i, row in enumerate(ROWS):
        assert table.evaluate(candidate(row), i) == {"accuracy": FRAME.val[i]}
        assert table.report(candidate(row)) == {"test": FRAME.test[i], "note": f"n{i}"}
    assert np.array_equal(table.genotypes, ROWS)
    assert np.array_equal(table.values(), FRAME.val)
    described = table.describe()
    assert (described["rows"], described["coverage"], described["invalid_rows"]) == (9, 1.0, 0)


def test_columns_metrics_and_scales_are_mapped(tmp_path: Path) -> None:
    frame = FRAME.rename(columns={"architecture": "cell", "val": "cifar-val"}).drop(columns=["left", "right"])
    frame["cifar-val"] *= 100
    path = write(tmp_path, frame)
    columns = {"architecture": "cell", "val": "cifar-val"}
    table = Tabular(
        path,
        SPACE,
        metric={"accuracy": "val", "latency_ms": "latency"},
        columns=columns,
        report=["test"],
        scale={"accuracy": 0.01},
    )
    assert table.metrics == ("accuracy", "latency_ms")
    assert table.evaluate(candidate(ROWS[4]), 0) == {
        "accuracy": pytest.approx(FRAME.val[4]),
        "latency_ms": FRAME.latency[4],
    }
    assert table.report(candidate(ROWS[4])) == {"test": FRAME.test[4]}
    both = Tabular(
        path, SPACE, metric="cifar-val", columns={"architecture": "cell"}, report=["test"], scale=0.01
    )
    assert both.report(candidate(ROWS[4]))["test"] == pytest.approx(FRAME.test[4] / 100)


def test_genotype_columns_take_the_place_of_texts(tmp_path: Path) -> None:
    by_name = Tabular(write(tmp_path, FRAME.drop(columns="architecture")), SPACE, metric="val")
    renamed = FRAME.rename(columns={"left": "a", "right": "b"})
    explicit = Tabular(write(tmp_path, renamed), SPACE, metric="val", columns={"genotype": ["a", "b"]})
    np.savez(tmp_path / "array.npz", genotypes=ROWS, val=FRAME.val)
    array = Tabular(tmp_path / "array.npz", SPACE, metric="val")
    for table in (by_name, explicit, array):
        assert np.array_equal(table.genotypes, ROWS)
        assert table.evaluate(candidate(ROWS[5]), 0) == {"accuracy": FRAME.val[5]}


def test_an_isomorphic_row_answers_where_the_very_genotype_is_missing(tmp_path: Path) -> None:
    left_first = [i for i, (a, b) in enumerate(ROWS) if a <= b]
    table = Tabular(write(tmp_path, FRAME.iloc[left_first]), SPACE, metric="val")
    swapped = table.evaluate(candidate([2, 0]), 0)
    assert swapped == table.evaluate(candidate([0, 2]), 0)
    both = Tabular(write(tmp_path, FRAME), SPACE, metric="val")
    assert both.evaluate(candidate([2, 0]), 0) != both.evaluate(candidate([0, 2]), 0)
    assert table.describe()["coverage"] == pytest.approx(6 / 9)


def test_a_missing_architecture_fails_its_trial(tmp_path: Path) -> None:
    table = Tabular(write(tmp_path, FRAME.iloc[:3]), SPACE, metric="val")
    with pytest.raises(TrialFailed, match="no row for left=avg_pool_3x3,right=avg_pool_3x3"):
        table.evaluate(candidate([2, 2]), 0)


def test_rows_without_a_number_fail_their_trials_only(tmp_path: Path) -> None:
    frame = FRAME.astype({"val": object})
    frame.loc[[2, 5, 7], "val"] = ["nan", "", "failed"]
    frame.loc[3, "test"] = np.nan
    table = Tabular(write(tmp_path, frame), SPACE, metric="val", report=["test"])
    assert table.describe()["invalid_rows"] == 3
    for i in (2, 5, 7):
        with pytest.raises(TrialFailed, match=f"accuracy is nan in row {i + 1} of"):
            table.evaluate(candidate(ROWS[i]), 0)
    assert table.evaluate(candidate(ROWS[3]), 0) == {"accuracy": FRAME.val[3]}
    assert table.report(candidate(ROWS[3])) == {}


def test_a_table_survives_pickling(tmp_path: Path) -> None:
    path = write(tmp_path, FRAME)
    table = pickle.loads(pickle.dumps(Tabular(path, SPACE, metric="val", report=["test"])))
    path.unlink()
    assert table.evaluate(candidate(ROWS[1]), 0) == {"accuracy": FRAME.val[1]}
    assert table.report(candidate(ROWS[1])) == {"test": FRAME.test[1]}


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[[3]]])


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (lambda f: f, {"metric": "vall"}, "no column 'vall' .*did you mean val"),
        (lambda f: f, {"report": ["tets"]}, "no column 'tets' .*did you mean test"),
        (lambda f: f, {"report": "test"}, "report must be a list"),
        (lambda f: f, {"columns": {"architecture": "arch"}}, "no column 'arch' .*'architecture'"),
        (lambda f: f, {"columns": {"architektur": "architecture"}}, "columns has 'architektur'"),
        (lambda f: f, {"columns": {"architecture": "left"}}, "row 1 of .* is no architecture of pairs"),
        (lambda f: f, {"columns": {"architecture": "val", "genotype": ["left"]}}, "not both"),
        (lambda f: f, {"columns": {"genotype": ["left"]}}, r"shape \[rows, 2\], got \[9, 1\]"),
        (lambda f: f, {"columns": {"genotype": ["left", "note"]}}, "row 1 of .* no option indices"),
        (
            lambda f: f.assign(left=f.left + 1),
            {"columns": {"genotype": ["left", "right"]}},
            "row 7 .* not valid",
        ),
        (lambda f: f.assign(val=f.val * 100), {}, "scale: 0.01"),
        (lambda f: f.assign(val=f.val - 1), {}, r"accuracy must lie in \[0, 1\]"),
        (lambda f: f, {"metric": "note"}, "'note' .* holds no finite number"),
        (lambda f: f, {"metric": {}}, "at least one column"),
        (lambda f: f, {"scale": 0}, "scale must"),
        (lambda f: f, {"scale": {"acc": 1.0}}, "scale names 'acc'"),
        (lambda f: f.iloc[:0], {}, "has no rows"),
        (twice, {}, "rows 4 and 10 of .* are the same architecture left=nor_conv_3x3"),
    ],
)
def test_wrong_tables_and_options_are_refused(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], options: dict[str, Any], reason: str
) -> None:
    path = write(tmp_path, change(FRAME))
    with pytest.raises(TableError, match=reason):
        Tabular(path, SPACE, **{"metric": "val", **options})


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path, FRAME, ".csv.gz").read_bytes()
    text = gzip.decompress(whole)
    lines = text.decode().splitlines()
    contents = {
        "empty.csv": (b"", "is empty"),
        "header.csv": (lines[0].encode(), "has no rows"),
        "blank.csv": (b"\n\n", "has no rows"),
        "cut.csv.gz": (whole[:-30], "truncated or damaged gzip"),
        "plain.csv.gz": (text, "truncated or damaged gzip"),
        "cut.csv": (text[: text.index(b",n4")], "row 5 of .* has 6 fields, the header 7"),
        "quote.csv": (text[: text.rindex(b'"')], "not a well-formed CSV"),
        "wide.csv": (text.replace(b"n3", b"n,3"), "row 4 of .* has 8 fields, the header 7"),
        "twice.csv": (text.replace(b"note", b"val"), "'val' more than once"),
        "latin.csv": (b"architecture,val\n\xe4,1\n", "not UTF-8"),
        "table.npz": (b"PK\x03\x04broken", "not a readable NPZ"),
        "table.txt": (text, "must end in one of"),
    }
    for name, (content, reason) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TableError, match=reason):
            Tabular(tmp_path / name, SPACE, metric="val")
    with pytest.raises(TableError, match=r"is not a file .did you mean empty\.csv"):
        Tabular(tmp_path / "emty.csv", SPACE)
    with pytest.raises(TableError, match="there is no folder"):
        Tabular(tmp_path / "none" / "table.csv", SPACE)
    with pytest.raises(TableError, match="is not a file"):
        Tabular(tmp_path, SPACE)


def test_pickled_and_uneven_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, architecture=np.array(TEXTS, dtype=object), val=FRAME.val)
    with pytest.raises(TableError, match="nothing pickled"):
        Tabular(path, SPACE, metric="val")
    np.savez(path, genotypes=ROWS[:5], val=FRAME.val)
    with pytest.raises(TableError, match="one common length"):
        Tabular(path, SPACE, metric="val")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TableError, match="not a readable NPZ"):
        Tabular(path, SPACE, metric="val")


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, FRAME.astype({"note": object}), ".parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    with pytest.raises(TableError, match="not a readable Parquet"):
        Tabular(path, SPACE, metric="val")


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, FRAME.astype({"note": object}), ".parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(TableError, match=r"efficient-nas\[tables\]"):
        Tabular(path, SPACE, metric="val")


def test_the_real_nasbench201_table(data_dir: Path) -> None:
    path = data_dir / "nasbench201_accuracy" / "mini_nasbench201_12epochs.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    space = spaces.create("nasbench201")
    columns = {"architecture": "cellstr", "val": "cifar10-val", "test": "cifar10-test"}
    table = Tabular(path, space, metric="val", columns=columns, report=["test"], scale=0.01)
    frame = pd.read_csv(path)
    described = table.describe()
    assert (described["rows"], described["coverage"], described["invalid_rows"]) == (15625, 1.0, 0)
    assert np.array_equal(table.values(), frame["cifar10-val"].to_numpy() * 0.01)
    for row in (0, 1, 6111, 15624):
        found = Candidate(space, space.from_string(frame["cellstr"][row]))
        assert table.evaluate(found, 0) == {"accuracy": frame["cifar10-val"][row] * 0.01}
        assert table.report(found) == {"test": frame["cifar10-test"][row] * 0.01}
        assert space.to_string(table.genotypes[row]) == frame["cellstr"][row]
    with pytest.raises(TableError, match=r"row 1 of .* is no architecture of nasbench201"):
        Tabular(path, space, metric="cifar10-val", columns={"architecture": "arch"}, scale=0.01)
