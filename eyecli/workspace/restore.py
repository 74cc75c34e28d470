"""Taking in a tar of artifacts: nothing in it is believed before it is checked."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from eyecli.errors import DataError
from eyecli.workspace.aliases import list_aliases, reserved, set_alias
from eyecli.workspace.archive import CONTENTS, FORMAT, Contents, Entry
from eyecli.workspace.manifest import (
    DAMAGED,
    MANIFEST,
    SCHEMA,
    SUMS,
    FileEntry,
    Manifest,
    content_digest,
    sums,
)
from eyecli.workspace.references import NAME, REFERENCE
from eyecli.workspace.removed import removed
from eyecli.workspace.store import KINDS, Artifact, family, load, place, staging, versions
from eyecli.workspace.verify import damages

# Of what is read into memory whole.
LARGEST_JSON = 2**28
CHUNK = 2**20
T = TypeVar("T")
_AGAIN = "copy or export it again"
_FOREIGN = "only what `workspace export` wrote can be imported"


@dataclass(frozen=True)
class Arrival:
    """What became of an artifact of a tar.

    Attributes
    ----------
    entry
        What the tar says of it.
    artifact
        Where it is now; None in a dry run if it would be new.
    new
        Whether it was not there already.
    aliases
        References of the aliases that were set.
    kept
        References of aliases that stand for something else here, and were left so.
    """

    entry: Entry
    artifact: Artifact | None
    new: bool
    aliases: list[str]
    kept: list[str]


def restore(root: Path, path: Path, *, dry_run: bool = False) -> list[Arrival]:
    """Take the artifacts of a tar into a workspace, inputs first.

    Everything is unpacked into ``tmp/`` and checked before the first is published; each then
    appears whole. One that is there already is not taken again. Its version stays if the number
    is free and was never another's; aliases are set where there is none of the name.

    Parameters
    ----------
    root, path
        The workspace and the tar.
    dry_run
        Check only.

    Raises
    ------
    DataError
        If the file is no such tar, is cut off, was changed, or holds what no export writes.
    """
    with nullcontext() if dry_run else staging(root) as folder:
        with _reading(path) as tar:
            members = _members(tar, path)
            contents = _contents(tar, members, path)
            manifests = [
                _unpack(tar, members, entry, folder / str(number) if folder else None, path)
                for number, entry in enumerate(contents.artifacts)
            ]
            extra = next(members, None)
            if extra is not None:
                raise DataError(f"{path}: {extra.name!r} is of no artifact in it", _FOREIGN)
        return [
            _take(root, entry, folder / str(number) if folder else None, manifests[number])
            for number, entry in enumerate(contents.artifacts)
        ]


@contextmanager
def _reading(path: Path) -> Iterator[tarfile.TarFile]:
    if not path.is_file():
        raise DataError(f"{path}: no such file", "name a file that `workspace export` wrote")
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: no tar, cut off, or damaged: {error}", _AGAIN) from error


def _members(tar: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members; only regular files, each name once, each behind the one before."""
    seen: set[str] = set()
    end = 0
    while (member := tar.next()) is not None:
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise DataError(f"{path}: {member.name!r} is no regular file", _FOREIGN)
        if member.size < 0 or member.offset < end:
            raise DataError(f"{path}: {member.name!r}: damaged header", _AGAIN)
        if member.name in seen:
            raise DataError(f"{path}: {member.name!r} is in it twice", _FOREIGN)
        end = member.offset_data + member.size
        seen.add(member.name)
        yield member
    if not _only_zeros(tar, end + -end % tarfile.BLOCKSIZE):
        raise DataError(f"{path}: something else follows its last member", _AGAIN)


def _only_zeros(tar: tarfile.TarFile, start: int) -> bool:
    assert tar.fileobj
    tar.fileobj.seek(start)
    return all(not chunk.strip(b"\0") for chunk in iter(lambda: tar.fileobj.read(CHUNK), b""))


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    if member.size > LARGEST_JSON:
        raise DataError(f"{path}: {member.name!r} is too large to be what it should be", _FOREIGN)
    return b"".join(_chunks(tar, member, path))


def _chunks(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> Iterator[bytes]:
    stream = tar.extractfile(member)
    assert stream
    left = member.size
    while left:
        chunk = stream.read(min(left, CHUNK))
        if not chunk:
            raise DataError(f"{path}: cut off in {member.name!r}", _AGAIN)
        left -= len(chunk)
        yield chunk


def _decode(content: bytes, type: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(content, type=type)
    except DAMAGED as error:
        raise DataError(f"{what}: damaged: {error}", _AGAIN) from error


def _contents(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], path: Path) -> Contents:
    """Read and check the first member."""
    first = next(members, None)
    if first is None or first.name != CONTENTS:
        raise DataError(f"{path}: does not begin with {CONTENTS}", _FOREIGN)
    content = _read(tar, first, path)
    found = _decode(content, _Format, f"{path}: {CONTENTS}").format
    if found > FORMAT:
        raise DataError(
            f"{path}: format {found} is newer than this eyecli reads ({FORMAT})", "update eyecli"
        )
    contents = _decode(content, Contents, f"{path}: {CONTENTS}")
    for entry in contents.artifacts:
        match = REFERENCE.fullmatch(entry.family)
        parts = entry.family.split("/")
        named = len(parts) < 3 or not reserved(parts[2])
        if not (match and match["family"] and parts[0] in KINDS and named and entry.version > 0):
            raise DataError(f"{path}: {CONTENTS}: {entry.ref!r} is no reference", _FOREIGN)
        if not all(NAME.fullmatch(name) and not reserved(name) for name in entry.aliases):
            raise DataError(f"{path}: {CONTENTS}: {entry.ref} has an impossible alias", _FOREIGN)
    if len({entry.folder for entry in contents.artifacts}) < len(contents.artifacts):
        raise DataError(f"{path}: {CONTENTS}: an artifact is in it twice", _FOREIGN)
    return contents


class _Format(msgspec.Struct, frozen=True):
    format: int


def _unpack(
    tar: tarfile.TarFile,
    members: Iterator[tarfile.TarInfo],
    entry: Entry,
    folder: Path | None,
    path: Path,
) -> Manifest:
    """Check an artifact file by file, and unpack it into `folder`, if any."""
    content = _read(tar, _expect(members, f"{entry.folder}/{MANIFEST}", path), path)
    manifest = _check_manifest(content, entry, path)
    listed = _read(tar, _expect(members, f"{entry.folder}/{SUMS}", path), path)
    if listed != sums(manifest.files, hashlib.sha256(content).hexdigest()):
        raise DataError(f"{path}: {entry.folder}/{SUMS}: does not agree with {MANIFEST}", _AGAIN)
    if folder:
        folder.mkdir()
        (folder / MANIFEST).write_bytes(content)
        (folder / SUMS).write_bytes(listed)
    for name in sorted(manifest.files):
        member = _expect(members, f"{entry.folder}/{name}", path)
        digest = hashlib.sha256()
        with _new_file(folder / name) if folder else nullcontext() as stream:
            for chunk in _chunks(tar, member, path):
                digest.update(chunk)
                if stream:
                    stream.write(chunk)
        if FileEntry(digest.hexdigest(), member.size) != manifest.files[name]:
            raise DataError(f"{path}: {member.name!r}: content changed (sha256 differs)", _AGAIN)
    return manifest


def _new_file(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _expect(members: Iterator[tarfile.TarInfo], name: str, path: Path) -> tarfile.TarInfo:
    """Return the next member, which must be this one: an export has one order."""
    member = next(members, None)
    if member is None:
        raise DataError(f"{path}: cut off before {name!r}", _AGAIN)
    if member.name != name:
        raise DataError(f"{path}: {member.name!r} where {name!r} should be", _FOREIGN)
    return member


def _check_manifest(content: bytes, entry: Entry, path: Path) -> Manifest:
    what = f"{path}: {entry.folder}/{MANIFEST}"
    manifest = _decode(content, Manifest, what)
    if manifest.schema > SCHEMA:
        raise DataError(
            f"{what}: schema {manifest.schema} is newer than this eyecli reads ({SCHEMA})",
            "update eyecli",
        )
    if family(manifest.kind, manifest.task, manifest.name) != entry.family:
        raise DataError(f"{what}: is not of {entry.family}", _FOREIGN)
    digest = content_digest(manifest.kind, manifest.task, manifest.files)
    if not digest == manifest.digest == entry.digest:
        raise DataError(f"{what}: its file list does not have the digest it states", _AGAIN)
    taken = {MANIFEST, SUMS}
    for name in sorted(manifest.files):
        parts = name.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        long = any(len(part.encode()) > 255 for part in parts)
        if {"", ".", ".."} & set(parts) or "\0" in name or long or above & taken:
            raise DataError(f"{what}: {name!r} is no name for a file", _FOREIGN)
        taken.add(name)
    return manifest


def _take(root: Path, entry: Entry, folder: Path | None, manifest: Manifest) -> Arrival:
    artifact = _twin(root, entry.family, manifest)
    new = artifact is None
    if artifact is None and folder:
        artifact = place(root, folder, manifest, _free(root, entry))
    if artifact is None or not folder:
        return Arrival(entry, artifact, new, [], [])
    version = int(artifact.ref.rsplit("@v", 1)[1])
    known = list_aliases(root, entry.family)
    there = versions(root, entry.family)
    missing = [name for name in entry.aliases if known.get(name) not in there]
    for name in missing:
        set_alias(root, entry.family, name, version, manifest.digest)
    kept = [n for n in entry.aliases if n not in missing and known[n] != version]
    return Arrival(entry, artifact, new, [f"{entry.family}@{name}" for name in missing],
                   [f"{entry.family}@{name}" for name in kept])  # fmt: skip


def _twin(root: Path, family_ref: str, manifest: Manifest) -> Artifact | None:
    """Return the artifact that is the same, whole, and says the same of where it comes from."""
    for version in reversed(versions(root, family_ref)):
        try:
            artifact = load(root, family_ref, version)
        except DataError:
            continue
        if _origin(artifact.manifest) == _origin(manifest) and not damages(artifact.path):
            return artifact
    return None


def _origin(manifest: Manifest) -> tuple[str, Mapping[str, str], object, list[str]]:
    inputs = {entry.role: entry.digest for entry in manifest.inputs}
    return manifest.digest, inputs, manifest.flags, manifest.licences


def _free(root: Path, entry: Entry) -> int | None:
    """Return the number an artifact had, unless it was another's here."""
    before = removed(root, entry.family, entry.version)
    mine = before is None or before.digest == entry.digest
    return entry.version if mine and entry.version not in versions(root, entry.family) else None
