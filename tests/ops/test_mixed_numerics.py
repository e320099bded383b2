"""Numbers of the fused mixed operation: rounding beside eager's, NaN, zero weights, threads, no images."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import assert_same_in_a_forked_child
from mixed_calls import arguments, cell_arguments, results
from random_cells import random_tensor
from torch import Tensor

from efficient_nas import _core, ops
from efficient_nas.ops import CellEdge, CellSpec, MixedOpSpec, OpSpec, reference, sets

USERS = MixedOpSpec(
    (
        OpSpec("avg_pool_5x5", "affine"),
        OpSpec("nor_conv_5x5", "affine", bias=True),
        OpSpec("sep_conv_7x7", bias=True),
        OpSpec("dil_conv_3x3_d3", "affine", bias=True),
        OpSpec("skip_connect", "affine", bias=True),
        OpSpec("max_pool", kernel_size=7),
    )
)
SPECS = {
    "darts": sets.darts("affine"),
    "nasbench201": sets.nasbench201(),
    "mbconv": sets.mbconv((3, 5), (1, 3)),
    "pc_darts": sets.darts(channel_divisor=4),
    "side_by_side": sets.darts("affine", channel_divisor=4),
    "users": USERS,
}
SIZES = {
    "darts": (4, 16, 13, 12),
    "mbconv": (3, 7, 9, 8),
    "pc_darts": (3, 32, 9, 10),
    "side_by_side": (4, 16, 9, 8),
}


def in_dtype(call: dict[str, Any], dtype: torch.dtype, memory_format: torch.memory_format) -> dict[str, Any]:
    """The call with rounded tensors; alpha stays float64, but holds float32 numbers."""
    return call | {
        "x": call["x"].to(dtype, memory_format=memory_format),
        "parameters": [p.to(dtype) for p in call["parameters"]],
        "running": [tensor.to(dtype) for tensor in call["running"]],
    }


def largest_summands(call: dict[str, Any], exact: list[Tensor]) -> list[float]:
    """The largest summand of each result, at least the largest of its own values.

    y and x's gradient are sums over candidates: their terms are the results of one candidate alone. alpha's
    gradient is a sum over pixels of products with the candidates' outputs.
    """
    largest = [float(tensor.abs().max()) for tensor in exact]
    gradient = random_tensor(exact[0].shape, 99, torch.float64)
    for k in range(len(call["alpha"])):
        alone = torch.zeros_like(call["alpha"])
        alone[k] = call["alpha"][k]
        y, of_x, *_ = results(reference.mixed_op, call | {"alpha": alone, "skip_zero": True})
        products = float((gradient * y / call["alpha"][k]).abs().max())
        terms = [float(y.abs().max()), float(of_x.abs().max()), products]
        largest[:3] = [max(pair) for pair in zip(largest[:3], terms, strict=True)]
    return largest


def root_mean_square(errors: Tensor) -> float:
    return float(errors.square().mean().sqrt())


def median_size(errors: Tensor) -> float:
    return float(errors.abs().median())


def shares_of_the_bound(call: dict[str, Any], dtype: torch.dtype) -> Tensor:
    """Of every result: its error against the float64 definition, over twice eager's error plus 4 ulp.

    Why twice: both round each step to `dtype`, in other orders of summation, so that two errors of one
    distribution are compared; why ulps of the largest summand: eager may be exact by luck, and a sum is not
    better than the rounding of its largest summand. Eager's error is the larger of its two layouts'.

    The error of a tensor is the root mean square of its elements', since the largest of a few hundred has no
    such bound (it fails for half of all seeds); an element that is wrong, rather than rounded, still shows.
    In bfloat16 it is the median: among its 8 bits, values next to a step of ReLU or to a second maximum are
    frequent, and which of them falls to the wrong side, where a channel's gradient jumps, is chance.
    """
    rounded = in_dtype(call, dtype, torch.contiguous_format)
    exact_call = in_dtype(rounded, torch.float64, torch.contiguous_format)
    exact = results(reference.mixed_op, exact_call)
    summands = largest_summands(exact_call, exact)
    ours = results(ops.mixed_op, rounded)
    eager = [
        results(reference.mixed_op, in_dtype(call, dtype, layout))
        for layout in (torch.contiguous_format, torch.channels_last)
    ]
    typical_size = median_size if dtype == torch.bfloat16 else root_mean_square
    shares = []
    for i, (truth, largest) in enumerate(zip(exact, summands, strict=True)):
        error, *eagers = (typical_size(run[i].double() - truth) for run in (ours, *eager))
        bound = 2 * max(eagers) + 4 * torch.finfo(dtype).eps * largest
        shares.append(error / bound if error else 0.0)
    return torch.tensor(shares)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", SPECS)
def test_as_exact_as_eager(name: str, dtype: torch.dtype, stride: int, training: bool) -> None:
    """The median of three draws: alpha's gradient is so few numbers that one draw says little about them."""
    shares = []
    for seed in (0, 100, 200):
        call = arguments(SPECS[name], SIZES.get(name, (3, 10, 11, 7)), stride, seed=seed, training=training)
        shares.append(shares_of_the_bound(call, dtype))
    assert (torch.stack(shares).median(dim=0).values <= 1).all(), shares


CELL = CellSpec(
    2,
    (
        CellEdge(0, 2, sets.darts()),
        CellEdge(1, 2, sets.darts()),
        CellEdge(2, 3, sets.nasbench201("affine", bias=True)),
        CellEdge(0, 3, sets.mbconv((3,), (1, 2))),
    ),
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_results_are_the_same_bits_at_any_number_of_threads(training: bool, dtype: torch.dtype) -> None:
    calls = [(ops.mixed_cell, cell_arguments(CELL, 20, dtype=dtype, training=training))]
    for stride in (1, 2):
        for spec, batch in ((sets.darts("affine"), 5), (sets.mbconv(), 5), (SPECS["side_by_side"], 8)):
            call = arguments(spec, (batch, 16, 17, 18), stride, dtype=dtype, training=training)
            calls.append((ops.mixed_op, call))
    threads = torch.get_num_threads()
    try:
        for function, call in calls:
            outcomes = []
            for number in (1, 2, 3):
                torch.set_num_threads(number)
                outcomes.append(results(function, call))
            for other in outcomes[1:]:
                assert all(torch.equal(a, b) for a, b in zip(outcomes[0], other, strict=True))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("simd", [path for path in _core.simd_paths() if path != _core.simd_path()])
def test_the_other_instruction_sets_of_this_cpu(simd: str) -> None:
    """Runs tests of this folder in a process that uses them."""
    folder = Path(__file__).parent
    files = [str(folder / name) for name in ("test_mixed_op.py", "test_mixed_numerics.py")]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-k",
        "published or as_exact and (nasbench or side)",
        *files,
    ]
    environment = os.environ | {"EFFICIENT_NAS_SIMD": simd}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout


def test_a_forked_child_computes_the_same() -> None:
    assert_same_in_a_forked_child("""
spec = nas.ops.sets.darts()
x = torch.randn(8, 16, 16, 16).contiguous(memory_format=torch.channels_last).requires_grad_()
parameters = [torch.randn(shape, requires_grad=True) for shape in spec.parameter_shapes(16)]
def results():
    y = nas.ops.mixed_op(x, torch.ones(8), parameters, spec)
    of_x, *_ = torch.autograd.grad(y, [x, *parameters], y.detach())
    return y, of_x
""")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", [name for name in SPECS if name != "users"])
def test_nan_and_infinity_reach_what_they_reach_in_the_definition(
    name: str, stride: int, training: bool, value: float
) -> None:
    spec = SPECS[name]
    for candidate in spec.candidates:
        call = arguments(
            MixedOpSpec((candidate,), spec.channel_divisor), (2, 8, 6, 7), stride, training=training
        )
        call["x"][1, 0, 3, 4] = value
        ours, theirs = results(ops.mixed_op, call), results(reference.mixed_op, call)
        if candidate.operation == "mbconv":
            # torch's gradient of relu6 at NaN is 0 or 1, depending on where in memory: y and statistics only.
            gradients = slice(1, 3 + len(call["parameters"]))
            del ours[gradients], theirs[gradients]
        for mine, exact in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine.isfinite(), exact.isfinite())
            torch.testing.assert_close(mine.nan_to_num(0, 0, 0), exact.nan_to_num(0, 0, 0))


@pytest.mark.parametrize("function", [ops.mixed_op, reference.mixed_op])
@pytest.mark.parametrize("stride", [1, 2])
def test_nothing_inside_a_candidate_of_weight_zero_is_seen_on_request(function: Any, stride: int) -> None:
    spec = SPECS["darts"]
    alpha = torch.tensor([0, 0.25, -0.0, 0, 0, 0, 0.75, 0], dtype=torch.float64)
    call = arguments(spec, (2, 6, 5, 4), stride, alpha=alpha)
    y, of_x, of_alpha, *expected = results(reference.mixed_op, call | {"skip_zero": True})
    names = spec.parameter_names(stride)
    call["parameters"] = [
        p if name[0] in "16" else torch.full_like(p, torch.nan)
        for name, p in zip(names, call["parameters"], strict=True)
    ]
    own = results(function, call | {"skip_zero": True})
    torch.testing.assert_close(own, [y, of_x, of_alpha, *expected])
    assert of_alpha.nonzero().flatten().tolist() == [1, 6]
    for name, gradient in zip(names, own[3:], strict=False):
        assert bool(gradient.any()) == (name[0] in "16"), name
    assert function(**call).isnan().all()


def test_all_weights_zero() -> None:
    call = arguments(SPECS["darts"], (2, 6, 5, 4), alpha=torch.zeros(8), skip_zero=True)
    y, *others = results(ops.mixed_op, call)
    assert y.shape == (2, 6, 5, 4) and not y.any()
    assert not any(gradient.any() for gradient in others[: -len(call["running"])])
    torch.testing.assert_close(others[-len(call["running"]) :], call["running"])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["darts", "mbconv", "pc_darts"])
def test_an_empty_batch_gives_zeros_and_leaves_statistics(name: str, training: bool) -> None:
    call = arguments(SPECS[name], (0, 8, 5, 4), 2, training=training)
    ours, theirs = results(ops.mixed_op, call), results(reference.mixed_op, call)
    torch.testing.assert_close(ours, theirs)


def test_one_value_per_channel_in_training_is_an_error_of_what_runs() -> None:
    message = r"Expected more than 1 value per channel when training, got input size .*\[1, 6, 1, 1\]"
    spec = MixedOpSpec(("none", "skip_connect", "mbconv_3x3_e2"))
    for size, stride in (((1, 3, 1, 1), 1), ((1, 3, 2, 2), 2)):
        call = arguments(spec, size, stride, 3 if stride == 1 else None)
        call["alpha"] = torch.tensor([1.0, 0, 1] if stride == 2 else [1.0, 1, 1])
        before = [tensor.clone() for tensor in call["running"]]
        for skip_zero in (True, False):
            with pytest.raises(
                ValueError, match=message if skip_zero or stride == 1 else "more than 1 value"
            ):
                ops.mixed_op(**(call | {"skip_zero": skip_zero}))
        torch.testing.assert_close(call["running"], before)
        call["alpha"] = torch.tensor([1.0, 0, 0])
        assert ops.mixed_op(**(call | {"skip_zero": True})).shape == (1, 3, 1, 1)
    cell = CellSpec(1, (CellEdge(0, 1, sets.darts(), 2), CellEdge(1, 2, sets.darts(), 2)))
    call = cell_arguments(cell, 4)
    call["inputs"] = [random_tensor((1, 4, 4, 4), 0)]
    for function in (ops.mixed_cell, reference.mixed_cell):
        with pytest.raises(ValueError, match="more than 1 value"):
            function(**call)


def test_subnormal_numbers_leave_the_mode_of_the_processor_alone() -> None:
    call = arguments(sets.nasbench201(), (2, 16, 6, 6), dtype=torch.float32, training=True)
    ops.mixed_op(**(call | {"x": torch.full((2, 16, 6, 6), 1e-39)}))
    tiny = torch.full((4,), 1e-39)
    assert (tiny * 1.0 == tiny).all() and (tiny > 0).all()
