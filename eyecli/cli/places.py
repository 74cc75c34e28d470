"""Files that a user names for a command to write, outside of the workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from eyecli.errors import UsageError


def require_place(flag: str, path: Path, kept: Iterable[Path]) -> None:
    """Refuse a place for a file that is none, or would cost what is read or kept.

    Parameters
    ----------
    flag
        That names it, for the message.
    path
        The place.
    kept
        Folders and files that are not written to.

    Raises
    ------
    UsageError
        Naming the flag and what is wrong.
    """
    target = path.resolve()
    if path.is_dir() or not target.parent.is_dir():
        raise UsageError(f"{flag}: {path} is no place for a file", "name a file in a folder")
    if target.exists() and not target.is_file():
        raise UsageError(f"{flag}: {path} is no regular file", "name a file in a folder")
    for place in kept:
        if target.is_relative_to(place.resolve()):
            where = f"lies in {place}" if place.is_dir() else f"is {place}"
            raise UsageError(
                f"{flag}: {path} {where}, which is not written to", "name another place"
            )
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise UsageError(f"{flag}: {path} cannot be written", "name another place")
