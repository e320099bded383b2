"""What people do with networks works on fused ones: copies, files, optimizers, hooks, dtypes, processes."""

from __future__ import annotations

import copy
import io
import pickle
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from supernet_training import randomised
from torch import Tensor, multiprocessing, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.parallel import DistributedDataParallel

from efficient_nas import ops, supernet

from plain_networks import darts, nasbench201  # isort: skip


class Calls:
    """Counts the calls of the fused operations."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for name in ("mixed_op", "mixed_cell"):
            monkeypatch.setattr(ops, name, self._counted(getattr(ops, name)))

    def _counted(self, function: object) -> object:
        def run(*args: object, **kwargs: object) -> object:
            self.count += 1
            return function(*args, **kwargs)

        return run


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def small_cell() -> nn.Module:
    torch.manual_seed(0)
    return randomised(darts.Cell(2, 2, 4, 4, 4, False, False))


def fused_cell(calls: Calls) -> nn.Module:
    cell = small_cell()
    assert [entry.name for entry in supernet.fuse(cell).joined] == [""]
    calls.count = 0
    return cell


def arguments(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, 6, 6, generator=generator, dtype=torch.float64).to(dtype)
    return x, x, torch.rand(5, 8, generator=generator, dtype=torch.float64).to(dtype)


def assert_runs_fused(cell: nn.Module, plain: nn.Module, calls: Calls) -> None:
    """One joined call, and what the plain cell computes."""
    before = calls.count
    torch.testing.assert_close(cell(*arguments()), plain(*arguments()), rtol=1e-9, atol=1e-9)
    assert calls.count == before + 1


def test_state_dicts_of_either_fit_the_other_and_tensors_are_shared(calls: Calls) -> None:
    plain, cell = small_cell(), small_cell()
    tensors = {name: tensor.data_ptr() for name, tensor in cell.state_dict().items()}
    supernet.fuse(cell)
    assert {name: tensor.data_ptr() for name, tensor in cell.state_dict().items()} == tensors
    other = randomised(small_cell(), seed=5)
    cell.load_state_dict(other.state_dict())
    assert_runs_fused(cell, other, calls)
    file = io.BytesIO()
    torch.save(cell.state_dict(), file)
    file.seek(0)
    plain.load_state_dict(torch.load(file, weights_only=True))
    cell.load_state_dict(plain.state_dict(), assign=True)
    assert_runs_fused(cell, plain, calls)


def test_copies_are_fused_and_have_tensors_of_their_own(calls: Calls) -> None:
    plain, cell = small_cell(), fused_cell(calls)
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert type(twin) is type(cell) and isinstance(twin, darts.Cell)
        assert_runs_fused(twin, copy.deepcopy(plain), calls)
        twin(*arguments())[0].sum().backward()
        assert all(parameter.grad is None for parameter in cell.parameters())
        assert supernet.unfuse(twin) == 6
    assert_runs_fused(cell, plain, calls)


def test_optimizers_made_before_train_the_fused_network() -> None:
    cell = small_cell()
    before = [parameter.detach().clone() for parameter in cell.parameters()]
    optimizer = torch.optim.Adam(cell.parameters())
    supernet.fuse(cell)
    cell(*arguments()).square().sum().backward()
    optimizer.step()
    pairs = zip(before, cell.parameters(), strict=True)
    assert all(not torch.equal(old, new) for old, new in pairs)


def test_hooks_of_the_fused_module_run(calls: Calls) -> None:
    cell = small_cell()
    seen = []
    cell.register_forward_hook(lambda module, args, y: seen.append(y.shape))
    supernet.fuse(cell)
    calls.count = 0
    seen.clear()
    cell.register_full_backward_hook(lambda module, *gradients: seen.append("backward"))
    cell(*(value.requires_grad_() for value in arguments())).sum().backward()
    assert seen == [(2, 8, 6, 6), "backward"] and calls.count == 1


def test_hooks_given_to_candidates_and_mixed_ops_later_run(calls: Calls) -> None:
    plain, cell = small_cell(), fused_cell(calls)
    seen = []
    on_mixed_op = cell._ops[0].register_forward_hook(lambda *arguments: seen.append("mixed op"))
    torch.testing.assert_close(cell(*arguments()), plain(*arguments()))
    assert seen == ["mixed op"] and calls.count == 5
    on_mixed_op.remove()
    on_convolution = cell._ops[1]._ops[4].op[1].register_forward_hook(lambda *_: seen.append("convolution"))
    torch.testing.assert_close(cell(*arguments()), plain(*arguments()))
    assert seen[1:] == ["convolution"] and calls.count == 5 + 4
    on_convolution.remove()
    assert_runs_fused(cell, plain, calls)


def test_modules_that_are_replaced_are_seen(calls: Calls) -> None:
    plain, cell = small_cell(), fused_cell(calls)
    # A mixed op, a candidate of another, a layer in a candidate of a third: fewer and fewer run fused.
    for holder, k, fused in (("_ops", 0, 5), ("_ops.2._ops", 4, 4), ("_ops.3._ops.5.op", 6, 3)):
        for module in (plain, cell):
            modules = module.get_submodule(holder)
            modules[k] = copy.deepcopy(modules[k])
        calls.count = 0
        torch.testing.assert_close(cell(*arguments()), plain(*arguments()))
        assert calls.count == fused


class DroppingOp(darts.MixedOp):
    """Leaves out some images' sums in training, at a rate that starts at 0."""

    rate = 0.0

    def __init__(self, C: int, stride: int) -> None:
        super().__init__(C, stride)
        self.rate = 0.0

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        y = super().forward(x, weights)
        return y if self.rate == 0 else y * (torch.rand(len(y), 1, 1, 1, dtype=y.dtype) > self.rate)


class DroppingCell(darts.Cell):
    """Leaves out some images' nodes, likewise."""

    rate = 0.0

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor) -> Tensor:
        s0, s1 = self.preprocess0(s0), self.preprocess1(s1)
        y = self._ops[0](s0, weights[0]) + self._ops[1](s1, weights[1])
        if self.rate > 0:
            y = y * (torch.rand(len(y), 1, 1, 1, dtype=y.dtype) > self.rate)
        return torch.cat([y, self._ops[2](s0, weights[2]) + self._ops[3](y, weights[3])], dim=1)


@pytest.mark.parametrize("cell", [False, True])
def test_drop_path_that_starts_later_is_noticed(cell: bool, calls: Calls) -> None:
    module = DroppingOp(4, 1)
    inputs = (torch.randn(8, 4, 6, 6, dtype=torch.float64), torch.rand(8, dtype=torch.float64))
    if cell:
        module = DroppingCell(2, 2, 4, 4, 4, False, False)
        del module._ops[4]
        inputs = (inputs[0], inputs[0], torch.rand(4, 8, dtype=torch.float64))
    plain = randomised(module)
    fused = copy.deepcopy(plain)
    report = supernet.fuse(fused)
    assert len(report.joined) == cell and not report.not_fused
    for rate, expected_calls in ((0.0, 1), (0.5, 4 if cell else 0), (0.0, 1)):
        calls.count = 0
        results = []
        for network in (plain, fused):
            network.rate = rate
            torch.manual_seed(5)
            results.append((network(*inputs), torch.get_rng_state()))
        for expected, got in zip(*results, strict=True):
            torch.testing.assert_close(got, expected)
        assert calls.count == expected_calls


def test_norms_are_asked_at_every_call(calls: Calls) -> None:
    plain, cell = small_cell(), fused_cell(calls)
    for change in ({"eps": 0.1}, {"momentum": 0.9}, {"track_running_stats": False}):
        for module in (*plain.modules(), *cell.modules()):
            if isinstance(module, nn.BatchNorm2d):
                vars(module).update(change)
        assert_runs_fused(cell, plain, calls)
        assert_runs_fused(cell.eval(), plain.eval(), calls)
        for module in (plain.train(), cell.train()):
            module._ops[0]._ops[1][1].eval()  # one norm frozen: its mixed op runs by itself, the others fused
        before = calls.count
        torch.testing.assert_close(cell(*arguments()), plain(*arguments()))
        assert calls.count == before + 4
        for module in (plain, cell):
            module.train()
        for name, tensor in plain.state_dict().items():
            torch.testing.assert_close(cell.state_dict()[name], tensor, msg=name)


def test_frozen_parameters_get_no_gradient() -> None:
    cell = small_cell()
    supernet.fuse(cell)
    for parameter in cell._ops[0].parameters():
        parameter.requires_grad_(False)
    cell(*arguments()).sum().backward()
    assert all(parameter.grad is None for parameter in cell._ops[0].parameters())
    assert all(parameter.grad is not None for parameter in cell._ops[1].parameters())


def test_other_dtypes_and_devices_run_the_modules_own_forward(calls: Calls) -> None:
    plain, cell = small_cell(), fused_cell(calls)
    assert torch.equal(cell.half()(*arguments(torch.half)), plain.half()(*arguments(torch.half)))
    assert cell.to("meta")(*(value.to("meta") for value in arguments(torch.half))).shape == (2, 8, 6, 6)
    assert calls.count == 0


def test_double_and_back_runs_fused(calls: Calls) -> None:
    plain, cell = small_cell().float(), small_cell().float()
    supernet.fuse(cell)
    assert_runs_fused(cell.double(), plain.double(), calls)


def test_compilers_and_fake_tensors_see_what_the_plain_cell_computes() -> None:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    search_cell = (torch.randn(2, 4, 6, 6, dtype=torch.float64), torch.rand(6, 5, dtype=torch.float64))
    for plain, inputs in (
        (small_cell(), arguments()),
        (nasbench201.NAS201SearchCell(4).double(), search_cell),
    ):
        expected = copy.deepcopy(plain)(*inputs)
        cell = plain
        supernet.fuse(cell)
        compiled = torch.compile(copy.deepcopy(cell), backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(*inputs), expected)
        exported = torch.export.export(copy.deepcopy(cell), inputs).module()
        torch.testing.assert_close(exported(*inputs), expected)
        with mode:
            assert cell(*(mode.from_tensor(value) for value in inputs)).shape == expected.shape


def test_keyword_arguments_and_functional_calls(calls: Calls) -> None:
    plain, cell = small_cell(), fused_cell(calls)
    s0, s1, weights = arguments()
    expected = plain(s0, s1, weights)
    torch.testing.assert_close(cell(s0, s1=s1, weights=weights), expected)
    other = randomised(small_cell(), seed=5)
    got = torch.func.functional_call(cell, other.state_dict(), arguments())
    torch.testing.assert_close(got, other(*arguments()))


def test_forward_keeps_its_signature_and_no_gradient_is_kept_without_autograd() -> None:
    cell = small_cell()
    supernet.fuse(cell)
    assert cell.forward.__name__ == "forward" and type(cell).__name__ == "FusedCell"
    with torch.no_grad():
        assert not cell(*arguments()).requires_grad


def train_in_a_group(rank: int, folder: str) -> None:
    """The gradients of one process of two go to a file."""
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    network = small_network()
    supernet.fuse(network)
    parallel = DistributedDataParallel(network)
    parallel(two_batches()[rank]).square().mean().backward()
    torch.save([parameter.grad for parameter in network.parameters()], Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nasbench201.Network(C=4, N=1, num_classes=3).double()


def two_batches() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=generator).split(2)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_data_parallel_training_in_two_processes(tmp_path: Path) -> None:
    multiprocessing.spawn(train_in_a_group, (str(tmp_path),), nprocs=2)
    gradients = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    plain = [small_network(), small_network()]
    for network, images in zip(plain, two_batches(), strict=True):
        network(images).square().mean().backward()
    for k, parameters in enumerate(zip(*(network.parameters() for network in plain), strict=True)):
        mean = sum(parameter.grad for parameter in parameters) / 2
        for rank in range(2):
            torch.testing.assert_close(gradients[rank][k], mean, rtol=1e-8, atol=1e-10)
