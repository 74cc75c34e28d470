"""What ``rclone lsjson`` prints, checked."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from eyecli.errors import DataError
from eyecli.sources.rclone_run import Finished
from eyecli.sources.remotes import Remote
from eyecli.workspace.manifest import DAMAGED

T = TypeVar("T")


class Row(msgspec.Struct, frozen=True):
    """A file, as rclone lists it; a size that is not known is negative."""

    path: str = msgspec.field(name="Path")
    size: int = msgspec.field(name="Size")
    modified: str = msgspec.field(name="ModTime")


class _Kind(msgspec.Struct, frozen=True):
    is_folder: bool = msgspec.field(name="IsDir")


def listed(done: Finished, remote: Remote) -> list[Row]:
    """Return what ``rclone lsjson`` has listed.

    Raises
    ------
    DataError
        If that is no listing, or one of names that no file can have.
    """
    rows = _decoded(done, remote, list[Row])
    if any("\0" in row.path or not row.path for row in rows):
        raise _none(remote)
    return rows


def is_folder(done: Finished, remote: Remote) -> bool:
    """Return whether ``rclone lsjson --stat`` has seen a folder.

    Raises
    ------
    DataError
        As `listed`.
    """
    return _decoded(done, remote, _Kind).is_folder


def _decoded(done: Finished, remote: Remote, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(done.out, type=kind)
    except DAMAGED:
        raise _none(remote) from None


def _none(remote: Remote) -> DataError:
    return DataError(
        f"{remote.shown}: rclone printed what is no listing",
        "see `rclone lsjson`, and whether the rclone on the PATH is the real one",
    )
