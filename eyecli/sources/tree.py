"""Hashing a folder of files once: afterwards an unchanged tree costs a walk, not a re-hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from eyecli.errors import DataError
from eyecli.workspace.manifest import canonical, sha256_file
from eyecli.workspace.store import write_atomic


class FileState(msgspec.Struct, frozen=True, array_like=True):
    """What a file looked like when it was hashed."""

    size: int
    mtime_ns: int
    sha256: str


Tree = dict[str, FileState]


def walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every regular file below `folder` as (relative POSIX path, stat), sorted.

    Hidden files and folders are left out: editors and file browsers make them, and they would
    change a data set's digest.
    """
    for name, children, files in os.walk(folder):
        children[:] = sorted(child for child in children if not child.startswith("."))
        for file in sorted(files):
            path = Path(name, file)
            if not file.startswith(".") and path.is_file():
                yield path.relative_to(folder).as_posix(), path.stat()


def index_path(root: Path, folder: Path) -> Path:
    """Where a workspace keeps the index of a folder."""
    return root / "index" / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.json"


def hash_tree(root: Path, folder: Path) -> Tree:
    """Hash the files below `folder`, but only those whose size or time changed since last time.

    Parameters
    ----------
    root
        The workspace, which keeps the index.
    folder
        Absolute path of the folder.

    Returns
    -------
    dict
        Relative path to state, sorted by path.

    Raises
    ------
    DataError
        If the folder has no files, or one cannot be read.
    """
    known = read_index(root, folder)
    found = list(walk(folder))
    if not found:
        raise DataError(f"{folder}: no files", "name a folder with data in it")

    def state(entry: tuple[str, os.stat_result]) -> FileState:
        path, stat = entry
        before = known.get(path)
        if before and (before.size, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return before
        try:
            return FileState(stat.st_size, stat.st_mtime_ns, sha256_file(folder / path))
        except OSError as error:
            raise DataError(f"{folder / path}: cannot be read: {error.strerror}") from error

    with ThreadPoolExecutor() as pool:
        states = list(pool.map(state, found, chunksize=64))
    tree = {path: state for (path, _), state in zip(found, states, strict=True)}
    if tree != known:
        write_atomic(index_path(root, folder), canonical(tree))
    return tree


def read_index(root: Path, folder: Path) -> Tree:
    """Read what the workspace remembers of a folder; nothing if it remembers nothing."""
    try:
        return msgspec.json.decode(index_path(root, folder).read_bytes(), type=Tree)
    except (OSError, msgspec.MsgspecError):
        return {}
