"""ONNX files, checked by onnx and run by onnxruntime before they are handed out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from efficient_nas.errors import ExportError
from efficient_nas.export.noise import quiet
from efficient_nas.export.parity import check_input_shape, compare, frozen_copy, trace_input
from efficient_nas.files import replacing
from efficient_nas.types import Parity

PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def to_onnx(module: nn.Module, input_shape: Sequence[int], path: str | Path) -> Parity:
    """Writes `module` in evaluation mode as one ONNX file; returns the parity of the reloaded file.

    input_shape: one image, (C, H, W). The file takes float32 `images` [batch, C, H, W], any batch, and gives
    `logits`. The module is left unchanged. Raises ExportError when it cannot be exported or the extra
    `export` is not installed.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ExportError(
            f'to_onnx: needs {", ".join(missing)}; install them with: pip install "efficient-nas[export]"'
        )
    shape = check_input_shape("onnx", input_shape)
    target = Path(path)
    frozen = frozen_copy(module)
    with replacing(target) as partial:
        _write(frozen, shape, partial)
    return compare("onnx", target, frozen, _Session(target), shape)


def _write(module: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    import onnx

    with quiet():
        try:
            program = torch.onnx.export(
                module,
                (trace_input(shape),),
                dynamo=True,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
        except Exception as error:  # the exporter raises whatever its many passes raise
            raise ExportError(f"to_onnx: {type(module).__name__} cannot be exported: {error}") from error
    assert program is not None
    # One file, so that a network cannot be separated from its weights.
    program.save(str(path), external_data=False)
    onnx.checker.check_model(str(path), full_check=True)


class _Session:
    """An ONNX file as a function of one tensor, run by onnxruntime on the CPU."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # a second spinning thread pool slows torch's own
        self._session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._session.run(["logits"], {"images": images.numpy()})[0])
