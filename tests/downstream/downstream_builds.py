"""What the tests of downstream projects share: tools, copies of the examples, running commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def cxx_compiler() -> str:
    """The C++ compiler, or a skip of the test."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    return compiler


def cmake() -> str:
    """The CMake program, or a skip of the test."""
    program = shutil.which("cmake")
    if program is None:
        pytest.skip("no cmake")
    return program


def example(name: str, folder: Path) -> Path:
    """A copy of an example, so that building leaves nothing in the repository."""
    return shutil.copytree(ROOT / "examples" / name, folder / name)


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What the command prints; it must succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_python(script: str, cwd: Path) -> None:
    """Runs a script that imports what was built in `cwd`, in an interpreter of its own."""
    run(sys.executable, "-c", script, cwd=cwd, PYTHONPATH=str(cwd))
