"""The standard streams: those that a job closed, and stdout kept for the result."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def open_standard_streams() -> None:
    """Give cron jobs that close their streams something to write to: descriptors 0 to 2 exist."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest free descriptor is the one that is missing.
            os.open(os.devnull, os.O_RDWR)
            stream = open(number, mode, closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


@contextmanager
def only_results_on_stdout() -> Iterator[int]:
    """Send file descriptor 1 to stderr; yield a descriptor that is the real stdout.

    Third-party code prints to stdout from Python and from C alike, so this is done below both.
    """
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield stdout
    finally:
        sys.stdout.flush()
        # What C code has printed is still in its own buffer.
        ctypes.CDLL(None).fflush(None)
        os.dup2(stdout, 1)
        os.close(stdout)
