"""Taking tensors out of candidate modules, and refusing modules that compute something else."""

from __future__ import annotations

import pytest
import torch
from candidate_modules import candidate_modules
from torch import Tensor, nn

from efficient_nas import candidates
from efficient_nas.ops import MixedOpSpec, OpSpec, sets, tensors_of


class Wrapped(nn.Module):
    """DARTS keeps the layers of an operation in `self.op`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


def depthwise(channels: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, 1, dilation, dilation, groups=channels, bias=False)


def relu_conv_bn(**norm: object) -> Wrapped:
    return Wrapped(nn.ReLU(), nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4, affine=False, **norm))


@pytest.mark.parametrize("stride", [1, 2])
def test_the_tensors_are_the_modules_own_in_the_order_of_the_names(stride: int) -> None:
    spec = sets.darts("affine", channel_divisor=2)
    modules = candidate_modules(spec, 8, stride=stride)
    before = {name: tensor.clone() for name, tensor in modules.state_dict().items()}
    tensors = tensors_of(modules, spec, 8, stride=stride)
    assert [id(p) for p in tensors.parameters] == [id(p) for p in modules.parameters()]
    buffers = [b for n, b in modules.named_buffers() if n.endswith(("mean", "var"))]
    assert tensors.running is not None and [id(b) for b in tensors.running] == [id(b) for b in buffers]
    assert (tensors.eps, tensors.momentum) == (1e-5, 0.1)
    assert all(torch.equal(before[name], tensor) for name, tensor in modules.state_dict().items())
    assert all(module.training for module in modules.modules())


def test_eps_momentum_and_running_statistics_are_those_of_the_norms() -> None:
    spec = MixedOpSpec(("nor_conv_1x1", "skip_connect"))
    tensors = tensors_of([relu_conv_bn(eps=1e-3, momentum=0.01), nn.Identity()], spec, 4)
    assert (tensors.eps, tensors.momentum) == (1e-3, 0.01)
    assert tensors.running is not None and len(tensors.running) == 2
    assert tensors_of([relu_conv_bn(track_running_stats=False), nn.Identity()], spec, 4).running is None
    assert tensors_of([nn.Identity()], MixedOpSpec(("skip_connect",)), 4).running == []


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def mbconv(relu: nn.Module) -> nn.Module:
    module = candidates.create("mbconv", 4, 4, kernel_size=3, expansion=2)
    module.body[2] = relu
    return module


def without_residual() -> nn.Module:
    module = candidates.create("mbconv", 4, 4, kernel_size=3, expansion=2)
    module.residual = False
    return module


def test_an_mbconv_of_ours_fits_and_its_details_matter() -> None:
    spec = MixedOpSpec((OpSpec("mbconv_3x3_e2", "affine"),))
    assert len(tensors_of([mbconv(nn.ReLU6())], spec, 4).parameters) == 9
    for module in (mbconv(nn.ReLU()), without_residual()):
        with pytest.raises(ValueError, match="is not mbconv_3x3_e2: it computes something else"):
            tensors_of([module], spec, 4)


@pytest.mark.parametrize(
    ("operation", "module", "message"),
    [
        ("none", nn.Identity(), "it computes something else in training"),
        ("skip_connect", Doubled(), r"modules\[0\] \(Doubled\) is not skip_connect"),
        ("skip_connect", nn.Dropout(0.5), "it computes something else in training"),
        ("avg_pool_3x3", nn.AvgPool2d(3, 1, padding=1), "it computes something else"),
        ("max_pool_3x3", nn.MaxPool2d(3, 1), "it computes something else"),
        ("nor_conv_1x1", Wrapped(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4, affine=False)), "else"),
        ("nor_conv_1x1", nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1)), "parameters must have shapes"),
        (
            "nor_conv_1x1",
            nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1, bias=False)),
            "buffers must have shapes",
        ),
        ("nor_conv_1x1", relu_conv_bn(momentum=None), "momentum of its norms must be a number, got None"),
        ("nor_conv_1x1", Wrapped(relu_conv_bn(), nn.Linear(4, 4, bias=False)), "parameters must have shapes"),
        (
            "dil_conv_3x3",
            Wrapped(nn.ReLU(), depthwise(4), nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4, affine=False)),
            "it computes something else",
        ),
    ],
)
def test_what_does_not_fit_is_named(operation: str, module: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tensors_of([module], MixedOpSpec((operation,)), 4)


def test_a_module_that_draws_random_numbers_leaves_the_callers_alone() -> None:
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="computes something else"):
        tensors_of([nn.Dropout(0.5)], MixedOpSpec(("skip_connect",)), 4)
    assert torch.equal(torch.get_rng_state(), state)


def test_norms_of_one_mixed_op_must_agree() -> None:
    spec = MixedOpSpec(("nor_conv_1x1", "nor_conv_1x1"))
    with pytest.raises(ValueError, match="must all keep running statistics, or none of them"):
        tensors_of([relu_conv_bn(), relu_conv_bn(track_running_stats=False)], spec, 4)
    with pytest.raises(ValueError, match=r"agree in eps and momentum, got \(1e-05, 0.1\), \(0.001, 0.1\)"):
        tensors_of([relu_conv_bn(), relu_conv_bn(eps=1e-3)], spec, 4)


def test_wrong_arguments_are_named() -> None:
    spec = MixedOpSpec(("none", "skip_connect"))
    with pytest.raises(ValueError, match="modules must be 2, one for each candidate, got 1"):
        tensors_of([nn.Identity()], spec, 4)
    with pytest.raises(TypeError, match=r"modules\[1\] must be a torch.nn.Module, got str"):
        tensors_of([nn.Identity(), "skip"], spec, 4)
    with pytest.raises(ValueError, match="stride must be 1 or 2, got 4"):
        tensors_of([nn.Identity()] * 2, spec, 4, stride=4)
    with pytest.raises(ValueError, match="output_channels must equal input_channels = 4"):
        tensors_of([nn.Identity()] * 2, spec, 4, 8)
    buffered = nn.Identity()
    buffered.register_buffer("mask", torch.ones(1))
    with pytest.raises(ValueError, match="is not skip_connect: it has the buffer mask"):
        tensors_of([candidate_modules(spec, 4)[0], buffered], spec, 4)
