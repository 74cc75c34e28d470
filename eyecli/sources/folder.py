"""The folder that a download goes into: nobody else's files in it, and one process at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from eyecli.errors import DataError, EyecliError, RetryError
from eyecli.sources.names import readable
from eyecli.sources.tree import walk


def refuse_others(folder: Path, names: Iterable[str], partial: str | None = None) -> None:
    """Refuse a folder that holds other files too: they would be taken for fetched ones.

    Parameters
    ----------
    folder
        Where files go; it need not be there.
    names
        Relative paths of the files that may be in it.
    partial
        How the names of files end that were cut.

    Raises
    ------
    DataError
        With the first other file.
    """
    if not folder.is_dir():
        return
    known = set(names)
    others = [
        path
        for path, _ in walk(folder)
        if path not in known and not (partial and path.endswith(partial))
    ]
    if others:
        raise DataError(
            f"{folder}: {len(others)} files in it do not come from there, such as {others[0]}",
            "remove them, or name another --folder",
        )


def require_room(folder: Path, size: int, flag: str = "--folder") -> None:
    """Refuse what the disk has no room for, before hours of fetching.

    Parameters
    ----------
    folder
        Where files go; it is there.
    size
        Of what is still to come, in bytes.
    flag
        Names another folder.

    Raises
    ------
    EyecliError
        If fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise EyecliError(
            f"{folder}: {readable(size)} to fetch, but {readable(free)} free",
            f"free some space, or name another {flag}",
        )


@contextmanager
def opened_alone(path: Path, what: str) -> Iterator[BinaryIO]:
    """Open a file to append to it, for this process alone.

    Parameters
    ----------
    path
        Made if it is not there.
    what
        What is fetched, for the message.

    Raises
    ------
    RetryError
        If another process has it.
    """
    with path.open("ab") as stream:
        if not _is_mine(stream, path):
            raise RetryError(f"{what}: another process is fetching it",
                             "wait for it and run the same command again")  # fmt: skip
        yield stream


def _is_mine(stream: BinaryIO, path: Path) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks.
        return True
    # Not if it was renamed, whole, between these lines.
    return path.exists() and path.stat().st_ino == os.fstat(stream.fileno()).st_ino
