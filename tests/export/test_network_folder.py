"""A saved network comes back with the same logits; a folder that does not fit is one clear error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from efficient_nas import Architecture, ArchNode, export
from efficient_nas.errors import RunFolderError


def architecture(channels: int = 8) -> Architecture:
    nodes = [
        ArchNode("input", 3, 3),
        ArchNode("conv_bn_relu", 3, channels, kernel_size=3, stride=2),
        ArchNode("sep_conv_3x3", channels, channels),
        ArchNode("skip_connect", channels, channels),
        ArchNode("none", channels, channels),
        ArchNode("concat", channels, 2 * channels),
        ArchNode("global_avg_pool", 2 * channels, 2 * channels),
        ArchNode("linear", 2 * channels, 4),
        ArchNode("output", 4, 4),
    ]
    connections = [(0, 1), (1, 2), (1, 3), (1, 4), (4, 3), (2, 5), (3, 5), (5, 6), (6, 7), (7, 8)]
    return Architecture(nodes, connections, (3, 12, 12))


def trained(arch: Architecture) -> torch.nn.Module:
    """The network after something that changed its weights and its running statistics."""
    torch.manual_seed(0)
    network = arch.to_pytorch()
    network(torch.randn(8, 3, 12, 12) * 3)
    return network


def test_the_loaded_network_is_the_saved_one(tmp_path: Path) -> None:
    arch = architecture()
    network = trained(arch)
    export.save_network(
        tmp_path / "1", arch, network, {"accuracy": 0.5, "latency_ms": float("nan"), "x": None}
    )
    assert network.training
    loaded = export.load_network(tmp_path / "1")
    assert not loaded.training
    images = torch.randn(5, 3, 12, 12)
    with torch.no_grad():
        assert torch.equal(loaded(images), network.eval()(images))
    metrics = json.loads((tmp_path / "1" / "metrics.json").read_text())
    assert metrics == {"accuracy": 0.5, "latency_ms": None, "x": None}
    assert {p.name for p in (tmp_path / "1").iterdir()} == {
        "architecture.json",
        "weights.safetensors",
        "metrics.json",
    }


@pytest.mark.parametrize("name", export.EXPORTERS)
def test_architectures_export_with_parity(name: str, tmp_path: Path) -> None:
    parity = export.EXPORTERS[name](trained(architecture()), (3, 12, 12), tmp_path / "model")
    assert parity.ok, parity


@pytest.mark.parametrize("name", ["architecture.json", "weights.safetensors"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    arch = architecture()
    export.save_network(tmp_path, arch, trained(arch), {})
    (tmp_path / name).unlink()
    with pytest.raises(RunFolderError, match=f"has no {name}"):
        export.load_network(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("architecture.json", b"{"),
        ("architecture.json", b"\xff\xfe"),
        ("architecture.json", b"[]"),
        ("weights.safetensors", b""),
        ("weights.safetensors", b"x" * 100),
    ],
)
def test_a_damaged_file_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    arch = architecture()
    export.save_network(tmp_path, arch, trained(arch), {})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=name):
        export.load_network(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    arch = architecture()
    export.save_network(tmp_path, arch, trained(architecture(4)), {})
    with pytest.raises(RunFolderError, match="size mismatch"):
        export.load_network(tmp_path)
    export.save_network(tmp_path, arch, trained(arch), {})
    weights = load_file(tmp_path / "weights.safetensors")
    first = next(name for name in weights if name.endswith("weight"))
    save_file({k: v for k, v in weights.items() if k != first}, tmp_path / "weights.safetensors")
    with pytest.raises(RunFolderError, match=f"Missing key.*\n?.*{first}"):
        export.load_network(tmp_path)
