"""The code of docs/spaces.md and examples/custom_space.py runs, and its table is true."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from efficient_nas import spaces

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "spaces.md").read_text()


def test_code_blocks_run_in_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/spaces.md", "exec"), namespace)


def test_table_holds_every_space_and_its_size() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` .*?\| [^|]*?\| ([\d,]+)", PAGE, flags=re.MULTILINE))
    assert set(rows) == {"nasbench201", "nasbench_macro", "darts", "mbconv"} <= set(spaces.available())
    for name in ("nasbench201", "nasbench_macro", "mbconv"):
        assert int(rows[name].replace(",", "")) == spaces.create(name).size
    assert f"{spaces.create('darts').size:.2e}" == "1.08e+18"


def test_example_finds_a_network_of_a_users_own_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(sys, "argv", ["custom_space.py", str(tmp_path / "run")])
    runpy.run_path(str(ROOT / "examples" / "custom_space.py"), run_name="__main__")
    assert "test accuracy 0." in capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").is_file()
