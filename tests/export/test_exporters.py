"""Exported files give the module's logits for any batch, and exporting leaves no trace on the module."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from efficient_nas import export
from efficient_nas.errors import ExportError
from efficient_nas.export.parity import compare

SHAPE = (3, 9, 9)


def small_network() -> nn.Module:
    """Every kind of step that architectures have, with running statistics that are not the initial ones."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False),
        nn.BatchNorm2d(8, affine=False),
        nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        nn.MaxPool2d(3, 2, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    network(torch.randn(16, *SHAPE) * 2 + 1)
    return network


@pytest.mark.parametrize("name", export.EXPORTERS)
def test_the_file_repeats_the_module(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network = small_network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    path = tmp_path / "deep" / f"model.{name}"
    parity = export.EXPORTERS[name](network, SHAPE, path)
    assert parity.ok and parity.max_abs_error <= parity.tolerance < 1e-3
    assert (parity.format, parity.path) == (name, str(path))
    assert path.stat().st_size > 0 and [p.name for p in path.parent.iterdir()] == [path.name]
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert capfd.readouterr() == ("", "")


def wrong_training_mode(network: nn.Module) -> nn.Module:
    return network.train()


def wrong_weights(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] += 0.05  # type: ignore[index, union-attr, operator]
    return network


def wrong_nan(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        network[-1].bias[-1] = torch.nan  # type: ignore[index, union-attr, operator]
    return network


@pytest.mark.parametrize("spoil", [wrong_training_mode, wrong_weights, wrong_nan])
def test_a_wrong_export_has_no_parity(spoil: Callable[[nn.Module], nn.Module]) -> None:
    network = small_network().eval()
    other = small_network().eval()
    assert compare("onnx", Path("x"), network, other, SHAPE).ok
    parity = compare("onnx", Path("x"), network, spoil(other), SHAPE)
    assert not parity.ok


def test_outputs_of_another_shape_have_no_parity() -> None:
    network = small_network().eval()

    def first_image_only(x: Tensor) -> Tensor:
        return network(x)[:1]  # type: ignore[no-any-return]

    assert not compare("onnx", Path("x"), network, first_image_only, SHAPE).ok


class DependsOnData(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if float(x.sum()) > 0 else -x.flatten(1)


@pytest.mark.parametrize("name", export.EXPORTERS)
def test_a_network_that_cannot_be_exported_is_one_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=f"to_{name}: DependsOnData cannot be exported"):
        export.EXPORTERS[name](DependsOnData(), SHAPE, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", export.EXPORTERS)
@pytest.mark.parametrize("shape", [(), (3, 0, 8), (3, 8.0, 8), (True, 8, 8)])
def test_a_wrong_input_shape_is_named(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"to_{name}: input_shape must be positive ints"):
        export.EXPORTERS[name](small_network(), shape, tmp_path / "model")


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("efficient_nas.export.onnx_file.PACKAGES", ("onnx", "not_installed_here"))
    with pytest.raises(ExportError, match=r'not_installed_here.*pip install "efficient-nas\[export\]"'):
        export.to_onnx(small_network(), SHAPE, tmp_path / "model.onnx")


def test_log_levels_come_back(tmp_path: Path) -> None:
    logger = logging.getLogger("torch.export")
    level = logger.level
    export.to_pt2(small_network(), SHAPE, tmp_path / "model.pt2")
    assert logger.level == level
    assert "pt2" in export.available()
