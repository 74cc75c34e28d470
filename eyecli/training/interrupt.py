"""Signals that end a training: noted from its first import on, never lost in a library."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eyecli.errors import RetryError

# Ctrl-C; what batch systems and preemption send; what `sbatch --signal` is often set to.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
HINT = "run the same command again: it goes on where it stopped"
# A terminal and a wrapper such as `uv run` both pass one Ctrl-C on; only a later one is a second.
ONE_SIGNAL_SECONDS = 1.0


@dataclass
class _Noted:
    seen: list[int] = field(default_factory=list)
    first: float = 0.0
    held: bool = False
    began: float | None = None


_noted = _Noted()


def stopped() -> bool:
    """Tell whether a signal has come since the last `interruptible` began."""
    return bool(_noted.seen)


def began() -> float:
    """Return when (`time.monotonic`) the `interruptible` around us began, or now."""
    return time.monotonic() if _noted.began is None else _noted.began


def stop_error(message: str = "stopped") -> BaseException:
    """Return what a noted signal ends with: KeyboardInterrupt (130) or RetryError (75)."""
    if signal.SIGINT in _noted.seen:
        return KeyboardInterrupt()
    names = "".join(f"{signal.Signals(number).name}: " for number in _noted.seen[:1])
    return RetryError(f"{names}{message}", HINT)


@contextmanager
def interruptible() -> Iterator[None]:
    """Note every signal of `SIGNALS`; end by `stop_error` at the latest where this ends.

    A signal raises at once, except within `held`. TensorFlow, while it is imported or traces a
    network, swallows that or raises something else. A second signal ends the process. Within
    another one what was noted, and the time it began, stay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A job in the background ignores Ctrl-C, one under nohup others; so do we.
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number, found in earlier.items() if found not in (signal.SIG_IGN, None)]
    outermost = _noted.began is None
    if outermost:
        _noted.seen, _noted.began = [], time.monotonic()
    for number in ours:
        signal.signal(number, _note)
    try:
        yield
    except RetryError:
        raise
    except (Exception, KeyboardInterrupt):
        if _noted.seen:
            raise stop_error() from None
        raise
    finally:
        if outermost:
            _noted.began = None
        for number in ours:
            signal.signal(number, earlier[number])
    if _noted.seen:
        raise stop_error()


@contextmanager
def held() -> Iterator[None]:
    """Only note signals: what runs here asks `stopped` itself, and saves before it leaves."""
    _noted.held = True
    try:
        yield
    finally:
        _noted.held = False
    if _noted.seen:
        raise stop_error()


def _note(number: int, frame: Any) -> None:
    now = time.monotonic()
    if _noted.seen and now - _noted.first > ONE_SIGNAL_SECONDS:
        # Whoever asks twice is not waited for; whatever is on disk is whole at any moment.
        os._exit(130 if number == signal.SIGINT else RetryError.exit_code)
    _noted.seen.append(number)
    if len(_noted.seen) > 1:
        # A copy of the first, which is being cleaned up after.
        return
    _noted.first = now
    if not _noted.held:
        raise KeyboardInterrupt
