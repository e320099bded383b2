"""Published search networks compute and train alike, fused and not: values, gradients, running statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from supernet_training import architecture, assert_trains_alike, randomised
from torch import Tensor, nn

from efficient_nas import supernet

from plain_networks import darts, layer_choice, nasbench201, operations, pc_darts  # isort: skip


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_darts() -> None:
    network = randomised(darts.Network(C=4, layers=3, steps=2, multiplier=2, num_classes=3))
    report = assert_trains_alike(network, images(4, 3, 8, 8))
    assert [entry.name for entry in report.joined] == ["cells.0", "cells.1", "cells.2"]
    assert len(report.fused) == 15 and not report.not_fused
    assert "sep_conv_5x5, dil_conv_3x3, dil_conv_5x5; stride 2" in str(report)


def test_pc_darts() -> None:
    network = randomised(pc_darts.Network(C=8, layers=3, steps=2, multiplier=2, num_classes=3))
    report = assert_trains_alike(network, images(4, 3, 8, 8))
    assert [entry.name for entry in report.joined] == ["cells.0", "cells.1", "cells.2"]
    assert len(report.fused) == 15 and not report.not_fused


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("gdas", [False, True])
def test_nasbench201(gdas: bool, bias: bool) -> None:
    network = randomised(nasbench201.Network(C=4, N=1, num_classes=3, gdas=gdas, bias=bias))
    report = assert_trains_alike(network, images(4, 3, 8, 8))
    assert [entry.name for entry in report.fused] == ["cells.0", "cells.2", "cells.4"]
    assert not report.not_fused


def test_nasbench201_without_running_statistics_and_its_other_modes() -> None:
    cell = nasbench201.NAS201SearchCell(4, affine=True, track_running_stats=False).double()
    plain = copy.deepcopy(cell)
    assert len(supernet.fuse(cell).fused) == 1
    x, weights = images(2, 4, 5, 3), torch.rand(6, 5, dtype=torch.float64)
    for training in (True, False):
        for module in (plain, cell):
            module.train(training)
        for method in ("forward", "forward_select"):
            expected, got = (getattr(module, method)(x, weights) for module in (plain, cell))
            torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_gdas_leaves_candidates_that_do_not_run_without_gradients_and_uncounted() -> None:
    cell = nasbench201.NAS201SearchCell(4).double()
    supernet.fuse(cell)
    index = torch.tensor([[3], [0], [1], [0], [0], [2]])
    hard = torch.zeros(6, 5, dtype=torch.float64).scatter_(1, index, 1.0).requires_grad_()
    cell.forward_gdas(images(2, 4, 6, 6), hard, index).sum().backward()
    with_gradient = {name for name, parameter in cell.named_parameters() if parameter.grad is not None}
    assert with_gradient == {"edges.1<-0.3.op.1.weight", "edges.3<-2.2.op.1.weight"}
    counted = {name for name, buffer in cell.named_buffers() if name.endswith("tracked") and buffer == 1}
    assert counted == {"edges.1<-0.3.op.2.num_batches_tracked", "edges.3<-2.2.op.2.num_batches_tracked"}
    # Every weight enters its node's sum, so all have gradients.
    assert hard.grad is not None and (hard.grad != 0).sum() > 24


class Chain(nn.Module):
    """A stem, layer choices one after the other, a classifier; the architecture is in the choices."""

    def __init__(self, choices: list[nn.Module], channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.choices = nn.Sequential(*choices)
        self.classifier = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.choices(self.stem(x)).mean((2, 3)))


def choices(channels: int, stride: int) -> dict[str, nn.Module]:
    return dict(zip(operations.OPS, operations.candidate_list(channels, stride), strict=True))


def test_layer_choices() -> None:
    alpha = nn.Parameter(torch.randn(8))
    layers = [
        layer_choice.DartsLayerChoice(choices(4, 1)),
        layer_choice.DifferentiableMixedLayer(choices(4, 2), alpha),
        layer_choice.DifferentiableMixedLayer(choices(4, 1), alpha),
    ]
    report = assert_trains_alike(randomised(Chain(layers, 4)), images(4, 3, 8, 8))
    assert [entry.name for entry in report.fused] == ["choices.0", "choices.1", "choices.2"]
    assert not report.not_fused


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precisions_are_as_near_to_float64_as_the_plain_network(dtype: torch.dtype) -> None:
    exact = randomised(darts.Cell(2, 2, 4, 4, 4, True, False))
    plain = copy.deepcopy(exact).to(dtype)
    fused = copy.deepcopy(plain)
    assert supernet.fuse(fused).joined
    weights = torch.rand(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    cotangent = images(2, 8, 4, 4, seed=4)
    results = []
    for module in (exact, plain, fused):
        kind = torch.float64 if module is exact else dtype
        inputs = [images(2, 4, 8, 8).to(dtype).to(kind).requires_grad_(), weights.to(dtype).to(kind)]
        y = module(inputs[0], inputs[0], inputs[1].requires_grad_())
        assert y.dtype == kind
        gradients = torch.autograd.grad(y, [*inputs, *module.parameters()], cotangent.to(dtype).to(kind))
        results.append([tensor.double() for tensor in (y, *gradients)])
    # Sums over whole tensors average the roundings of single entries, which are a matter of luck.
    for expected, eager, got in zip(*results, strict=True):
        ulp = torch.finfo(dtype).eps * expected.abs().max()
        assert (got - expected).norm() <= 2 * (eager - expected).norm() + 4 * ulp * expected.numel() ** 0.5


def test_networks_without_mixed_ops_are_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ModuleList([nn.Linear(2, 2)]))
    report = supernet.fuse(network)
    assert report == supernet.FuseReport()
    assert "nothing to fuse" in str(report)
    assert type(network) is nn.Sequential


def test_fusing_twice_says_so() -> None:
    network = nasbench201.Network(C=4, N=1)
    first = supernet.fuse(network)
    second = supernet.fuse(network)
    assert len(first.fused) == 3 and first.already_fused == 0
    assert second.already_fused == 3 and not second.fused
    assert "3 modules were fused before" in str(second)


def test_unfused_networks_are_as_before() -> None:
    network = randomised(darts.Network(C=4, layers=3, steps=2, multiplier=2))
    before = {name: (type(part), set(vars(part))) for name, part in network.named_modules()}
    x = images(2, 3, 8, 8)
    expected = copy.deepcopy(network)(x)
    supernet.fuse(network)
    assert supernet.unfuse(network) == 18
    assert {name: (type(part), set(vars(part))) for name, part in network.named_modules()} == before
    assert torch.equal(network(x), expected)
    assert supernet.unfuse(network) == 0
    assert architecture(network)[0].requires_grad


def test_anything_but_a_module_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"fuse: module must be a torch.nn.Module, got list"):
        supernet.fuse([])
    with pytest.raises(TypeError, match=r"unfuse: module must be a torch.nn.Module, got str"):
        supernet.unfuse("network")
