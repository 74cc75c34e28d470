"""Artifacts on disk: opening a workspace, listing, publishing by one atomic rename."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import shutil
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from eyecli.errors import DataError, EyecliError
from eyecli.workspace.manifest import (
    DAMAGED,
    MANIFEST,
    SUMS,
    FileEntry,
    Manifest,
    canonical,
    read_manifest,
    sha256_file,
    sums,
)

log = logging.getLogger(__name__)

FORMAT = 1
VERSION = re.compile(r"v(\d{4,})")
# How often work in tmp/ shows that it lives, for `workspace gc` on other hosts.
BEAT_SECONDS = 600.0
KINDS = (
    "source", "weights", "prepared", "split", "fold", "model", "predictions", "head", "coreml",
    "ane", "report", "comparison",
)  # fmt: skip


class _Format(msgspec.Struct, frozen=True):
    format: int


@dataclass(frozen=True)
class Artifact:
    """A published artifact: its reference, folder and manifest."""

    ref: str
    path: Path
    manifest: Manifest


def open_workspace(root: Path, *, create: bool = False) -> Path:
    """Check the workspace's format; make the workspace first if asked.

    Raises
    ------
    DataError
        If there is none, the folder is something else, its format file is damaged, or it was made
        by a newer eyecli.
    """
    root = root.absolute()
    mark = root / "format.json"
    if not mark.is_file():
        # Another process may have made it since: it writes the mark before anything else.
        if root.exists() and _has_other_content(root) and not mark.is_file():
            raise DataError(
                f"{root} is not an eyecli workspace (no format.json) and not empty",
                "name another folder with --workspace",
            )
        if not create:
            raise DataError(
                f"no workspace at {root}",
                "start with `eyecli fetch`, or name another folder with --workspace",
            )
        write_atomic(mark, canonical(_Format(FORMAT)) + b"\n")
    _check_format(mark)
    (root / "tmp").mkdir(exist_ok=True)
    return root


def _check_format(mark: Path) -> None:
    try:
        found = msgspec.json.decode(mark.read_bytes(), type=_Format).format
    except DAMAGED as error:
        raise DataError(
            f"{mark}: damaged: {error}", f'it should read {{"format":{FORMAT}}}: write that into it'
        ) from error
    if found > FORMAT:
        raise DataError(
            f"{mark}: format {found} is newer than this eyecli reads ({FORMAT})", "update eyecli"
        )


def _has_other_content(root: Path) -> bool:
    """Tell whether a folder holds more than settings, or the first steps of another process."""
    if not root.is_dir():
        return True
    names = (path.name for path in root.iterdir())
    return any(not name.startswith(".") and name != "eyecli.toml" for name in names)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a small file so that a reader sees the old or the new content, never a part."""
    write_pieces(path, [content])


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Replace a file as `write_atomic` does, by pieces that come one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as stream:
            stream.writelines(pieces)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make a rename or a new entry in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Folder for unpublished work, on the workspace's file system; gone afterwards.

    Its time is kept fresh: a training may write nothing into it for days.
    """
    folder = root / "tmp" / owned_name()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            with suppress(OSError):
                os.utime(folder)

    # A signal may come at any line.
    try:
        folder.mkdir(parents=True)
        threading.Thread(target=beat, daemon=True).start()
        yield folder
    finally:
        done.set()
        shutil.rmtree(folder, ignore_errors=True)


def owned_name() -> str:
    """Return a new name for something temporary; it tells the host and process that it is of."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def collect_files(folder: Path) -> dict[str, FileEntry]:
    """Hash every file below `folder`; keys are relative POSIX paths, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): FileEntry(sha256_file(path), path.stat().st_size)
        for path in paths
    }


def family(kind: str, task: str, name: str | None) -> str:
    """Reference without a version: ``kind/task[/name]``."""
    return "/".join((kind, task, name) if name else (kind, task))


def versions(root: Path, family_ref: str) -> list[int]:
    """Published versions of ``kind/task[/name]``, ascending."""
    folder = root / family_ref
    if not folder.is_dir():
        return []
    found = (VERSION.fullmatch(entry.name) for entry in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def load(root: Path, family_ref: str, version: int) -> Artifact:
    """Read one published artifact."""
    path = root / family_ref / f"v{version:04d}"
    return Artifact(f"{family_ref}@v{version}", path, read_manifest(path))


def families(root: Path) -> list[str]:
    """Every ``kind/task[/name]`` with at least one version, sorted."""
    found = set()
    for place in (
        place for kind in KINDS for task in _inside(root / kind) for place in _inside(task)
    ):
        for path in [place] if VERSION.fullmatch(place.name) else _inside(place):
            if VERSION.fullmatch(path.name):
                found.add(path.parent.relative_to(root).as_posix())
    return sorted(found)


def _inside(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing if it is none, or just removed by somebody."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def artifact_folders(root: Path) -> Iterator[Path]:
    """Folder of every published artifact, damaged ones too."""
    for family_ref in families(root):
        for version in versions(root, family_ref):
            yield root / family_ref / f"v{version:04d}"


def artifacts(root: Path) -> Iterator[Artifact]:
    """Every published artifact, by reference; one with a damaged manifest is only named."""
    for family_ref in families(root):
        for version in versions(root, family_ref):
            try:
                yield load(root, family_ref, version)
            except DataError as error:
                log.warning("%s", error.message)


def publish(root: Path, folder: Path, manifest: Manifest) -> Artifact:
    """Turn a staged folder into the next version by one atomic rename.

    The manifest and ``SHA256SUMS`` are written, everything is fsynced and made read-only first, so
    that a crash leaves either the whole artifact or only a folder in ``tmp/``.
    """
    (folder / MANIFEST).write_bytes(canonical(manifest) + b"\n")
    (folder / SUMS).write_bytes(sums(manifest.files, sha256_file(folder / MANIFEST)))
    return place(root, folder, manifest)


def place(root: Path, folder: Path, manifest: Manifest, version: int | None = None) -> Artifact:
    """Publish a staged folder that has its manifest and sums.

    Parameters
    ----------
    root, folder, manifest
        The workspace, the folder in its ``tmp/``, and what it holds.
    version
        The number to take if it is free; by default, and if it is not, the next one.
    """
    seal(folder)
    family_ref = family(manifest.kind, manifest.task, manifest.name)
    parent = root / family_ref
    parent.mkdir(parents=True, exist_ok=True)
    number = version or max(versions(root, family_ref), default=0) + 1
    tried = []
    while True:
        tried.append(number)
        try:
            # rename(2) refuses a folder that has entries, so no version is ever replaced.
            folder.rename(parent / f"v{number:04d}")
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            if not folder.exists():
                # NFS repeats a request whose answer was lost, and the repetition fails.
                number = _arrived(root, family_ref, tried, manifest, error)
                break
            if error.errno == errno.ENOENT:
                raise
            number = max([number, *versions(root, family_ref)]) + 1
    fsync_folder(parent)
    return Artifact(f"{family_ref}@v{number}", parent / f"v{number:04d}", manifest)


def _arrived(
    root: Path, family_ref: str, tried: list[int], manifest: Manifest, error: OSError
) -> int:
    """Return the version that a rename which is said to have failed has made."""
    for number in tried:
        with suppress(DataError):
            if load(root, family_ref, number).manifest == manifest:
                return number
    raise error


def seal(folder: Path) -> None:
    """Flush every file and folder to disk and take away the permission to write the files."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            fsync_folder(path)
            continue
        if path.is_symlink() or not path.is_file():
            raise EyecliError(f"{path} is no regular file and cannot be published")
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.chmod(0o444)
