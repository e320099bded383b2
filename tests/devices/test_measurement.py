"""End-to-end measurement leaves everything as it was and counts memory exactly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from efficient_nas import devices
from efficient_nas.devices import AnalyticCosts, Measurement
from efficient_nas.spaces import Candidate
from networks import build

VALUES = {"depth": 2, "width": 8, "expansion": 4, "operation": "nor_conv_3x3"}


def test_an_architecture_is_measured() -> None:
    arch = build(VALUES, (3, 16, 16))
    found = devices.measure(arch, seconds=0.02)
    assert isinstance(found, Measurement)
    assert found.latency_ms > 0
    assert 0 <= found.spread_ms == found.spread
    assert found.repeats >= 5
    assert (found.device, found.threads, found.batch_size, found.energy_mj) == ("cpu", 1, 1, None)


def test_memory_is_the_native_count_and_the_buffers() -> None:
    arch = build(VALUES, (3, 16, 16))
    buffers = sum(b.nbytes for b in arch.to_pytorch().buffers())
    expected = 4 * arch.params + arch.peak_activation_bytes + buffers
    assert devices.measure(arch, repeats=5).memory_bytes == expected


def test_a_larger_batch_needs_more_memory() -> None:
    module = build(VALUES, (3, 16, 16)).to_pytorch()
    one, four = (devices.measure(module, (3, 16, 16), batch_size=n, repeats=5) for n in (1, 4))
    weights = sum(t.nbytes for t in (*module.parameters(), *module.buffers()))
    assert four.memory_bytes - weights == 4 * (one.memory_bytes - weights)
    assert four.batch_size == 4


def test_the_module_and_the_process_come_back_unchanged() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).double()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    random, threads = torch.random.get_rng_state(), torch.get_num_threads()
    devices.measure(module, (3, 9, 9), repeats=6, threads=2)
    assert [m.training for m in module] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_the_module_comes_back_after_an_error() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(RuntimeError):
        devices.measure(module, (5, 9, 9))
    assert module.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"batch_size": 0}, "batch_size must be an int >= 1, got 0"),
        ({"repeats": True}, "repeats"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"threads": 0}, "threads"),
        ({"input_shape": (3, 0, 8)}, "input_shape"),
        ({"input_shape": None}, "input_shape"),
        ({"device": "tpu"}, "device"),
        ({"device": "meta"}, "cpu or cuda"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], reason: str) -> None:
    arguments: dict[str, Any] = {"input_shape": (3, 8, 8), **options}
    with pytest.raises(ValueError, match=reason):
        devices.measure(nn.Conv2d(3, 4, 3), **arguments)


def test_only_networks_are_measured() -> None:
    with pytest.raises(TypeError, match="got str"):
        devices.measure("network", (3, 8, 8))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"input_shape must be \(3, 16, 16\)"):
        devices.measure(build(VALUES, (3, 16, 16)), (3, 32, 32))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_a_missing_gpu_is_one_clear_error() -> None:
    for call in (
        lambda: devices.measure(nn.ReLU(), (3, 8, 8), device="cuda"),
        lambda: devices.describe("cuda:1"),
    ):
        with pytest.raises(ValueError, match="sees no CUDA GPU"):
            call()


def test_the_machine_is_described() -> None:
    found = devices.describe()
    assert found["device"] == "cpu"
    assert found["name"]
    assert found["cores"] >= 1
    assert found["threads"] == torch.get_num_threads()
    assert found["torch"] == torch.__version__


def test_analytic_costs_are_the_architecture_s(candidates: list[Candidate]) -> None:
    arch = candidates[7].architecture
    assert AnalyticCosts().predict(candidates[7]) == {
        "macs": arch.macs,
        "params": arch.params,
        "peak_activation_bytes": arch.peak_activation_bytes,
        "memory_bytes": 4 * arch.params + arch.peak_activation_bytes,
    }
