"""JSON that keeps non-finite floats, and snapshots as JSON beside an `.npz`. No pickle anywhere."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_FLOAT = "$float"
_ARRAY = "$array"


def dumps(value: Any) -> str:
    """Canonical JSON text of `value`: sorted keys, floats that read back bit for bit, NaN and inf kept.

    numpy scalars become Python numbers. Raises TypeError for anything else that JSON does not know.
    """
    return json.dumps(_plain(value, "value", None), sort_keys=True, separators=(",", ":"), allow_nan=False)


def loads(text: str) -> Any:
    """The value that `dumps` wrote."""
    return _restore(json.loads(text), None)


def dump_state(state: Mapping[str, Any]) -> tuple[str, bytes]:
    """A state dict as JSON text, and the numpy arrays in it as the bytes of an `.npz` file."""
    arrays: list[np.ndarray[Any, Any]] = []
    text = json.dumps(_plain(state, "state", arrays), sort_keys=True, separators=(",", ":"), allow_nan=False)
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return text, buffer.getvalue()


def load_state(text: str, arrays: bytes) -> dict[str, Any]:
    """The state dict that `dump_state` wrote."""
    with np.load(io.BytesIO(arrays), allow_pickle=False) as archive:
        state: dict[str, Any] = _restore(json.loads(text), archive)
    return state


def _plain(value: Any, path: str, arrays: list[np.ndarray[Any, Any]] | None) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: str(value)}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key in {_FLOAT, _ARRAY}:
                raise TypeError(f"{path}: keys must be strings other than {_FLOAT} and {_ARRAY}, got {key!r}")
        return {key: _plain(item, f"{path}.{key}", arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{i}]", arrays) for i, item in enumerate(value)]
    if isinstance(value, np.ndarray) and arrays is not None and value.dtype.kind in "biuf":
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    raise TypeError(f"{path}: cannot be stored without pickle, got {type(value).__name__}")


def _restore(value: Any, arrays: Any) -> Any:
    if isinstance(value, list):
        return [_restore(item, arrays) for item in value]
    if isinstance(value, dict):
        if _FLOAT in value:
            return float(value[_FLOAT])
        if _ARRAY in value:
            return arrays[f"arr_{value[_ARRAY]}"]
        return {key: _restore(item, arrays) for key, item in value.items()}
    return value
