"""The fused mixed operation as a torch operation: layouts, autograd, compilers, autocast, fake tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mixed_calls import arguments, cell_arguments, results
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from efficient_nas import ops
from efficient_nas.ops import CellEdge, CellSpec, MixedOpSpec, mixed_kernels, reference, sets
from efficient_nas.ops.mixed_registered import BUILD

SMALL = MixedOpSpec(("skip_connect", "sep_conv_3x3", "max_pool_3x3"))
PARTIAL = sets.darts(channel_divisor=2)
CELL = CellSpec(
    2, (CellEdge(0, 2, SMALL, 2), CellEdge(1, 2, SMALL, 2), CellEdge(0, 3, SMALL, 2), CellEdge(2, 3, SMALL))
)
SIZE = (2, 6, 5, 4)
operations = torch.ops.efficient_nas


def with_gradients(call: dict[str, Any]) -> dict[str, Any]:
    call["x"].requires_grad_()
    call["alpha"].requires_grad_()
    for parameter in call["parameters"]:
        parameter.requires_grad_()
    return call


def registered(call: dict[str, Any]) -> tuple[Any, ...]:
    """Arguments of the registered operation for those of mixed_op."""
    text = CellSpec(1, (CellEdge(0, 1, call["spec"], call["stride"]),)).text
    training = call.get("training", True)
    running = [] if training else call["running"]
    options = text, training, 1e-5, call.get("skip_zero", False), BUILD
    return [call["x"]], call["alpha"], call["parameters"], running, *options


ZERO = torch.tensor([0.5, 0, 2], dtype=torch.float64)
CASES: list[dict[str, Any]] = [
    {},
    {"training": False},
    {"stride": 2, "dtype": torch.float64},
    {"skip_zero": True, "alpha": ZERO},
    {"x": torch.empty(0, *SIZE[1:])},
]


@pytest.mark.parametrize("options", CASES, ids=["training", "evaluation", "stride 2", "skip_zero", "empty"])
def test_opcheck(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    empty = mixed_kernels.empty_nodes

    def empty_nodes(*given: Any) -> Any:
        """Memory that held NaN: results of an operation must not show what was there before."""
        nodes, saved, statistics = empty(*given)
        for tensor in (*nodes, *saved, statistics):
            tensor.fill_(torch.nan)
        return nodes, saved, statistics

    monkeypatch.setattr(mixed_kernels, "empty_nodes", empty_nodes)
    call = with_gradients(arguments(SMALL, SIZE, **({"dtype": torch.float32} | copy.deepcopy(options))))
    given = registered(call)
    torch.library.opcheck(operations.mixed_cell, given)
    with torch.no_grad():
        nodes, saved, statistics = operations.mixed_cell(*given)
        images, alpha, parameters, _, text, training, eps, skip_zero, _ = given
        gradients = [torch.randn_like(node) for node in nodes]
        wanted = [True] * (1 + len(parameters))
        rest = ([], saved, statistics, text, training, eps, skip_zero, wanted)
        detached = [x.detach() for x in images], alpha.detach(), [p.detach() for p in parameters]
        torch.library.opcheck(operations.mixed_cell_backward, (gradients, *detached, *rest))
    if training:
        sizes = len(images[0]), [*SIZE[1:]], [nodes[0].shape[1]], nodes[0].dtype
        update = (call["running"], alpha.detach(), statistics, text, *sizes, 0.1, skip_zero)
        torch.library.opcheck(operations.mixed_cell_update_running, update)


def through_the_dispatcher(**call: Any) -> Tensor:
    (node,), _, _ = operations.mixed_cell(*registered(call))
    return node


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("function", [ops.mixed_op, through_the_dispatcher])
def test_gradcheck(function: Callable[..., Tensor], training: bool, stride: int) -> None:
    call = with_gradients(arguments(SMALL, (2, 2, 3, 2), stride, training=training))

    def run(x: Tensor, alpha: Tensor, *parameters: Tensor) -> Tensor:
        return function(**(call | {"x": x, "alpha": alpha, "parameters": list(parameters)}))

    if training:
        call["running"] = None
    assert torch.autograd.gradcheck(run, (call["x"], call["alpha"], *call["parameters"]))


def test_only_the_wanted_gradients_and_as_many_nodes_as_are_used() -> None:
    call = cell_arguments(CELL, 6)
    expected = [results(function, call) for function in (reference.mixed_cell, ops.mixed_cell)]
    torch.testing.assert_close(expected[1], expected[0])
    for name in ("inputs", "alphas", "parameters"):
        own = [tensor.clone() for tensor in call[name]]
        own[-1].requires_grad_()
        nodes = ops.mixed_cell(**(call | {name: own}))
        definition = reference.mixed_cell(**(call | {name: own}))
        for ours, theirs in ((nodes[1:], definition[1:]), (nodes, definition)):
            ours_, theirs_ = (
                torch.autograd.grad(sum((n * n).sum() for n in of), own[-1], retain_graph=True)
                for of in (ours, theirs)
            )
            torch.testing.assert_close(ours_, theirs_)


def test_a_second_backward_gives_the_same_and_needs_retain_graph() -> None:
    call = with_gradients(arguments(SMALL, SIZE))
    y = ops.mixed_op(**call)
    wrt = [call["x"], call["alpha"], *call["parameters"]]
    first = torch.autograd.grad(y.sum(), wrt, retain_graph=True)
    second = torch.autograd.grad(y.sum(), wrt)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y.sum(), wrt)


@pytest.mark.parametrize("function", [ops.mixed_op, through_the_dispatcher])
def test_a_second_derivative_is_an_error(function: Callable[..., Tensor]) -> None:
    call = with_gradients(arguments(SMALL, SIZE))
    first = torch.autograd.grad(function(**call).square().sum(), call["x"])
    (recorded,) = torch.autograd.grad(function(**call).square().sum(), call["x"], create_graph=True)
    torch.testing.assert_close(recorded, *first)
    with pytest.raises(RuntimeError, match="mixed_op and mixed_cell have no second derivative"):
        torch.autograd.grad(recorded.sum(), call["alpha"])


@pytest.mark.parametrize("name", ["x", "alpha", "parameters"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_changes_in_place_before_backward_are_found_out(name: str, channels_last: bool) -> None:
    call = with_gradients(arguments(SMALL, SIZE))
    if channels_last:
        call["x"] = call["x"].detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    y = ops.mixed_op(**call)
    with torch.no_grad():
        (call[name][0] if name == "parameters" else call[name]).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_changes_in_place_of_nodes_are_found_out_where_an_edge_reads_them() -> None:
    call = cell_arguments(CELL, 6)
    call["inputs"][0].requires_grad_()
    for index, is_read in ((0, True), (1, False)):
        expected = torch.autograd.grad(sum(n.sum() for n in ops.mixed_cell(**call)), call["inputs"][0])
        nodes = ops.mixed_cell(**call)
        with torch.no_grad():
            nodes[index].mul_(2)
        if is_read:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                sum(n.sum() for n in nodes).backward()
        else:
            got = torch.autograd.grad(sum(n.sum() for n in nodes), call["inputs"][0])
            assert torch.equal(*got, *expected)


@pytest.mark.parametrize("function", [ops.mixed_op, through_the_dispatcher])
def test_batched_gradients_are_an_error(function: Callable[..., Tensor]) -> None:
    call = with_gradients(arguments(SMALL, SIZE))
    y = function(**call)
    with pytest.raises(RuntimeError, match=r"take no batched gradients|Batching rule not implemented"):
        torch.autograd.grad(y, call["x"], torch.ones(3, *y.shape), is_grads_batched=True)


def test_running_statistics_count_as_changed_in_place() -> None:
    call = arguments(SMALL, SIZE)
    before = [tensor._version for tensor in call["running"]]
    ops.mixed_op(**call)
    assert all(t._version > v for t, v in zip(call["running"], before, strict=True))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode: Callable[[], Any]) -> None:
    call = with_gradients(arguments(SMALL, SIZE))
    expected = ops.mixed_op(**(call | {"running": None}))
    running = [tensor.clone() for tensor in call["running"]]
    reference.mixed_op(**(call | {"running": running}))
    with mode():
        y = ops.mixed_op(**call)
        assert torch.equal(y, expected) and not y.requires_grad
        torch.testing.assert_close(call["running"], running)
        assert ops.mixed_op(**(call | {"x": torch.ones(SIZE, dtype=torch.float64)})).shape == SIZE


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x,
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "channels of channels_last": lambda x: torch.cat([x, x], 1).contiguous(memory_format=torch.channels_last)[
        :, : x.shape[1]
    ],
    "rows of channels_last": lambda x: x.contiguous(memory_format=torch.channels_last)[:, :, 1:],
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "strided": lambda x: x.repeat_interleave(2, 3)[..., ::2],
    "expanded": lambda x: x[:1].expand(2, -1, -1, -1),
    "expanded channels": lambda x: x[:, :1].expand(-1, 6, -1, -1),
    "one channel": lambda x: x[:, :1],
    "one column": lambda x: x.contiguous(memory_format=torch.channels_last)[..., 2:3],
    "one row": lambda x: x[:, :, :1],
    "one pixel": lambda x: x.contiguous(memory_format=torch.channels_last)[:, :4, 1:2, 1:2],
    "no images": lambda x: x[:0],
    "negative view": lambda x: torch.complex(x, x).conj().imag,
}


@pytest.mark.parametrize("function", [ops.mixed_op, through_the_dispatcher])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str, function: Callable[..., Tensor]) -> None:
    base = arguments(SMALL, SIZE)["x"]
    x = LAYOUTS[name](base)
    call = arguments(SMALL, tuple(x.shape), x=x)  # type: ignore[arg-type]
    call["parameters"] = [p.repeat_interleave(2, -1)[..., ::2] for p in call["parameters"]]
    if function is ops.mixed_op:
        call["running"] = [t.repeat_interleave(2)[::2] for t in call["running"]]
    else:
        call["running"] = None
    y = function(**call)
    assert y.is_contiguous(memory_format=torch.channels_last)
    ours, theirs = results(function, call), results(reference.mixed_op, call)
    torch.testing.assert_close(ours, theirs)


def test_the_first_channels_of_wider_pixels_are_taken_without_a_copy() -> None:
    x = LAYOUTS["channels of channels_last"](torch.randn(SIZE))
    assert mixed_kernels._pixels(x) is x and mixed_kernels._pitch(x) == 12


class Network(nn.Module):
    """A mixed operation, or one with partial channels, between torch's own."""

    def __init__(self, spec: MixedOpSpec, stride: int = 1) -> None:
        super().__init__()
        call = arguments(spec, SIZE, stride, dtype=torch.float32)
        self.spec, self.stride = spec, stride
        self.tensors = nn.ParameterList(call["parameters"])
        self.alpha = nn.Parameter(call["alpha"].float())
        for i, tensor in enumerate(call["running"]):
            self.register_buffer(f"running{i}", tensor)

    def forward(self, x: Tensor) -> Tensor:
        y = ops.mixed_op(
            x.sin(),
            self.alpha.softmax(0),
            list(self.tensors),
            self.spec,
            training=self.training,
            running=list(self.buffers()),
            stride=self.stride,
        )
        return y.relu()


def inputs(batch: int = 2) -> Tensor:
    return arguments(SMALL, (batch, *SIZE[1:]), dtype=torch.float32)["x"]


@pytest.mark.parametrize(("spec", "stride"), [(SMALL, 1), (PARTIAL, 2)])
def test_compile_in_training_with_any_batch_size(spec: MixedOpSpec, stride: int) -> None:
    network = Network(spec, stride)
    twin = copy.deepcopy(network)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for batch in (2, 3, 4):
        x, own = (inputs(batch).requires_grad_() for _ in range(2))
        expected, got = network(x), compiled(own)
        torch.testing.assert_close(got, expected)
        ours = torch.autograd.grad(got.square().sum(), [own, *twin.parameters()])
        theirs = torch.autograd.grad(expected.square().sum(), [x, *network.parameters()])
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(list(twin.buffers()), list(network.buffers()))


def test_compile_a_cell_with_dynamic_shapes_and_under_autocast() -> None:
    call = cell_arguments(CELL, 6, dtype=torch.float32)

    def run(images: list[Tensor], alphas: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            nodes = ops.mixed_cell(**(call | {"inputs": images, "alphas": alphas, "running": None}))
        return torch.cat([node.float() for node in nodes], 1)

    alphas = torch.stack(call["alphas"])
    compiled = torch.compile(run, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(call["inputs"], alphas), run(call["inputs"], alphas))


@pytest.mark.parametrize("divisor", [1, 3])
def test_compile_a_cell_with_weights_of_edges(divisor: int) -> None:
    spec = MixedOpSpec(SMALL.candidates, divisor)
    cell = CellSpec(1, (CellEdge(0, 1, spec), CellEdge(0, 2, spec), CellEdge(1, 2, spec)))
    call = cell_arguments(cell, 6, seed=1, training=False)
    images, betas = call["inputs"], call["edge_weights"].requires_grad_()

    def run(weights: Tensor) -> Tensor:
        return torch.cat(ops.mixed_cell(**(call | {"inputs": images, "edge_weights": weights})), 1)

    expected, got = run(betas), torch.compile(run, fullgraph=True, backend="aot_eager")(betas)
    torch.testing.assert_close(got, expected)
    ours, theirs = (torch.autograd.grad(y.square().sum(), betas) for y in (got, expected))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spec", [SMALL, PARTIAL])
def test_export_with_any_batch_size(spec: MixedOpSpec, training: bool) -> None:
    network = Network(spec).train(training)
    shapes = {"x": {0: torch.export.Dim("batch")}}
    program = torch.export.export(network, (inputs(),), dynamic_shapes=shapes)
    exported = program.module()
    torch.testing.assert_close(exported(inputs(5)), network(inputs(5)))
    torch.testing.assert_close(list(exported.buffers()), list(network.buffers()))


@pytest.mark.parametrize("spec", [SMALL, PARTIAL])
def test_autocast_computes_bfloat16_images_with_float32_parameters(spec: MixedOpSpec) -> None:
    call = with_gradients(arguments(spec, SIZE, dtype=torch.float32))
    exact = results(reference.mixed_op, call)
    with torch.autocast("cpu", torch.bfloat16):
        y = ops.mixed_op(**call)
        assert y.dtype == torch.bfloat16
        (of_x, of_alpha, *_) = gradients = torch.autograd.grad(
            y.float().sum(), [call["x"], call["alpha"], *call["parameters"]]
        )
        assert {gradient.dtype for gradient in (of_x, *gradients[2:])} == {torch.float32}
        assert of_alpha.dtype == call["alpha"].dtype
        double = call | {"x": call["x"].double(), "parameters": [p.double() for p in call["parameters"]]}
        assert ops.mixed_op(**(double | {"running": None})).dtype == torch.float64
    error = (y.double() - exact[0]).abs().max() / exact[0].abs().max()
    assert error < 2**-5
    with torch.autocast("cpu", torch.float16), pytest.raises(TypeError, match=r"got torch\.float16"):
        ops.mixed_op(**call)


def test_bfloat16_parameters_and_their_gradients() -> None:
    call = arguments(SMALL, SIZE, dtype=torch.bfloat16)
    running = call["running"]
    single = call | {
        "x": call["x"].float(),
        "parameters": [p.float() for p in call["parameters"]],
        "running": [tensor.float() for tensor in running],
    }
    ours, exact = results(ops.mixed_op, call), results(ops.mixed_op, single)
    for mine, other in zip(ours, exact, strict=True):
        assert mine.dtype == torch.bfloat16 or mine.shape == call["alpha"].shape
        torch.testing.assert_close(
            mine.double(), other.double(), rtol=2**-4, atol=2**-4 * float(other.abs().max())
        )


def test_weights_of_any_floating_dtype() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        call = with_gradients(arguments(SMALL, SIZE, alpha=torch.tensor([0.5, 2, -1], dtype=dtype)))
        y = ops.mixed_op(**call)
        torch.testing.assert_close(y, reference.mixed_op(**call))
        assert torch.autograd.grad(y.sum(), call["alpha"])[0].dtype == dtype


def test_fake_and_meta_tensors_have_shapes_and_no_memory() -> None:
    call = arguments(PARTIAL, SIZE, 2)

    def moved(move: Callable[[Tensor], Tensor]) -> dict[str, Any]:
        lists = {name: [move(t) for t in call[name]] for name in ("parameters", "running")}
        return call | lists | {"x": move(call["x"]), "alpha": move(call["alpha"])}

    shape = ops.mixed_op(**call).shape
    y = ops.mixed_op(**moved(lambda tensor: tensor.to("meta")))
    assert y.is_meta and y.shape == shape
    with FakeTensorMode() as mode:
        assert ops.mixed_op(**moved(mode.from_tensor)).shape == shape


def test_torch_func_and_forward_mode_are_errors_and_never_reach_memory() -> None:
    call = arguments(SMALL, SIZE, running=None)

    def run(x: Tensor) -> Tensor:
        return ops.mixed_op(**(call | {"x": x})).sum()

    message = "no forward-mode derivative and no torch.func transforms"
    for transform in (torch.func.grad, torch.func.jacfwd, torch.func.vmap):
        with pytest.raises(RuntimeError, match=message):
            transform(run)(call["x"][None] if transform is torch.func.vmap else call["x"])
    with pytest.raises(RuntimeError, match="functorch transforms"):
        torch.func.grad(lambda x: through_the_dispatcher(**(call | {"x": x})).sum())(call["x"])
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(call["x"], torch.ones_like(call["x"]))
        for context in (torch.no_grad(), torch.enable_grad(), torch.autocast("cpu", torch.bfloat16)):
            with pytest.raises(RuntimeError, match=message), context:
                run(dual)


def test_modes_and_subclasses_see_the_registered_operation() -> None:
    class Names(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(str(func))
            return func(*args, **(kwargs or {}))

    call = with_gradients(arguments(SMALL, SIZE))
    expected = ops.mixed_op(**call)
    call["running"] = arguments(SMALL, SIZE)["running"]
    with Names() as names:
        y = ops.mixed_op(**call)
        y.sum().backward()
    assert torch.equal(y, expected)
    for name in ("mixed_cell", "mixed_cell_update_running", "mixed_cell_backward"):
        assert f"efficient_nas.{name}.default" in names.seen

    class Own(Tensor):
        pass

    y = ops.mixed_op(**(call | {"x": call["x"].detach().as_subclass(Own), "running": None}))
    assert type(y) is Own and torch.equal(y.as_subclass(Tensor), expected)


OTHERS: list[tuple[Callable[[Tensor], Tensor], type[Exception], str]] = [
    (lambda t: t.half(), TypeError, "inputs must be float32, float64 or bfloat16, got torch.float16; use"),
    (lambda t: t.to_sparse(), ValueError, "must be dense and on the CPU, got torch.sparse_coo on cpu; use"),
]


@pytest.mark.parametrize(("convert", "error", "message"), OTHERS, ids=["half", "sparse"])
def test_what_only_the_definition_takes(
    convert: Callable[[Tensor], Tensor], error: type[Exception], message: str
) -> None:
    call = arguments(MixedOpSpec(("none", "avg_pool_3x3")), SIZE)
    with pytest.raises(error, match=f"^mixed_op: .*{message} efficient_nas.ops.reference.mixed_op"):
        ops.mixed_op(**(call | {"x": convert(call["x"])}))
    cell = cell_arguments(CellSpec(1, (CellEdge(0, 1, MixedOpSpec(("none",))),)), 4)
    with pytest.raises(error, match=f"^mixed_cell: .*{message} efficient_nas.ops.reference.mixed_cell"):
        ops.mixed_cell(**(cell | {"inputs": [convert(x) for x in cell["inputs"]]}))


def test_the_registered_operations_check_what_they_are_given() -> None:
    call = arguments(SMALL, SIZE)
    images, alpha, parameters, _, *options, _ = given = registered(call)
    nodes, saved, statistics = operations.mixed_cell(*given)
    text = options[0]
    backward = (nodes, images, alpha, parameters, [], saved, statistics, *options, [True] * 5)
    update = (call["running"], alpha, statistics, text, 2, list(SIZE[1:]), [6], torch.float64, 0.1, False)

    def changed(arguments: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
        return *arguments[:index], value, *arguments[index + 1 :]

    calls: list[tuple[Any, tuple[Any, ...], str]] = [
        (operations.mixed_cell, changed(given, 0, []), "inputs must hold 1 tensors"),
        (operations.mixed_cell, changed(given, 0, [images[0][:, :3]]), r"must have shape \[3, 1, 3, 3\]"),
        (operations.mixed_cell, changed(given, 1, alpha[:2]), "alphas"),
        (operations.mixed_cell, changed(given, 2, parameters[1:]), "parameters must hold 4 tensors"),
        (operations.mixed_cell, changed(given, 3, call["running"]), r"running \[\] in training"),
        (operations.mixed_cell, changed(given, 4, "{}"), "CellSpec must have edges"),
        (operations.mixed_cell, changed(given, 5, False), "running must hold 4 tensors"),
        (operations.mixed_cell_backward, changed(backward, 0, [nodes[0][:1]]), "must be those of a call"),
        (operations.mixed_cell_backward, changed(backward, 4, nodes), "must be those of a call"),
        (operations.mixed_cell_backward, changed(backward, 5, saved[1:]), "must be those of a call"),
        (operations.mixed_cell_backward, changed(backward, 6, statistics[1:]), "must be those of a call"),
        (operations.mixed_cell_backward, changed(backward, 11, [True]), "must be those of a call"),
        (operations.mixed_cell_update_running, changed(update, 0, call["running"][1:]), "must be those"),
        (operations.mixed_cell_update_running, changed(update, 2, statistics.float()), "must be those"),
        (operations.mixed_cell_update_running, changed(update, 6, [7]), "output_channels must equal"),
    ]
    operations.mixed_cell_backward(*backward)
    operations.mixed_cell_update_running(*update)
    for operation, wrong, message in calls:
        with pytest.raises(ValueError, match=message):
            operation(*wrong)
