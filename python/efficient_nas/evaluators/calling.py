"""Makes an evaluator of a user's own function or object."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from efficient_nas.errors import TrialFailed
from efficient_nas.protocols import Candidate, Evaluator
from efficient_nas.types import Metrics


class Calling:
    """An evaluator that calls `function(candidate, seed)` (or `function(candidate)`) and checks what returns.

    function: a callable or an object with `evaluate(candidate, seed)`. It returns the accuracy as a number,
    or a dict of metrics; it raises `TrialFailed` to record a failed trial. A metric that is NaN or infinite
    fails the trial. Anything else it returns is a TypeError that names what came.
    """

    def __init__(self, function: Callable[..., Any] | Evaluator) -> None:
        self._target = function
        self._call: Callable[..., Any]
        if isinstance(function, Evaluator):
            self._call = function.evaluate
        elif callable(function):
            self._call = function
        else:
            raise TypeError(
                "evaluator must be a callable or an object with evaluate(candidate, seed), "
                f"got {type(function).__name__}"
            )
        self._name = getattr(function, "__qualname__", type(function).__name__)
        self._takes_seed = _takes_seed(self._call, self._name)

    def evaluate(self, candidate: Candidate, seed: int) -> Metrics:
        """The checked metrics of one call."""
        returned = self._call(candidate, seed) if self._takes_seed else self._call(candidate)
        pairs = returned if isinstance(returned, Mapping) else {"accuracy": returned}
        if not pairs:
            raise TypeError(f"evaluator {self._name} returned an empty dict; at least one metric is needed")
        metrics = {}
        for name, value in pairs.items():
            if not isinstance(name, str):
                raise TypeError(f"evaluator {self._name} returned a metric named {name!r}, not text")
            metrics[name] = self._number(name, value)
        for name, number in metrics.items():
            if not math.isfinite(number):
                raise TrialFailed(f"{name} is {number}")
        return metrics

    def _number(self, name: str, value: object) -> float:
        try:
            if isinstance(value, (bool, str, bytes)) or value is None:
                raise TypeError
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(
                f"evaluator {self._name} must return a number or a dict of numbers, "
                f"got {type(value).__name__} ({_short(value)}) for {name}"
            ) from None


def _takes_seed(function: Callable[..., Any], name: str) -> bool:
    """Whether the second argument is the seed; one with a default and another name is the function's own."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some callables written in C have none
        return True
    positional = [
        p
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
    ]
    second = positional[1] if len(positional) > 1 else positional[0] if positional else None
    takes_seed = second is not None and (
        second.kind is second.VAR_POSITIONAL
        or (len(positional) > 1 and (second.name == "seed" or second.default is second.empty))
    )
    try:
        signature.bind(*((None, 0) if takes_seed else (None,)))
    except TypeError as error:
        raise TypeError(
            f"evaluator {name} must accept (candidate, seed) or (candidate), its signature is {signature}"
        ) from error
    return takes_seed


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
