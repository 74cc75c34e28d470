"""What a folder or an archive holds, seen as one tree of files, whether packed or not.

In a folder an archive is a file like any other, at first. Where its files are no known layout, they
are looked at again with the archives in it opened: what is in ``x.zip`` then lies where ``x.zip``
lies, in a folder ``x`` if it is more than one file or folder and not all there is: an archive alone
in a folder is the same data as the archive. So too for archives in archives.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from eyecli.errors import DataError, UsageError
from eyecli.sources.archive import (
    CHUNK,
    NAME,
    SUFFIXES,
    Archive,
    find_archives,
    kind_of,
    list_members,
    member_spans,
    open_member,
    reading,
)
from eyecli.sources.joined import Span
from eyecli.sources.tree import base_of, hash_tree, index_path, parts_of, walk
from eyecli.workspace.manifest import DAMAGED, canonical
from eyecli.workspace.store import write_atomic

# Counts up when members come to lie elsewhere, so that no index remembers where they lay.
RULE = 2


class Entry(NamedTuple):
    """A file: on disk, or a member of an archive.

    Attributes
    ----------
    size
        In bytes.
    mtime_ns
        When it was changed; of a member, when its archive was.
    name
        Its path below the folder, or in the archive.
    archive
        None for a file on disk.
    outer
        Path below the folder of the archive on disk that it is in.
    """

    size: int
    mtime_ns: int
    name: str
    archive: Archive | None = None
    outer: str = ""


Entries = Mapping[str, Entry]


class Digest(NamedTuple):
    """Size and sha256 of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Packed:
    """How the files of a source lie in archives.

    Attributes
    ----------
    depth
        How many archives a file is in, at most.
    workspace
        Left out where it lies in the folder.
    stamp
        Digest of the archives and of what is beside them.
    """

    depth: int
    workspace: Path
    stamp: str


class _Members(msgspec.Struct, frozen=True):
    """What is in an archive whose parts have these digests."""

    parts: list[str]
    files: dict[str, Digest]


class _Index(msgspec.Struct, frozen=True):
    folder: str
    depth: int
    rule: int
    archives: dict[str, _Members]


def check_place(place: Path) -> Path:
    """Return a folder or the first part of an archive, as an absolute path.

    Raises
    ------
    DataError
        If it is neither.
    """
    place = place.absolute()
    if place.is_dir():
        return place
    if not place.exists():
        raise DataError(f"{place}: no such folder", "name a folder with data in it, or an archive")
    if kind_of(place.name) is None:
        raise DataError(
            f"{place}: neither a folder nor an archive ({SUFFIXES})", "name the folder it is in"
        )
    return place.with_name(parts_of(place)[0])


def list_files(place: Path, workspace: Path) -> Entries:
    """Return the files of a folder, or the parts of an archive, as they lie on disk.

    Raises
    ------
    DataError
        As `walk`, or if there are none.
    """
    entries = {
        path: Entry(stat.st_size, stat.st_mtime_ns, path) for path, stat in walk(place, workspace)
    }
    if not entries:
        raise DataError(f"{place}: no files", "name a folder with data in it")
    return entries


def open_archives(place: Path, entries: Entries) -> tuple[Entries, list[str]]:
    """Put the members of archives in their place.

    Parameters
    ----------
    place
        The folder or archive that the files are of.
    entries
        The files.

    Returns
    -------
    entries
        With every archive opened that can be read where it lies.
    closed
        The others.

    Raises
    ------
    DataError
        If an archive is damaged or holds what is refused, or two files would be one.
    """
    base = base_of(place)
    opened, closed = dict(entries), []
    for first, parts in find_archives(entries).items():
        entry, kind = entries[first], kind_of(first)
        label = place / first if entry.archive else base / first
        pieces: list[Span] | None = []
        for part in parts:
            spans = _spans(base, entries[part])
            pieces = None if pieces is None or spans is None else [*pieces, *spans]
        if kind is None or kind == "compressed tar" or pieces is None:
            closed.append(str(label))
            continue
        stamp = tuple(entries[part].mtime_ns for part in parts)
        archive = Archive(str(label), kind, tuple(pieces), stamp)
        members = list_members(archive)
        for part in parts:
            del opened[part]
        folder = folder_for(first, members, alone=len(parts) == len(entries))
        for name, size in members.items():
            path = folder + name
            if path in opened:
                raise DataError(f"{label}: {path} is there already, from elsewhere", "drop one")
            opened[path] = Entry(size, max(stamp), name, archive, entry.outer or first)
    if not opened:
        raise DataError(f"{place}: no files in it", "name a folder with data in it, or an archive")
    return dict(sorted(opened.items(), key=by_folder)), closed


@lru_cache(8)
def _remembered(place: Path, packed: Packed) -> Entries:
    entries = list_files(place, packed.workspace)
    for _ in range(packed.depth):
        entries, _ = open_archives(place, entries)
    return entries


def folder_for(archive: str, members: Iterable[str], *, alone: bool) -> str:
    """Return the folder, with its slash, that an archive's members lie in.

    Parameters
    ----------
    archive
        Path of its first part.
    members
        What is in it.
    alone
        Whether there is no other file.
    """
    above, slash, name = archive.rpartition("/")
    match = NAME.fullmatch(name)
    if match is None or alone or len({name.split("/")[0] for name in members}) == 1:
        return above + slash
    return f"{above}{slash}{match['stem']}/"


def _spans(base: Path, entry: Entry) -> tuple[Span, ...] | None:
    if entry.archive:
        return member_spans(entry.archive, entry.name)
    return (Span(str(base / entry.name), 0, entry.size),)


def refuse_closed(place: Path, closed: Iterable[str]) -> None:
    """Raise `UsageError` if there are archives that cannot be read where they lie."""
    for label in closed:
        raise UsageError(
            f"{label} is compressed as a whole: its files cannot be read where they lie",
            copy_it(place),
        )


def copy_it(place: Path) -> str:
    """Return the hint that says how files come out of an archive."""
    return (
        "fetch it with --copy, which unpacks it: "
        f"eyecli fetch path {shlex.quote(str(place))} --copy"
    )


def open_entry(base: Path, entry: Entry) -> IO[bytes]:
    """Open a file, on disk or in an archive.

    Raises
    ------
    OSError, DataError
        If it cannot be read.
    """
    if entry.archive:
        return open_member(entry.archive, entry.name)
    return (base / entry.name).open("rb")


def read_packed(place: Path, packed: Packed, path: str) -> bytes | None:
    """Return the bytes of a file of an archive, None if it is in none.

    Raises
    ------
    DataError
        If the archive is damaged.
    """
    entry = _remembered(place, packed).get(path)
    if entry is None or entry.archive is None:
        return None
    with reading(entry.archive, entry.name), open_entry(place, entry) as stream:
        return stream.read()


def hash_contents(root: Path, place: Path, depth: int) -> tuple[dict[str, Digest], Packed | None]:
    """Hash the files of a place; those in archives only if a part of theirs has changed.

    Parameters
    ----------
    root
        The workspace, which keeps the index.
    place
        A folder, or the first part of an archive; absolute.
    depth
        How often archives are opened.

    Returns
    -------
    digests
        Path to size and sha256, sorted.
    packed
        How they lie in archives, None if they do not.

    Raises
    ------
    DataError
        If there are no files, or one cannot be read.
    """
    tree = hash_tree(root, place)
    on_disk = {path: Digest(state.size, state.sha256) for path, state in tree.items()}
    if depth == 0:
        return on_disk, None
    stamp = canonical({path: [state.sha256, state.mtime_ns] for path, state in tree.items()})
    packed = Packed(depth, root, hashlib.sha256(stamp).hexdigest())
    archives = find_archives(tree)
    parts = {first: [tree[part].sha256 for part in names] for first, names in archives.items()}
    index = _read_index(root, place, depth)
    known = {first: held for first, held in index.items() if held.parts == parts.get(first)}
    if known.keys() != parts.keys():
        entries = _remembered(place, packed)
        fresh = [
            path for path, entry in entries.items() if entry.archive and entry.outer not in known
        ]
        with ThreadPoolExecutor() as pool:
            hashed = pool.map(lambda path: _hash(base_of(place), entries[path]), fresh)
            for path, digest in zip(fresh, hashed, strict=True):
                first = entries[path].outer
                known.setdefault(first, _Members(parts[first], {})).files[path] = digest
    if known != index:
        write_atomic(_index_path(root, place), canonical(_Index(str(place), depth, RULE, known)))
    for first, held in known.items():
        for part in archives[first]:
            del on_disk[part]
        on_disk |= held.files
    return dict(sorted(on_disk.items(), key=by_folder)), packed


def by_folder(item: tuple[str, object]) -> list[str]:
    """Return what paths are sorted by: as a walk through the folders comes to them."""
    return item[0].split("/")


def _hash(base: Path, entry: Entry) -> Digest:
    assert entry.archive
    digest, size = hashlib.sha256(), 0
    with reading(entry.archive, entry.name), open_entry(base, entry) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        if size != entry.size:
            raise EOFError(f"{size} bytes instead of {entry.size}")
    return Digest(entry.size, digest.hexdigest())


def _index_path(root: Path, place: Path) -> Path:
    path = index_path(root, place)
    return path.with_name(f"{path.stem}-members.json")


def _read_index(root: Path, place: Path, depth: int) -> dict[str, _Members]:
    try:
        index = msgspec.json.decode(_index_path(root, place).read_bytes(), type=_Index)
    except (OSError, *DAMAGED):
        return {}
    return index.archives if (index.depth, index.rule) == (depth, RULE) else {}
