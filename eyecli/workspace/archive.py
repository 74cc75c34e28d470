"""One tar of artifacts with all they were made from: what is in it, and writing it.

A plain POSIX tar that ``tar -x`` unpacks into the folders of a workspace. Its first member says
which artifacts and aliases it holds, inputs first; the same artifacts give the same bytes.
"""

from __future__ import annotations

import errno
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from eyecli.errors import DataError, EyecliError, UsageError
from eyecli.workspace.aliases import list_aliases
from eyecli.workspace.leftovers import forsaken
from eyecli.workspace.lineage import PUBLISHED, closure, finder
from eyecli.workspace.manifest import MANIFEST, SUMS, canonical
from eyecli.workspace.store import KINDS, Artifact, fsync_folder, owned_name
from eyecli.workspace.verify import require_whole

CONTENTS = "eyecli-export.json"
FORMAT = 1
# Of the workspace, beside those of the kinds.
OWN_FOLDERS = ("index", "memo", "runs", "tmp")


class Entry(msgspec.Struct, frozen=True):
    """An artifact in a tar."""

    family: str
    version: int
    digest: str
    asked: bool
    aliases: list[str]

    @property
    def folder(self) -> str:
        """Where its files are in the tar."""
        return f"{self.family}/v{self.version:04d}"

    @property
    def ref(self) -> str:
        """Its reference where it was exported."""
        return f"{self.family}@v{self.version}"


class Contents(msgspec.Struct, frozen=True):
    """The first member of a tar."""

    format: int
    artifacts: list[Entry]


@dataclass(frozen=True)
class Export:
    """What goes into a tar.

    Attributes
    ----------
    artifacts
        Inputs first.
    contents
        The same, as the tar says it.
    gone
        References of inputs that are no longer in the workspace.
    """

    artifacts: list[Artifact]
    contents: Contents
    gone: list[str]


def plan_export(root: Path, chosen: Sequence[Artifact], *, with_lineage: bool = True) -> Export:
    """Find what goes into a tar.

    Parameters
    ----------
    root, chosen
        The workspace, and the artifacts that were asked for.
    with_lineage
        Whether all that they were made from comes along.

    Raises
    ------
    UsageError
        If one is not in the workspace.
    """
    for artifact in chosen:
        if not PUBLISHED.fullmatch(artifact.ref):
            raise UsageError(f"{artifact.ref} is not in this workspace")
    whole = closure(root, chosen)
    asked = {artifact.ref for artifact in chosen}
    found = [artifact for artifact in whole if with_lineage or artifact.ref in asked]
    find = finder(root)
    gone = sorted(
        {
            entry.ref
            for artifact in found
            for entry in artifact.manifest.inputs
            if PUBLISHED.fullmatch(entry.ref) and not find(entry)
        }
    )
    entries = [_entry(root, artifact, artifact.ref in asked) for artifact in found]
    return Export(found, Contents(FORMAT, entries), gone)


def _entry(root: Path, artifact: Artifact, asked: bool) -> Entry:
    family, number = artifact.ref.rsplit("@v", 1)
    names = [name for name, v in list_aliases(root, family).items() if v == int(number)]
    return Entry(family, int(number), artifact.manifest.digest, asked, names)


def write_export(export: Export, path: Path, *, force: bool = False) -> None:
    """Write the tar, whole or not at all.

    Parameters
    ----------
    export
        From `plan_export`; every artifact is hashed first.
    path
        The file.
    force
        Replace what is there.

    Raises
    ------
    UsageError
        If the file is there, or its folder is not.
    DataError
        If an artifact is damaged.
    EyecliError
        If the file cannot be written.
    """
    check_target(path, force=force)
    for artifact in export.artifacts:
        require_whole(artifact)
    with _replacing(path) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        times = [_ended(artifact) for artifact in export.artifacts]
        _add(tar, CONTENTS, io.BytesIO(canonical(export.contents) + b"\n"), max(times))
        for artifact, entry, time in zip(
            export.artifacts, export.contents.artifacts, times, strict=True
        ):
            for name in (MANIFEST, SUMS, *sorted(artifact.manifest.files)):
                with (artifact.path / name).open("rb") as content:
                    _add(tar, f"{entry.folder}/{name}", content, time)


def check_target(path: Path, root: Path | None = None, *, force: bool) -> None:
    """Refuse a file that is there, or cannot be there, or would be among what `root` holds."""
    place = path.absolute().parent.resolve()
    if root and place.is_relative_to(root.resolve()):
        inside = place.relative_to(root.resolve()).parts
        if inside and inside[0] in (*KINDS, *OWN_FOLDERS):
            raise UsageError(f"{path} is among what the workspace holds", "name another folder")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a file, such as export.tar")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder", "make it first, or name another")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", "name another file, or say --force")


@contextmanager
def _replacing(path: Path) -> Iterator[io.BufferedWriter]:
    """Yield a file beside `path` that takes its place in the end."""
    prefix = f".{path.name}."
    for left in path.parent.iterdir():
        if left.name.startswith(prefix) and forsaken(left.name.removeprefix(prefix)):
            left.unlink(missing_ok=True)
    temporary = path.with_name(prefix + owned_name())
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else error.strerror
        raise EyecliError(f"{path}: {what}; nothing was written", "name another file") from error
    finally:
        temporary.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, content: io.BufferedIOBase, time: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = content.seek(0, os.SEEK_END), time, 0o444
    content.seek(0)
    tar.addfile(entry, content)


def _ended(artifact: Artifact) -> int:
    """When an artifact was made, seconds since 1970."""
    try:
        return int(datetime.fromisoformat(artifact.manifest.ended).timestamp())
    except ValueError as error:
        raise DataError(f"{artifact.path / MANIFEST}: 'ended' is no time") from error
