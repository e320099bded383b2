"""Torch tensors in memory that is kept for the next call."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from efficient_nas import _core

HUGE = 2 << 20


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_sizes_strides_and_types(dtype: str) -> None:
    image, row = _core.kept_tensors(dtype, [([2, 3, 4, 5], [60, 1, 15, 3]), ([2, 7], [7, 1])])
    assert image.dtype == row.dtype == getattr(torch, dtype)
    assert image.shape == (2, 3, 4, 5)
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert row.shape == (2, 7)
    assert image.data_ptr() % 64 == row.data_ptr() % 64 == 0
    image.fill_(1)
    row.fill_(2)
    assert (image == 1).all()
    assert (row == 2).all()
    assert image.untyped_storage().data_ptr() != row.untyped_storage().data_ptr()


AGAIN = """
import sys
from efficient_nas import _core

layout = ([int(sys.argv[1]) // 4], [1])
first, second = _core.kept_tensors("float32", [layout, layout])
address = first.data_ptr()
second.fill_(5)
del first
other = _core.kept_tensors("float32", [layout, layout])
assert other[0].data_ptr() != address  # `second` is still there
other[0].fill_(7)
other[1].fill_(7)
assert (second == 5).all()
del second
assert _core.kept_tensors("float32", [layout, layout])[0].data_ptr() == address
"""


def in_a_process_of_its_own(code: str, *arguments: str) -> str:
    """What it prints; here, other tests have left idle blocks behind."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("bytes_", [4096, 3 * HUGE], ids=["small", "huge pages"])
def test_memory_is_used_again_once_all_tensors_of_a_block_are_gone(bytes_: int) -> None:
    in_a_process_of_its_own(AGAIN, str(bytes_))


MEASURE = """
from pathlib import Path
from efficient_nas import _core

def take(mebibytes):  # all of it is written to, hence resident
    return _core.kept_tensors("float32", [([mebibytes << 18], [1])])[0].fill_(1)

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS:"))

take(1)  # torch itself
before = resident()
large = take(400)
del large
"""

RESIDENT = (
    MEASURE
    + """
print(resident() - before)
small = take(150)  # too small to get the large block
print(resident() - before)
del small
print(resident() - before)
"""
)

WITH_OTHERS = (
    MEASURE
    + """
small = take(40)
del small
print(resident() - before)
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_blocks_of_another_size_leave_idle_ones_where_they_are_few() -> None:
    assert int(in_a_process_of_its_own(WITH_OTHERS)) >= 430


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_idle_memory_is_at_most_what_was_used_at_once() -> None:
    kept, both, limited = map(int, in_a_process_of_its_own(RESIDENT).split())
    assert kept >= 390  # for the next call
    assert both >= kept + 140
    assert limited <= 160  # the older block went


def test_nothing_has_no_memory() -> None:
    (empty,) = _core.kept_tensors("float32", [([0, 3], [3, 1])])
    assert empty.shape == (0, 3)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown dtype 'int8'"):
        _core.kept_tensors("int8", [([1], [1])])
    with pytest.raises(ValueError, match="as many strides as sizes"):
        _core.kept_tensors("float32", [([1, 2], [1])])
    with pytest.raises(MemoryError):
        _core.kept_tensors("float32", [([2**40, 2**40], [2**40, 1])])
