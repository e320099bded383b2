"""The program of docs/cpp-library.md builds as printed with the installed package and agrees with Python."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from downstream_builds import ROOT, cmake, cxx_compiler, run

import efficient_nas as nas

DOCUMENT = (ROOT / "docs" / "cpp-library.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return text


def test_the_program_builds_and_searches(tmp_path: Path) -> None:
    (tmp_path / "search.cpp").write_text(block("cpp"))
    (tmp_path / "CMakeLists.txt").write_text(block("cmake"))
    run(
        *(cmake(), "-S", ".", "-B", "build", f"-DCMAKE_CXX_COMPILER={cxx_compiler()}"),
        *("-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", f"-Defficient_nas_DIR={nas.get_cmake_dir()}"),
        cwd=tmp_path,
    )
    run(cmake(), "--build", "build", cwd=tmp_path)
    child, summary, *front = run(tmp_path / "build" / "search").splitlines()

    space = nas.spaces.create("nasbench201")
    first = space.mutate(space.sample(1000, seed=0), seed=1)[0]
    length = len(space.canonical_bytes(first[None])[0])
    assert child == f"{space.to_string(first)} has {length} canonical bytes"

    evaluated, volume = re.fullmatch(r"(\d+) evaluated, hypervolume (\S+)", summary).groups()
    assert int(evaluated) == 20 * 50
    texts, *columns = zip(*(line.split() for line in front), strict=True)
    values = np.array(columns, dtype=float).T
    assert nas.pareto.hypervolume(values, np.array([60.0, 25.0])) == float(volume)
    assert nas.pareto.is_nondominated(values).all()
    rows = np.array([space.from_string(text) for text in texts])
    assert len(set(space.canonical_bytes(rows))) == len(rows) > 5


def test_the_headers_it_names_exist() -> None:
    named = re.findall(r"`([\w/]+\.hpp)`", DOCUMENT)
    folder = ROOT / "csrc" / "include" / "efficient_nas"
    headers = {path.relative_to(folder).as_posix() for path in folder.rglob("*.hpp")}
    assert len(named) > 30
    assert set(named) <= headers
