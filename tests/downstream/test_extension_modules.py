"""The two example projects build against the installed package and agree with its Python functions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from downstream_builds import cmake, cxx_compiler, example, run, run_python

import efficient_nas as nas

USE_FRONT_OPS = """
import numpy as np
import torch

import efficient_nas as nas
import front_ops

values = torch.tensor(np.random.default_rng(0).integers(0, 20, (300, 3)), dtype=torch.float64)
values[7, 1] = float("nan")
fronts = front_ops.nondominated_sort(values.T.contiguous().T)
assert fronts.dtype == torch.int32
np.testing.assert_array_equal(fronts.numpy(), nas.pareto.nondominated_sort(values.numpy()))
assert front_ops.nondominated_sort(torch.empty(0, 2, dtype=torch.float64)).shape == (0,)

cardinalities = [2, 5, 255, 3]
choices = [nas.spaces.Choice(f"choice{i}", range(n)) for i, n in enumerate(cardinalities)]
space = nas.spaces.Space(choices)
genotypes = space.sample(500, seed=1)
before = torch.from_numpy(genotypes.copy())
children = front_ops.mutate(before, cardinalities, 2**64 - 1)
np.testing.assert_array_equal(children.numpy(), space.mutate(genotypes, seed=2**64 - 1))
np.testing.assert_array_equal(before.numpy(), genotypes)

for wrong in (values.float(), values[0], values[:, :0], values.to("meta")):
    try:
        front_ops.nondominated_sort(wrong)
    except ValueError as error:
        assert "nondominated_sort: values must" in str(error), error
    else:
        raise AssertionError(f"accepted {wrong.dtype} {wrong.shape}")
wrong_calls = [(before[:, :3], cardinalities), (before.int(), cardinalities), (before, [2, 5, 256, 3])]
for rows, allowed in wrong_calls:
    try:
        front_ops.mutate(rows, allowed, 0)
    except ValueError as error:
        assert "mutate: " in str(error), error
    else:
        raise AssertionError(f"accepted {rows.dtype} {rows.shape} {allowed}")
try:
    front_ops.mutate(before + 3, cardinalities, 0)
except ValueError as error:
    assert "choice0 must hold one of 0 (0), 1 (1)" in str(error), error
else:
    raise AssertionError("accepted genotypes that are not valid")
"""

USE_CELL_SEARCH = """
import numpy as np

import cell_search
import efficient_nas as nas

values = np.random.default_rng(0).random((200, 4))
reference = np.full(4, 1.1)
volume = cell_search.hypervolume(values, reference)
assert volume == nas.pareto.hypervolume(values, reference)

space = nas.spaces.create("nasbench201")
genotypes = space.sample(3000, seed=0)
classes = len(set(space.canonical_bytes(genotypes)))
assert 1000 < classes < 3000
assert cell_search.count_distinct(genotypes) == classes

for wrong in (genotypes[:, :5], genotypes + 5, np.zeros(6, np.uint8)):
    try:
        cell_search.count_distinct(np.ascontiguousarray(wrong))
    except ValueError as error:
        assert "count_distinct: " in str(error), error
    else:
        raise AssertionError(f"accepted {wrong.shape}")
"""


def test_torch_extension(tmp_path: Path) -> None:
    cxx_compiler()
    pytest.importorskip("setuptools", reason="torch.utils.cpp_extension needs setuptools")
    folder = example("cpp_torch_extension", tmp_path)
    flags = "-O0 -g0"  # half the time of an optimised build
    run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", cwd=folder, CFLAGS=flags, CXXFLAGS=flags)
    run_python(USE_FRONT_OPS, folder)


def test_pybind11_module_with_cmake(tmp_path: Path) -> None:
    compiler = cxx_compiler()
    pybind11 = pytest.importorskip("pybind11", reason="the example is a pybind11 module")
    folder = example("cpp_module", tmp_path)
    run(
        *(
            cmake(),
            "-S",
            ".",
            "-B",
            "build",
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_CXX_COMPILER={compiler}",
        ),
        *(f"-Defficient_nas_DIR={nas.get_cmake_dir()}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"),
        f"-DPython_EXECUTABLE={sys.executable}",
        cwd=folder,
    )
    run(cmake(), "--build", "build", cwd=folder)
    run_python(USE_CELL_SEARCH, folder / "build")
