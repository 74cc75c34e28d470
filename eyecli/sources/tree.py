"""Hashing a folder of files once: afterwards an unchanged tree costs a walk, not a re-hash."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import msgspec

from eyecli.errors import DataError
from eyecli.sources.archive import DEEPEST_FOLDER, find_archives
from eyecli.workspace.manifest import DAMAGED, canonical, sha256_file
from eyecli.workspace.store import write_atomic


class FileState(msgspec.Struct, frozen=True, array_like=True):
    """What a file looked like when it was hashed."""

    size: int
    mtime_ns: int
    sha256: str


Tree = dict[str, FileState]


class _Index(msgspec.Struct, frozen=True):
    folder: str
    files: Tree


def refuse(path: str, error: DataError) -> None:
    """Let nothing be left out in silence: that would make a smaller data set."""
    raise error


def walk(
    folder: Path,
    workspace: Path | None = None,
    bad: Callable[[str, DataError], None] = refuse,
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every regular file below `folder` as (relative POSIX path, stat), sorted.

    Hidden files and folders are left out: editors and file browsers make them, and they would
    change a data set's digest. So is the workspace, where it lies inside the data. Links are
    followed. Of an archive its parts are yielded, from the folder that they lie in.

    Parameters
    ----------
    folder
        The folder, or the first part of an archive.
    workspace
        Left out where it lies in the folder.
    bad
        Told of what is not yielded since it cannot be read, is a link that leads nowhere or back
        up, or has a name that is not UTF-8: its path, and the error.

    Raises
    ------
    DataError
        If the folder itself cannot be read, or as `bad` does.
    """
    if not folder.is_dir():
        for name in parts_of(folder):
            yield name, _regular(folder.parent / name)
        return
    top = folder.stat()
    skip = workspace.stat() if workspace and workspace.is_dir() else None
    own = (skip.st_dev, skip.st_ino) if skip else None
    yield from _below(folder, "", [(top.st_dev, top.st_ino)], own, bad)


def _regular(path: Path) -> os.stat_result:
    """Return the state of a file; of a pipe or a device, reading might never end."""
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not S_ISREG(stat.st_mode):
        raise DataError(f"{path}: not a regular file")
    return stat


def base_of(place: Path) -> Path:
    """Return the folder that what `walk` yields lies in: the place, or that of an archive."""
    return place if place.is_dir() else place.parent


def parts_of(archive: Path) -> list[str]:
    """Return the names of the parts of an archive, of which any one is named."""
    whole = re.sub(r"\.[0-9]{3}$", "", archive.name)
    beside = [path.name for path in archive.parent.iterdir() if path.name.startswith(whole)]
    found = find_archives(beside).values()
    # Where there was a folder once there may be a file that is no archive.
    return next((parts for parts in found if archive.name in parts), [archive.name])


def _below(
    folder: Path,
    prefix: str,
    above: list[tuple[int, int]],
    workspace: tuple[int, int] | None,
    bad: Callable[[str, DataError], None],
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        unread = DataError(f"{folder}: cannot be read: {error.strerror}")
        if not prefix:
            raise unread from error
        bad(prefix.removesuffix("/"), unread)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = prefix + entry.name
        if os.fsencode(entry.name) != entry.name.encode(errors="replace"):
            said = f"{folder}: the file name {entry.name!r} is not UTF-8"
            bad(path, DataError(said, "rename it"))
            continue
        try:
            stat = entry.stat()
        except OSError as error:
            said = f"{entry.path}: a link that leads nowhere: {error.strerror}"
            hint = "get its content (git annex get, datalad get), or delete it"
            bad(path, DataError(said, hint))
            continue
        if S_ISREG(stat.st_mode):
            yield path, stat
        elif S_ISDIR(stat.st_mode) and (stat.st_dev, stat.st_ino) != workspace:
            node = (stat.st_dev, stat.st_ino)
            if node in above:
                bad(path, DataError(f"{entry.path}: a link that leads back up", "delete it"))
                continue
            if len(above) > DEEPEST_FOLDER:
                top = folder.parents[len(above) - 2]
                said = f"{top}: more than {DEEPEST_FOLDER} folders in each other"
                bad(path, DataError(said))
                continue
            yield from _below(Path(entry.path), f"{path}/", [*above, node], workspace, bad)


def index_path(root: Path, folder: Path) -> Path:
    """Where a workspace keeps the index of a folder."""
    return root / "index" / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.json"


def hash_tree(root: Path, folder: Path) -> Tree:
    """Hash the files of a folder or the parts of an archive; if size or time changed, that is.

    Parameters
    ----------
    root
        The workspace, which keeps the index.
    folder
        Absolute path of the folder or the archive.

    Returns
    -------
    dict
        Relative path to state, sorted by path.

    Raises
    ------
    DataError
        If the folder has no files, or one cannot be read (see `walk`).
    """
    known = read_index(root, folder)
    tree = _hash(root, folder, known)
    if tree != known:
        _write_index(root, folder, tree)
    return tree


def rehash(root: Path, folder: Path) -> tuple[Tree, list[str]]:
    """Hash all files below `folder` anew and renew the index.

    Returns
    -------
    tree : dict
        As `hash_tree`.
    changed : list of str
        Files whose content changed although their size and time did not.

    Raises
    ------
    DataError
        As `hash_tree`.
    """
    known = read_index(root, folder)
    tree = _hash(root, folder, {})
    _write_index(root, folder, tree)
    changed = [
        path
        for path, state in tree.items()
        if path in known
        and (known[path].size, known[path].mtime_ns) == (state.size, state.mtime_ns)
        and known[path].sha256 != state.sha256
    ]
    return tree, changed


def _hash(root: Path, folder: Path, known: Tree) -> Tree:
    found = list(walk(folder, root))
    if not found:
        raise DataError(f"{folder}: no files", "name a folder with data in it")
    base = base_of(folder)

    def state(entry: tuple[str, os.stat_result]) -> FileState:
        path, stat = entry
        before = known.get(path)
        if before and (before.size, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return before
        try:
            return FileState(stat.st_size, stat.st_mtime_ns, sha256_file(base / path))
        except OSError as error:
            raise DataError(f"{base / path}: cannot be read: {error.strerror}") from error

    with ThreadPoolExecutor() as pool:
        states = list(pool.map(state, found, chunksize=64))
    return {path: state for (path, _), state in zip(found, states, strict=True)}


def _write_index(root: Path, folder: Path, tree: Tree) -> None:
    write_atomic(index_path(root, folder), canonical(_Index(str(folder), tree)))


def read_index(root: Path, folder: Path) -> Tree:
    """Read what the workspace remembers of a folder; nothing if it remembers nothing."""
    try:
        return msgspec.json.decode(index_path(root, folder).read_bytes(), type=_Index).files
    except (OSError, *DAMAGED):
        return {}


def indexed_folders(root: Path) -> list[Path]:
    """Folders and archives that the workspace has an index of, sorted."""
    found = []
    for path in (root / "index").glob("[!.]*.json"):
        with suppress(OSError, *DAMAGED):
            found.append(Path(msgspec.json.decode(path.read_bytes(), type=_Index).folder))
    return sorted(found)
