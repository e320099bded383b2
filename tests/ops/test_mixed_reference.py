"""The definition of the mixed operation against sums over modules: values, gradients, running statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from candidate_modules import candidate_modules, weighted_sum
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from efficient_nas.ops import MixedOpSpec, OpSpec, mixed_op, reference, sets, tensors_of

USERS = MixedOpSpec(
    (
        OpSpec("avg_pool_5x5", "affine"),
        OpSpec("max_pool", kernel_size=5),
        OpSpec("nor_conv_5x5", "affine", bias=True),
        OpSpec("sep_conv_7x7", bias=True),
        OpSpec("dil_conv_3x3_d3", "affine", bias=True),
        OpSpec("skip_connect", "affine", bias=True),
        OpSpec("max_pool", kernel_size=5),
    )
)
SPECS = {
    "darts": sets.darts(),
    "darts_affine": sets.darts("affine"),
    "pc_darts": sets.darts(channel_divisor=2),
    "nasbench201": sets.nasbench201(),
    "nasbench201_bias": sets.nasbench201(bias=True),
    "mbconv": sets.mbconv((3, 5), (1, 3)),
    "users": USERS,
}


def random_input(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_weights(count: int, seed: int = 2) -> Tensor:
    return torch.softmax(random_input(count, seed=seed), dim=0)


def arguments(spec: MixedOpSpec, channels: int = 4, stride: int = 1, **options: Any) -> dict[str, Any]:
    """Float64 arguments of `mixed_op` in which every tensor takes part."""
    tensors = tensors_of(candidate_modules(spec, channels, stride=stride), spec, channels, stride=stride)
    return {
        "x": random_input(2, channels, 5, 4),
        "alpha": random_weights(len(spec.candidates)),
        "parameters": [p.detach().requires_grad_() for p in tensors.parameters],
        "spec": spec,
        "running": tensors.running,
        "stride": stride,
    } | options


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", [name for name in SPECS if name != "pc_darts"])
def test_equals_the_sum_over_modules_with_all_gradients_and_running_statistics(
    name: str, stride: int
) -> None:
    spec = SPECS[name]
    modules = candidate_modules(spec, 4, stride=stride)
    ours = tensors_of(candidate_modules(spec, 4, stride=stride), spec, 4, stride=stride)
    for step, training in enumerate([True, True, True, False]):
        gradients = []
        for run in (modules, ours):
            x = random_input(3, 4, 6, 4, seed=10 + step).requires_grad_()
            alpha = random_weights(len(spec.candidates), seed=20 + step).requires_grad_()
            if run is modules:
                y = weighted_sum(modules.train(training), x, alpha)
                wrt = [x, alpha, *modules.parameters()]
            else:
                y = reference.mixed_op(
                    x, alpha, ours.parameters, spec, training=training, running=ours.running, stride=stride
                )
                wrt = [x, alpha, *ours.parameters]
            gradients.append([y, *torch.autograd.grad((y * random_input(*y.shape, seed=3)).sum(), wrt)])
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-10, atol=1e-10)
        expected = [b for n, b in modules.named_buffers() if n.endswith(("mean", "var"))]
        torch.testing.assert_close(ours.running, expected, rtol=1e-12, atol=1e-12)


@given(
    name=st.sampled_from(sorted(set(SPECS) - {"pc_darts"})),
    stride=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(1, 3), st.integers(2, 7), st.integers(1, 9), st.integers(1, 9)),
    training=st.booleans(),
)
@settings(max_examples=60)
def test_odd_sizes_and_channels_equal_the_sum_over_modules(
    name: str, stride: int, size: tuple[int, int, int, int], training: bool
) -> None:
    spec, channels = SPECS[name], size[1]
    modules = candidate_modules(spec, channels, stride=stride).train(training)
    tensors = tensors_of(modules, spec, channels, stride=stride)
    x, alpha = random_input(*size), random_weights(len(spec.candidates))
    running = [buffer.clone() for buffer in tensors.running or []]

    def ours() -> Tensor:
        return reference.mixed_op(
            x, alpha, tensors.parameters, spec, training=training, running=running, stride=stride
        )

    values = size[0] * (-(-size[2] // stride)) * (-(-size[3] // stride))
    if training and values == 1:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            weighted_sum(modules, x, alpha)
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            ours()
        return
    torch.testing.assert_close(ours(), weighted_sum(modules, x, alpha), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(running, tensors.running, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
def test_partial_channels_bypass_the_candidates_and_are_shuffled(stride: int) -> None:
    spec = sets.darts(channel_divisor=4)
    modules = candidate_modules(spec, 8, stride=stride).eval()
    tensors = tensors_of(modules, spec, 8, stride=stride)
    x, alpha = random_input(2, 8, 5, 7), random_weights(8)
    y = reference.mixed_op(
        x, alpha, tensors.parameters, spec, training=False, running=tensors.running, stride=stride
    )
    mixed = weighted_sum(modules, x[:, :2], alpha)
    bypass = x[:, 2:]
    if stride == 2:
        bypass = functional.max_pool2d(
            functional.pad(bypass, (0, 1, 0, 1), value=-torch.inf), kernel_size=2, stride=2
        )
    # Four groups of two channels: the first channel of each group comes first.
    expected = [mixed[:, 0], *bypass[:, [0, 2, 4]].unbind(1)]
    expected += [mixed[:, 1], *bypass[:, [1, 3, 5]].unbind(1)]
    torch.testing.assert_close(y, torch.stack(expected, dim=1), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
def test_candidates_that_can_change_the_number_of_channels(stride: int) -> None:
    ops = [OpSpec("mbconv_3x3_e2"), OpSpec("sep_conv_3x3"), OpSpec("dil_conv_3x3"), OpSpec("nor_conv_1x1")]
    ops += [OpSpec("skip_connect")] if stride == 2 else []
    for first in range(len(ops)):
        spec = MixedOpSpec(tuple(ops[first:] + ops[:first]))
        modules = candidate_modules(spec, 3, 5, stride)
        tensors = tensors_of(modules, spec, 3, 5, stride)
        x, alpha = random_input(2, 3, 4, 6), random_weights(len(ops))
        y = reference.mixed_op(x, alpha, tensors.parameters, spec, stride=stride)
        assert y.shape[1] == 5
        torch.testing.assert_close(y, weighted_sum(modules, x, alpha), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", sorted(set(SPECS) - {"pc_darts"}))
def test_one_pixel_at_stride_2_in_evaluation(name: str) -> None:
    spec = SPECS[name]
    modules = candidate_modules(spec, 4, stride=2).eval()
    tensors = tensors_of(modules, spec, 4, stride=2)
    x, alpha = random_input(1, 4, 1, 1), random_weights(len(spec.candidates))
    y = reference.mixed_op(
        x, alpha, tensors.parameters, spec, training=False, running=tensors.running, stride=2
    )
    torch.testing.assert_close(y, weighted_sum(modules, x, alpha), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "stride"), [("darts", 1), ("users", 2), ("pc_darts", 2), ("mbconv", 1)])
def test_gradcheck(name: str, stride: int, training: bool) -> None:
    call = arguments(SPECS[name], stride=stride, training=training)
    call["x"] = call["x"][:, :, :3, :2].clone().requires_grad_()
    call["alpha"].requires_grad_()
    running = call.pop("running")

    def run(x: Tensor, alpha: Tensor, *parameters: Tensor) -> Tensor:
        copies = [buffer.clone() for buffer in running]
        return reference.mixed_op(
            **(call | {"x": x, "alpha": alpha, "parameters": parameters, "running": copies})
        )

    assert torch.autograd.gradcheck(run, (call["x"], call["alpha"], *call["parameters"]), fast_mode=True)


def test_a_maximum_found_twice_sends_its_gradient_to_the_first_pixel() -> None:
    x = torch.ones(1, 1, 3, 3, requires_grad=True)
    spec = MixedOpSpec(("max_pool_3x3",))
    reference.mixed_op(x, torch.ones(1), [], spec).sum().backward()
    expected = torch.tensor([[4.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert torch.equal(x.grad, expected[None, None])


@pytest.mark.parametrize(
    "operation", ["none", "skip_connect", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3"]
)
def test_nan_and_infinity_propagate(operation: str) -> None:
    spec = MixedOpSpec((operation,))
    call = arguments(spec)
    for value in (torch.nan, torch.inf):
        call["x"] = random_input(2, 4, 5, 4)
        call["x"][0, 0, 2, 2] = value
        assert not reference.mixed_op(**call)[0, 0, 2, 2].isfinite()


@pytest.mark.parametrize("stride", [1, 2])
def test_candidates_of_weight_zero_are_not_run_on_request(stride: int) -> None:
    spec = SPECS["darts_affine"]
    call = arguments(spec, stride=stride)
    call["x"].requires_grad_()
    call["alpha"] = torch.tensor([0, 0.25, -0.0, 0, 0, 0, 0.75, 0], dtype=torch.float64, requires_grad=True)
    names, buffers = spec.parameter_names(stride), spec.buffer_names(stride)
    running = dict(zip(buffers, call["running"], strict=True))
    call["running"] = [tensor.clone() for tensor in running.values()]
    y = reference.mixed_op(**call)

    poisoned = [
        p if name[0] in "16" else torch.full_like(p, torch.nan).requires_grad_()
        for name, p in zip(names, call["parameters"], strict=True)
    ]
    updated = call["running"]
    call |= {"running": [tensor.clone() for tensor in running.values()], "skip_zero": True}
    skipped = reference.mixed_op(**(call | {"parameters": poisoned}))
    torch.testing.assert_close(skipped, y, rtol=1e-12, atol=1e-12)
    for name, now, full in zip(buffers, call["running"], updated, strict=True):
        assert torch.equal(now, full if name[0] in "16" else running[name]), name

    (skipped * random_input(*y.shape)).sum().backward()
    for name, p in zip(names, poisoned, strict=True):
        assert p.grad is not None, name
        assert bool(p.grad.any()) == (name[0] in "16"), name
    assert call["alpha"].grad is not None and call["alpha"].grad.ne(0).nonzero().flatten().tolist() == [1, 6]
    assert call["x"].grad is not None and call["x"].grad.isfinite().all()

    assert reference.mixed_op(**(call | {"parameters": poisoned, "skip_zero": False})).isnan().all()


def test_all_weights_zero_give_zeros_and_gradients_of_zero() -> None:
    call = arguments(SPECS["pc_darts"], stride=2, skip_zero=True)
    call["x"] = call["x"].float().requires_grad_()
    call["parameters"] = [p.detach().float().requires_grad_() for p in call["parameters"]]
    call["running"] = None
    call["alpha"] = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    y = reference.mixed_op(**call)
    assert y.shape == (2, 4, 3, 2) and y.dtype == torch.float32 and not y[:, ::2].any()
    gradients = torch.autograd.grad(y[:, ::2].sum(), [call["x"], call["alpha"], *call["parameters"]])
    assert not any(g.any() for g in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_every_floating_dtype_and_autocast(dtype: torch.dtype) -> None:
    spec = SPECS["nasbench201"]
    call = arguments(spec)
    exact = reference.mixed_op(**(call | {"running": None})).detach()
    for name in ("parameters", "running"):
        call[name] = [t.detach().to(dtype) for t in call[name]]
    y = reference.mixed_op(**(call | {"x": call["x"].to(dtype)}))
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), exact, rtol=0.1, atol=0.2 * float(exact.abs().max()))
    if dtype == torch.float32:
        with torch.autocast("cpu", torch.bfloat16):
            half = reference.mixed_op(**(call | {"x": call["x"].bfloat16()}))
        torch.testing.assert_close(half.double(), exact, rtol=0.1, atol=0.2 * float(exact.abs().max()))


@pytest.mark.parametrize("training", [True, False])
def test_an_empty_batch_is_as_in_pytorch(training: bool) -> None:
    spec = SPECS["nasbench201"]
    modules = candidate_modules(spec, 4).train(training)
    call = arguments(spec, x=torch.empty(0, 4, 5, 4, dtype=torch.float64), training=training)
    y = reference.mixed_op(**call)
    assert y.shape == weighted_sum(modules, call["x"], call["alpha"]).shape == (0, 4, 5, 4)
    expected = [b for n, b in modules.named_buffers() if n.endswith(("mean", "var"))]
    torch.testing.assert_close(call["running"], expected, equal_nan=True)


def test_memory_formats_and_views_give_the_same() -> None:
    call = arguments(SPECS["darts"], running=None)
    y = reference.mixed_op(**call)
    wide = torch.randn(2, 4, 5, 8, dtype=torch.float64)
    wide[..., ::2] = call["x"]
    for x in (call["x"].contiguous(memory_format=torch.channels_last), wide[..., ::2]):
        torch.testing.assert_close(reference.mixed_op(**(call | {"x": x})), y, rtol=1e-12, atol=1e-12)


def test_meta_tensors_give_the_shape() -> None:
    call = arguments(SPECS["pc_darts"], stride=2)
    for name in ("parameters", "running"):
        call[name] = [tensor.to("meta") for tensor in call[name]]
    y = reference.mixed_op(**(call | {"x": call["x"].to("meta"), "alpha": call["alpha"].to("meta")}))
    assert y.is_meta and y.shape == (2, 4, 3, 2)


def test_norms_without_running_statistics_use_the_batch() -> None:
    call = arguments(SPECS["nasbench201"])
    expected = reference.mixed_op(**call)
    torch.testing.assert_close(reference.mixed_op(**(call | {"running": None})), expected)
    with pytest.raises(ValueError, match="running must be given when training is False"):
        reference.mixed_op(**(call | {"running": None, "training": False}))
    pools = MixedOpSpec(("none", "avg_pool_3x3"))
    assert reference.mixed_op(call["x"], call["alpha"][:2], [], pools, training=False).shape == (2, 4, 5, 4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"spec": ["none"]}, TypeError, "mixed_op: spec must be a MixedOpSpec, got list"),
        ({"x": [1.0]}, TypeError, r"x must be a torch.Tensor, got list"),
        (
            {"x": torch.ones(2, 4, 5, 4, dtype=torch.int64)},
            TypeError,
            "x must have a floating dtype, got torch",
        ),
        ({"x": torch.ones(4, 5, 4)}, ValueError, r"x must have shape \[N, C, H, W\].*, got \[4, 5, 4\]"),
        ({"x": torch.ones(2, 4, 0, 4)}, ValueError, r"H and W at least 1, got \[2, 4, 0, 4\]"),
        (
            {"alpha": torch.ones(4)},
            ValueError,
            r"alpha must have shape \[K\] with K = 5 \(from spec\), got \[4\]",
        ),
        ({"alpha": torch.ones(5, device="meta")}, ValueError, "alpha must be on cpu as x is, got meta"),
        ({"alpha": [0.2] * 5}, TypeError, "alpha must be a torch.Tensor, got list"),
        (
            {"parameters": torch.ones(2)},
            TypeError,
            "parameters must be a list or tuple of tensors, got Tensor",
        ),
        ({"parameters": []}, ValueError, r"parameters must hold 2 tensors .*, got 0"),
        (
            {"parameters": [torch.ones(4, 4, 1, 1).double(), torch.ones(()).double()]},
            ValueError,
            r"parameters\[1\] \(3.conv.weight\) must have shape \[4, 4, 3, 3\], got \[\]",
        ),
        (
            {"parameters": [torch.ones(4, 4, 1, 1), torch.ones(4, 4, 3, 3)]},
            TypeError,
            r"parameters\[0\] \(2.conv.weight\) must have the dtype of x, torch.float64, got torch.float32",
        ),
        ({"parameters": [None, None]}, TypeError, r"parameters\[0\].* must be a torch.Tensor, got NoneType"),
        ({"running": []}, ValueError, "running must hold 4 tensors .*, got 0"),
        (
            {"running": [torch.ones(3).double()] * 4},
            ValueError,
            r"running\[0\] \(2.norm.running_mean\) must have shape \[4\], got \[3\]",
        ),
        (
            {"running": [torch.ones(4).double().requires_grad_()] * 4},
            ValueError,
            r"running\[0\] .* must not require a gradient",
        ),
        ({"stride": 3}, ValueError, "mixed_op: stride must be 1 or 2, got 3"),
        ({"stride": 1.0}, TypeError, "mixed_op: stride must be an int, got 1.0"),
        ({"eps": 0}, ValueError, "mixed_op: eps must be a finite number above 0, got 0"),
        ({"eps": "small"}, TypeError, "mixed_op: eps must be a finite number above 0, got 'small'"),
        ({"momentum": float("nan")}, ValueError, r"mixed_op: momentum must be in \[0, 1\], got nan"),
        ({"momentum": None}, TypeError, r"mixed_op: momentum must be in \[0, 1\], got None"),
        ({"training": 1}, TypeError, "mixed_op: training must be a bool, got 1"),
        ({"skip_zero": None}, TypeError, "mixed_op: skip_zero must be a bool, got None"),
    ],
)
@pytest.mark.parametrize("function", [reference.mixed_op, mixed_op])
def test_wrong_arguments_are_named(
    function: Callable[..., Tensor], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        function(**(arguments(SPECS["nasbench201"]) | options))


@pytest.mark.parametrize("function", [reference.mixed_op, mixed_op])
def test_the_size_of_a_channels_group_must_fit(function: Callable[..., Tensor]) -> None:
    call = arguments(sets.darts(channel_divisor=2))
    with pytest.raises(ValueError, match="input_channels must be a multiple of channel_divisor = 2, got 3"):
        function(**(call | {"x": call["x"][:, :3]}))


def test_it_is_what_a_darts_cell_computes_over_an_optimizer_step() -> None:
    """Trains both ways on the same data; parameters stay together."""
    spec = SPECS["darts_affine"]
    modules, twins = candidate_modules(spec, 4), candidate_modules(spec, 4)
    tensors = tensors_of(twins, spec, 4)
    alphas = [nn.Parameter(random_weights(8)) for _ in range(2)]
    optimizers = [
        torch.optim.SGD([*m.parameters(), alpha], lr=0.05)
        for m, alpha in zip((modules, twins), alphas, strict=True)
    ]
    for step in range(4):
        x = random_input(3, 4, 5, 5, seed=step)
        outputs = (
            weighted_sum(modules, x, alphas[0]),
            reference.mixed_op(x, alphas[1], tensors.parameters, spec, running=tensors.running),
        )
        for y, optimizer in zip(outputs, optimizers, strict=True):
            optimizer.zero_grad()
            y.square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(alphas[1], alphas[0], rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(twins.parameters(), modules.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
