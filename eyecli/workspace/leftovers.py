"""What nothing needs any more: unfinished work, notes on what is gone, old runs."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

import msgspec

from eyecli.workspace.lease import LEASE, is_alive, read_holder
from eyecli.workspace.manifest import DAMAGED
from eyecli.workspace.memo import dangling
from eyecli.workspace.store import families, owned_name

OWNED = re.compile(r"(?:trash-)?(?P<host>.+)-(?P<pid>\d+)-[0-9a-f]{8}")
# What `write_atomic` leaves when it is killed.
HALF_WRITTEN = re.compile(r"\..+\.\d+\.[0-9a-f]{8}")
TRASH = "trash-"
# Features of networks that are not trained; whoever removes them pays with time only.
CACHE = "cache/features"
Young = Callable[[Path], bool]


@dataclass(frozen=True)
class Waste:
    """Something to remove, why, and how many bytes that frees."""

    path: Path
    why: str
    bytes: int


class _Index(msgspec.Struct, frozen=True):
    folder: str


def _process(name: str) -> int | None:
    """Process that a temporary name is of, if it is one of this host."""
    match = OWNED.fullmatch(name)
    return int(match["pid"]) if match and match["host"] == socket.gethostname() else None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def forsaken(name: str) -> bool:
    """Say whether a temporary name is of a process of this host that is no more."""
    process = _process(name)
    return process is not None and not _lives(process)


def below(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield a path and everything below it with its state; what vanishes meanwhile is left out."""
    try:
        stat = path.lstat()
    except FileNotFoundError:
        return
    yield path, stat
    if S_ISDIR(stat.st_mode):
        try:
            inner = list(path.iterdir())
        except (FileNotFoundError, PermissionError):
            return
        for entry in inner:
            yield from below(entry)


def freed(path: Path) -> int:
    """Bytes that are free once `path` is gone: a file with another link is not."""
    return sum(s.st_size for _, s in below(path) if not S_ISDIR(s.st_mode) and s.st_nlink == 1)


def file_system_now(root: Path) -> float:
    """Time by the workspace's file system, whatever this host's clock says."""
    probe = root / "tmp" / owned_name()
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def younger_than(root: Path, grace: float) -> Young:
    """Return a function that says whether anything at or below a path is that young.

    A time that lies in the future is young: some clock was wrong, perhaps only just set right.

    Parameters
    ----------
    root
        The workspace.
    grace
        Seconds.
    """
    limit = file_system_now(root) - grace
    return lambda path: any(stat.st_mtime > limit for _, stat in below(path))


def leftovers(root: Path, young: Young, doomed: Set[str] = frozenset()) -> Iterator[Waste]:
    """Find what nothing needs any more, apart from published artifacts.

    Parameters
    ----------
    root
        The workspace.
    young
        Says what is too young to be touched.
    doomed
        References of artifacts that are going to be removed.
    """
    for path in sorted((root / "tmp").iterdir()):
        process = _process(path.name)
        if process is not None and _lives(process):
            continue
        if path.name.startswith(TRASH) or not young(path):
            yield Waste(path, "unfinished work", freed(path))
    places = (root / family_ref for family_ref in families(root))
    for folder in (root, root / "index", *_subfolders(root / "memo"), *places):
        for path in sorted(folder.glob(".*")):
            if HALF_WRITTEN.fullmatch(path.name) and path.is_file() and not young(path):
                yield Waste(path, "half-written", freed(path))
    for path in dangling(root, doomed):
        yield Waste(path, "result is gone", freed(path))
    for path in sorted((root / "index").glob("[!.]*.json")):
        if not _indexed_folder_is_there(path):
            yield Waste(path, "folder is gone", freed(path))
    for path in sorted((root / CACHE).glob("*")):
        if not young(path):
            yield Waste(path, "can be computed again", freed(path))
    for path in _subfolders(root / "runs"):
        if not young(path) and not _is_needed(path):
            yield Waste(path, "old run", freed(path))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _indexed_folder_is_there(path: Path) -> bool:
    try:
        return Path(msgspec.json.decode(path.read_bytes(), type=_Index).folder).exists()
    except (OSError, ValueError, *DAMAGED):
        return False


def _is_needed(run: Path) -> bool:
    """Say whether a process works in a run, or it holds a checkpoint: a finished one has none."""
    return any(
        "checkpoint" in path.name
        or (path.name == LEASE and is_alive(read_holder(path), path.parent))
        for path, _ in below(run)
    )


def discard(root: Path, path: Path) -> None:
    """Remove a file or folder; a folder leaves its place in one step, whole.

    Raises
    ------
    OSError
        If something of it stays; a folder is then in ``tmp/``.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    # Moving a folder changes its '..': it must be writable.
    _unlock(path)
    if path.parent != root / "tmp":
        path = path.rename(root / "tmp" / f"{TRASH}{owned_name()}")
    for folder, names, _ in os.walk(path):
        for inner in (Path(folder, name) for name in names):
            if not inner.is_symlink():
                _unlock(inner)
    shutil.rmtree(path)


def _unlock(folder: Path) -> None:
    # Only where need be: a folder of someone else in a group's workspace cannot be changed.
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        folder.chmod(0o700)
