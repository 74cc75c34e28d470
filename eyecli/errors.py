"""Errors a user can act on: what is wrong, where, what to do; each kind has its exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EyecliError(Exception):
    """The work failed.

    Parameters
    ----------
    message
        What is wrong and where (file, row or field).
    hint
        What to do about it, a command to type where there is one.
    """

    exit_code = 1
    kind = "failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(EyecliError):
    """A wrong flag or value."""

    exit_code = 2
    kind = "usage"


class DataError(EyecliError):
    """Bad input data, or an artifact that is missing or damaged."""

    exit_code = 3
    kind = "data"


class CheckError(EyecliError):
    """A check said no: a leak, a failed parity, a rejected calibration."""

    exit_code = 4
    kind = "check"


class MissingError(EyecliError):
    """A missing dependency, credential or weight, or a remote that refuses."""

    exit_code = 5
    kind = "missing"


class RetryError(EyecliError):
    """Interrupted with a checkpoint saved, or another job is at it: the same command goes on."""

    exit_code = 75
    kind = "retry"


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return a hint that names the known word nearest to `name`.

    Parameters
    ----------
    name
        What the user wrote.
    known
        The words that would have been right.

    Returns
    -------
    str or None
        ``did you mean 'x'?``, the list of known words where none is near, or None without any.
    """
    words = sorted(known)
    near = difflib.get_close_matches(name, words, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(words)}" if words else None
