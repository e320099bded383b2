"""Ctrl-C at safe moments only."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Delays SIGINT and SIGTERM to the end of the block, so that no pipe is left with half a message read.

    Handlers are swapped instead of masking the signals: a thread of torch that does not mask them would take
    them, and Python would still interrupt its main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in handlers:
        signal.signal(number, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for caught_number in caught:
        signal.raise_signal(caught_number)
