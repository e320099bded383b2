"""Examples and the code blocks of the documents run as printed, from an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if BLOCK.search(path.read_text())
]


def run(script: Path, folder: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    assert run(example, tmp_path).strip(), "an example shows what it found"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_code_of_document_runs(document: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(document.read_text())
    # The blocks of a document build on each other, so they run as one script.
    script = tmp_path / "document.py"
    script.write_text("\n".join(blocks))
    run(script, tmp_path)
