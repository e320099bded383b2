"""Modules that are built alike need to be understood only once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from torch import nn

from efficient_nas.supernet.fusion.swap import PLAN, original_class

_OWN = {*vars(nn.Module()), PLAN} - {"training"}


def signature(module: nn.Module) -> Hashable | None:
    """Equal for modules that compute the same with the same tensors; None if that cannot be said.

    That is: the same classes of modules under the same names, with the same attributes and shapes.
    """
    parts: list[Hashable] = []
    for name, part in module.named_modules():
        attributes = {key: value for key, value in vars(part).items() if key not in _OWN}
        del attributes["training"]
        if not _is_plain(attributes):
            return None
        tensors = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        shapes = tuple((key, tuple(tensor.shape), tensor.dtype) for key, tensor in tensors)
        parts.append((name, original_class(part), repr(attributes), shapes))
    return tuple(parts)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(entry) for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(entry) for entry in value)
    return value is None or type(value) in {bool, int, float, str}
