"""Artifacts on disk: opening a workspace, listing, publishing by one atomic rename."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eyecli.errors import DataError, EyecliError
from eyecli.workspace.manifest import (
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

FORMAT = {"format": 1}
VERSION = re.compile(r"v(\d{4,})")
KINDS = ("source", "prepared", "split", "model", "predictions", "head", "coreml", "ane", "report",
         "comparison")  # fmt: skip


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
        If there is none, the folder is something else, or it was made by a newer eyecli.
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
        write_atomic(mark, canonical(FORMAT) + b"\n")
    text = mark.read_text(encoding="utf-8", errors="replace").strip()
    if text != canonical(FORMAT).decode():
        raise DataError(f"{mark}: unknown workspace format {text!r}", "update eyecli")
    (root / "tmp").mkdir(exist_ok=True)
    return root


def _has_other_content(root: Path) -> bool:
    """Tell whether a folder holds more than settings, or the first steps of another process."""
    if not root.is_dir():
        return True
    names = (path.name for path in root.iterdir())
    return any(not name.startswith(".") and name != "eyecli.toml" for name in names)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a small file so that a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
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
    """Folder for unpublished work, on the workspace's file system; gone afterwards."""
    folder = root / "tmp" / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    found = {
        path.parent.relative_to(root).as_posix()
        for kind in KINDS
        for pattern in ("*/v*", "*/*/v*")
        for path in (root / kind).glob(pattern)
        if VERSION.fullmatch(path.name)
    }
    return sorted(found)


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
    seal(folder)
    family_ref = family(manifest.kind, manifest.task, manifest.name)
    parent = root / family_ref
    parent.mkdir(parents=True, exist_ok=True)
    version = max(versions(root, family_ref), default=0) + 1
    while True:
        try:
            # rename(2) refuses a folder that has entries, so no version is ever replaced.
            folder.rename(parent / f"v{version:04d}")
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            version += 1
    fsync_folder(parent)
    return Artifact(f"{family_ref}@v{version}", parent / f"v{version:04d}", manifest)


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
