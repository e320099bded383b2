"""Files of saved trainings: whole or refused with one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from efficient_nas.errors import RunFolderError
from efficient_nas.supernet import checkpoints


def test_tensors_and_values_come_back(tmp_path: Path) -> None:
    shared = torch.arange(24.0).view(2, 3, 4, 1).to(memory_format=torch.channels_last)
    tensors = {"a": shared, "b": shared, "step": torch.tensor(3.0)}
    path = checkpoints.write(tmp_path / "new", tensors, {"records": [{"x": 0.1}]})
    got, values = checkpoints.read(tmp_path / "new")
    assert all(torch.equal(got[name], value) for name, value in tensors.items())
    assert values["records"] == [{"x": 0.1}]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_interrupted_write_leaves_the_last_file(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, {"a": torch.ones(2)}, {"records": [1]})
    with pytest.raises(TypeError):
        checkpoints.write(tmp_path, {"a": torch.zeros(2)}, {"records": [object()]})
    tensors, values = checkpoints.read(tmp_path)
    assert torch.equal(tensors["a"], torch.ones(2))
    assert values["records"] == [1]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "another", "version"])
def test_a_damaged_file_is_one_error(tmp_path: Path, damage: str) -> None:
    path = checkpoints.write(tmp_path, {"a": torch.ones(100)}, {})
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:-8])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_bytes(b"x" * 200)
    elif damage == "another":
        save_file({"a": torch.ones(1)}, path)
    else:
        path.write_bytes(whole.replace(b'version\\": 1', b'version\\": 7'))
    with pytest.raises(RunFolderError, match=checkpoints.FILE):
        checkpoints.read(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"has no training\.safetensors"):
        checkpoints.read(tmp_path)
