"""SIGTERM and SIGHUP end a command as cleanly as Ctrl-C, with a code of their own."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

INTERRUPTED = 130
TERMINATED = 143
AGAIN = 1.0
# The process that was asked to end, once it was.
ASKED: list[int] = []


class Terminated(BaseException):
    """The process was told to end: what is half-made is removed on the way out."""


def end_cleanly_on_sigterm() -> None:
    """Let SIGTERM and SIGHUP raise `Terminated`; what ``nohup`` ignores stays ignored.

    A training puts handlers of its own in their place for as long as it runs.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _on_signal)
    signal.signal(signal.SIGALRM, _on_alarm)
    sys.unraisablehook = _say_unraisable
    # A worker process that was forked has nothing of ours to clean.
    os.register_at_fork(after_in_child=_forget)


def let_sigterm_be() -> None:
    """End the handling: the work is done or cleaned up, and what is left may just be cut."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    _forget()


def _forget() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, signal.SIG_DFL)


def _say_unraisable(args: Any) -> None:
    """Print what was raised where nobody could catch it, but for our own signals.

    They can come while a library's callback runs; that is asked again, and no error of its own.
    """
    if not issubclass(args.exc_type, (KeyboardInterrupt, Terminated)):
        sys.__unraisablehook__(args)


def _on_signal(signum: int, frame: Any) -> None:
    if ASKED:
        return
    ASKED.append(signum)
    signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
    raise Terminated


def _on_alarm(signum: int, frame: Any) -> None:
    """Ask again where a library swallowed it, but never while things are being cleaned up."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, Terminated):
            return
        error = error.__context__
    raise Terminated
