"""Runs an operation in a process and in its forked child."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def assert_same_in_a_forked_child(definitions: str) -> None:
    """`definitions` has `results()`, tensors that must have the same bits after a fork.

    They must be channels_last, and are compared as bytes: torch's own parallel work, such as a change of
    layout, would hang in the child.
    """
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    code = f"""
import os, torch, efficient_nas as nas
torch.set_num_threads(2)
{definitions}
def bits():
    return [bytes(tensor.untyped_storage()) for tensor in results()]
before = bits()
child = os.fork()
if child == 0:
    os._exit(0 if bits() == before else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
