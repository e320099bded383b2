"""Imports and includes point downwards only; siblings never import each other (docs/design/layers.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "efficient_nas"

LAYERS = [
    {"checks", "errors", "files", "parity", "threads", "types", "protocols"},
    {"_core"},
    {"candidates", "installation", "pareto"},
    {"graph"},
    {"ops", "spaces", "objectives", "ledger", "evolution"},
    {"supernet", "predictors", "progressive", "controllers", "devices"},
    {"evaluators"},
    {"execution"},
    {"reports", "export"},
    {"recipes"},
    {"testing", "cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
HEADERS = ROOT / "csrc" / "include" / "efficient_nas"
HEADER_LEVEL = {"": 0, "pareto": 1, "graph": 1, "space": 2, "evolution": 3}
HEADER_ONLY = re.compile(r"nanobind|Python\.h|torch|ATen|cuda")


def rooms(tree: ast.Module) -> set[str]:
    """The rooms of the package (`spaces` for `efficient_nas.spaces.x`) that a module imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which layer is meant"
            module = node.module or ""
            names = [f"{module}.{a.name}" for a in node.names] if module == "efficient_nas" else [module]
        found |= {n.split(".")[1] for n in names if n.startswith("efficient_nas.")}
    return found


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem != "__init__")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in LEVEL, f"{room} has no layer; add it to LAYERS and to docs/design/layers.md"
    for other in rooms(ast.parse(path.read_text())) - {room}:
        assert other in LEVEL, f"{path} imports {other}, which has no layer"
        downwards = LEVEL[other] < LEVEL[room] or (LEVEL[room] == 0 and LEVEL[other] == 0)
        assert downwards, f"{path}: {room} (layer {LEVEL[room]}) imports {other} (layer {LEVEL[other]})"


@pytest.mark.parametrize("path", sorted(HEADERS.rglob("*.hpp")), ids=lambda p: p.name)
def test_public_headers_need_only_the_standard_library_and_lower_folders(path: Path) -> None:
    folder = path.relative_to(HEADERS).parent.as_posix().removeprefix(".")
    for include in re.findall(r'#include\s+[<"]([^>"]+)', path.read_text()):
        assert not HEADER_ONLY.search(include), f"{path.name} includes {include}"
        if "/" in include:
            assert include.startswith("efficient_nas/"), f"{path.name} includes {include}"
            other = "/".join(include.split("/")[1:-1])
            downwards = other == folder or HEADER_LEVEL[other] < HEADER_LEVEL[folder]
            assert downwards, f"{folder}/{path.name} includes {include}"
