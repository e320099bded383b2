import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import efficient_nas as nas

CONSUMER = """
#include <efficient_nas/rng.hpp>
#include <cstdio>
int main() {
    efficient_nas::RandomStream random(7, 3);
    std::printf("%llu", static_cast<unsigned long long>(random.next_u64()));
}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.20)
project(consumer CXX)
find_package(efficient_nas REQUIRED)
add_executable(consumer consumer.cpp)
target_link_libraries(consumer PRIVATE efficient_nas::core)
"""


def test_build_info_names_version_and_gpu() -> None:
    info = nas.build_info()
    assert info["version"] == nas.__version__
    assert info["gpu"]
    assert (Path(nas.get_include()) / "efficient_nas" / "rng.hpp").is_file()


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake on PATH")
def test_installed_headers_serve_another_cmake_project(tmp_path: Path) -> None:
    (tmp_path / "consumer.cpp").write_text(CONSUMER)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    configure = ["cmake", "-S", ".", "-B", "build", f"-Defficient_nas_DIR={nas.get_cmake_dir()}"]
    for command in (configure, ["cmake", "--build", "build"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    printed = subprocess.run(
        [tmp_path / "build" / "consumer"], capture_output=True, text=True, check=True
    ).stdout
    assert int(printed) == int(nas._core.random_u64(7, 3, 1)[0])


def test_import_leaves_the_global_random_state_alone() -> None:
    script = (
        "import torch; before = torch.get_rng_state(); import efficient_nas; "
        "assert torch.equal(before, torch.get_rng_state())"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
