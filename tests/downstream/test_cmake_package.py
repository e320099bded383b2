"""The headers as a C++ project sees them: each on its own, and installed by CMake without Python."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from downstream_builds import ROOT, cmake, cxx_compiler, run

INCLUDE = ROOT / "csrc" / "include"
HEADERS = sorted(path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.hpp"))
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Werror")
PROGRAM = """
#include <efficient_nas/rng.hpp>
int main() { return efficient_nas::RandomStream(7, 3).next_u64() != 0 ? 0 : 1; }
"""
PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(consumer LANGUAGES CXX)
find_package(efficient_nas {version} CONFIG REQUIRED)
add_executable(consumer consumer.cpp)
target_link_libraries(consumer PRIVATE efficient_nas::core)
"""


def test_every_header_compiles_alone() -> None:
    command = [cxx_compiler(), "-std=c++20", *WARNINGS, "-fsyntax-only", "-x", "c++", "-"]

    def errors(header: str) -> str:
        done = subprocess.run(
            [*command, "-I", str(INCLUDE)],
            input=f"#include <{header}>\n#include <{header}>\n",
            capture_output=True,
            text=True,
            check=False,
        )
        return f"{header}:\n{done.stderr}" if done.returncode != 0 else ""

    assert len(HEADERS) > 30
    with ThreadPoolExecutor(2) as pool:
        assert "".join(pool.map(errors, HEADERS)) == ""


def test_installed_by_cmake_and_moved(tmp_path: Path) -> None:
    compiler = f"-DCMAKE_CXX_COMPILER={cxx_compiler()}"
    build, installed, moved = tmp_path / "build", tmp_path / "installed", tmp_path / "moved"
    run(cmake(), "-S", ROOT, "-B", build, "-DEFFNAS_PYTHON=OFF", "-DEFFNAS_CUDA=OFF", compiler)
    run(cmake(), "--install", build, "--prefix", installed)
    assert (installed / "include" / "efficient_nas" / "rng.hpp").is_file()
    installed.rename(moved)
    for version, served in (("0.1", True), ("9.0", False)):
        folder = tmp_path / f"consumer{version}"
        folder.mkdir()
        (folder / "consumer.cpp").write_text(PROGRAM)
        (folder / "CMakeLists.txt").write_text(PROJECT.format(version=version))
        configure = [cmake(), "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={moved}", compiler]
        if not served:
            done = subprocess.run(configure, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode != 0
            assert "efficient_nas" in done.stderr
            continue
        run(*configure, cwd=folder)
        run(cmake(), "--build", "build", cwd=folder)
        run(folder / "build" / "consumer")
