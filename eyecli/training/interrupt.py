"""Ctrl-C that is not lost where a library cannot pass an exception on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Ctrl-C since the last `interruptible` began.
SEEN: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Note every Ctrl-C in `SEEN`, as well as raising it.

    TensorFlow, while it is imported or traces a network, swallows it, or raises something else:
    both end as `KeyboardInterrupt` here at the latest.
    """
    # A job in the background ignores Ctrl-C, and a thread cannot change that.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def note(signum: int, frame: Any) -> None:
        SEEN.append(signum)
        raise KeyboardInterrupt

    SEEN.clear()
    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if SEEN:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if SEEN:
        raise KeyboardInterrupt
