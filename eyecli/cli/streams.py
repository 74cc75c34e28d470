"""Streams that a job closed."""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Give cron jobs that close their streams something to write to: descriptors 0 to 2 exist."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest free descriptor is the one that is missing.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
