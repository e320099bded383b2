"""The C++ tests and fuzz targets of the public headers, built with CMake alone and run under sanitizers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"


def compiler_with(sanitizers: str, folder: Path) -> str | None:
    """The C++ compiler if a program of its own runs under the sanitizers."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    source, program = folder / "probe.cpp", folder / "probe"
    source.write_text("int main() { return 0; }\n")
    command = [compiler, f"-fsanitize={sanitizers}", str(source), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, check=False).returncode == 0
    return compiler if built and subprocess.run([program], check=False).returncode == 0 else None


# Under "thread" CMake builds only the tests that use threads.
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_headers_under_sanitizers(sanitizers: str, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    compiler = compiler_with(sanitizers, tmp_path)
    if compiler is None:
        pytest.skip(f"no C++ compiler that supports -fsanitize={sanitizers}")
    build = tmp_path / "build"
    run(
        *("cmake", "-S", ROOT, "-B", build, f"-DCMAKE_CXX_COMPILER={compiler}", "-DEFFNAS_PYTHON=OFF"),
        *("-DEFFNAS_CUDA=OFF", "-DEFFNAS_TESTS=ON", f"-DEFFNAS_SANITIZE={sanitizers}"),
    )
    run("cmake", "--build", build, "--parallel", str(os.cpu_count() or 1))
    run("ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error")
