"""The candidates of a mixed operation, and the names and shapes of all its tensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from efficient_nas.ops.fields import checked_stride, positive_int
from efficient_nas.ops.spec import Convolution, Norm, OpSpec

Named = tuple[str, tuple[int, ...]]
_OP_FIELDS = tuple(field.name for field in fields(OpSpec))


@dataclass(frozen=True, slots=True)
class MixedOpSpec:
    """The candidates of y = sum_k alpha_k * op_k(x), in the order of alpha.

    candidates: at least one `OpSpec` or name such as "sep_conv_3x3", in any sequence.
    channel_divisor: partial channels (PC-DARTS, arXiv:1907.05737, its K): the candidates see the first
    1 / channel_divisor of the channels, the others bypass them, then channels are shuffled. 1: all channels.
    text: what `to_json` returns.
    """

    candidates: tuple[OpSpec, ...]
    channel_divisor: int = 1
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.candidates, (list, tuple)):
            raise TypeError(
                f"MixedOpSpec: candidates must be a list or tuple of OpSpec or str, got {self.candidates!r}"
            )
        if not self.candidates:
            raise ValueError("MixedOpSpec: candidates must hold at least one candidate, got none")
        checked = []
        for k, candidate in enumerate(self.candidates):
            if not isinstance(candidate, (OpSpec, str)):
                raise TypeError(f"MixedOpSpec: candidates[{k}] must be an OpSpec or str, got {candidate!r}")
            checked.append(OpSpec(candidate) if isinstance(candidate, str) else candidate)
        object.__setattr__(self, "candidates", tuple(checked))
        divisor = positive_int("MixedOpSpec: channel_divisor", self.channel_divisor)
        object.__setattr__(self, "channel_divisor", divisor)
        object.__setattr__(self, "text", json.dumps(self.to_object()))

    def __hash__(self) -> int:
        return hash(self.text)

    def parameter_names(self, stride: int = 1) -> tuple[str, ...]:
        """Names of the parameters, `k.layer.weight` or `k.layer.bias`, in the order `mixed_op` takes them."""
        return tuple(
            name for name, _ in _parameters(self._layers(2, 2, checked_stride("MixedOpSpec", stride)))
        )

    def buffer_names(self, stride: int = 1) -> tuple[str, ...]:
        """Names of the running statistics, `k.layer.running_mean` and `k.layer.running_var` in turn."""
        return tuple(name for name, _ in _buffers(self._layers(2, 2, checked_stride("MixedOpSpec", stride))))

    def parameter_shapes(
        self, input_channels: int, output_channels: int | None = None, stride: int = 1
    ) -> tuple[tuple[int, ...], ...]:
        """Shapes in the order of `parameter_names`, for a whole input of `input_channels`.

        output_channels: None keeps the number; another one needs candidates that can change it.
        """
        layers = self._layers(*self._inner_channels(input_channels, output_channels, stride))
        return tuple(shape for _, shape in _parameters(layers))

    def buffer_shapes(
        self, input_channels: int, output_channels: int | None = None, stride: int = 1
    ) -> tuple[tuple[int, ...], ...]:
        """Shapes in the order of `buffer_names`; arguments as in `parameter_shapes`."""
        layers = self._layers(*self._inner_channels(input_channels, output_channels, stride))
        return tuple(shape for _, shape in _buffers(layers))

    def keeps_channels(self, stride: int) -> bool:
        """Whether the output must have as many channels as the input."""
        return self.channel_divisor > 1 or any(c.keeps_channels(stride) for c in self.candidates)

    def to_json(self) -> str:
        """JSON text that `from_json` reads; attributes that a candidate does not take are left out."""
        return self.text

    @classmethod
    def from_json(cls, text: str) -> MixedOpSpec:
        """The specification of a text that `to_json` wrote. ValueError or TypeError that names the field."""
        return cls.from_object("MixedOpSpec", json_object("MixedOpSpec", text))

    def to_object(self) -> dict[str, Any]:
        """What `to_json` writes."""
        candidates = [
            {
                name: value
                for name in _OP_FIELDS
                if (value := getattr(candidate, name)) is not None and value is not False
            }
            for candidate in self.candidates
        ]
        return {"candidates": candidates, "channel_divisor": self.channel_divisor}

    @classmethod
    def from_object(cls, where: str, document: Any) -> MixedOpSpec:
        """The specification of what `to_object` returned; `where` begins the messages of errors."""
        values = json_fields(where, document, ("candidates", "channel_divisor"), required="candidates")
        candidates = values["candidates"]
        if not isinstance(candidates, list):
            raise TypeError(f"{where}: candidates must be a list, got {candidates!r}")
        return cls(
            tuple(
                OpSpec(**json_fields(f"{where}: candidates[{k}]", entry, _OP_FIELDS, required="operation"))
                for k, entry in enumerate(candidates)
            ),
            values.get("channel_divisor", 1),
        )

    def _layers(self, source: int, target: int, stride: int) -> list[tuple[int, Convolution | Norm]]:
        return [
            (k, layer)
            for k, candidate in enumerate(self.candidates)
            for layer in candidate.layers(source, target, stride)
        ]

    def _inner_channels(
        self, input_channels: int, output_channels: int | None, stride: int
    ) -> tuple[int, int, int]:
        """Channels into and out of the candidates, and the stride; checked."""
        source = positive_int("MixedOpSpec: input_channels", input_channels)
        target = (
            source
            if output_channels is None
            else positive_int("MixedOpSpec: output_channels", output_channels)
        )
        stride = checked_stride("MixedOpSpec", stride)
        if source != target and self.keeps_channels(stride):
            keepers = [c.name for c in self.candidates if c.keeps_channels(stride)] or ["partial channels"]
            raise ValueError(
                f"MixedOpSpec: output_channels must equal input_channels = {source} at stride {stride}, "
                f"because of {', '.join(keepers)}; got {target}"
            )
        if source % self.channel_divisor:
            raise ValueError(
                f"MixedOpSpec: input_channels must be a multiple of channel_divisor = "
                f"{self.channel_divisor}, got {source}"
            )
        source, target = source // self.channel_divisor, target // self.channel_divisor
        if stride == 2 and target < 2 and any(c.operation == "skip_connect" for c in self.candidates):
            raise ValueError(
                "MixedOpSpec: output_channels must be at least 2 at stride 2, where skip_connect makes them "
                f"in two halves; got {target}"
            )
        return source, target, stride


def _parameters(layers: list[tuple[int, Convolution | Norm]]) -> Iterator[Named]:
    for k, layer in layers:
        if isinstance(layer, Convolution):
            yield f"{k}.{layer.name}.weight", layer.shape
            if layer.bias:
                yield f"{k}.{layer.name}.bias", layer.shape[:1]
        elif layer.affine:
            yield f"{k}.{layer.name}.weight", (layer.channels,)
            yield f"{k}.{layer.name}.bias", (layer.channels,)


def _buffers(layers: list[tuple[int, Convolution | Norm]]) -> Iterator[Named]:
    for k, layer in layers:
        if isinstance(layer, Norm):
            yield f"{k}.{layer.name}.running_mean", (layer.channels,)
            yield f"{k}.{layer.name}.running_var", (layer.channels,)


def json_object(where: str, text: str) -> Any:
    """What a JSON text holds, or a ValueError."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{where}: not JSON: {error}") from None


def json_fields(where: str, value: Any, allowed: tuple[str, ...], *, required: str) -> dict[str, Any]:
    """`value` as a JSON object that has `required` and nothing but `allowed`; TypeError or ValueError."""
    if not isinstance(value, dict):
        raise TypeError(f"{where} must be an object, got {value!r}")
    unknown = sorted(set(value) - set(allowed))
    if unknown:
        raise ValueError(f"{where} has fields {', '.join(allowed)}; got {unknown[0]!r}")
    if required not in value:
        raise ValueError(f"{where} must have {required}, got {value!r}")
    return value
