"""When an operation may go to its kernel without torch's dispatcher."""

from __future__ import annotations

from operator import attrgetter

import torch
from torch import Tensor
from torch.nn import Parameter

# A cell has hundreds of tensors: `map` over these costs a fifth of a generator.
_PLAIN = {Tensor, Parameter}
_is_cpu = attrgetter("is_cpu")


def is_direct(*tensors: Tensor) -> bool:
    """Whether these are plain tensors with memory, and nothing observes or rewrites the calls on them.

    False while compiling, exporting or tracing, under autocast, torch.func and dispatch modes (fake tensors,
    counters of operations), and for subclasses: the registered operation does what each of them asks for.
    """
    return (
        not torch.compiler.is_compiling()
        and _PLAIN.issuperset(map(type, tensors))
        and all(map(_is_cpu, tensors))
        and not torch.is_autocast_enabled("cpu")
        # Without public, typed names: the modes in force, the transforms of torch.func, torch.jit.trace.
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._get_tracing_state() is None
    )
