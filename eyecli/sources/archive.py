"""Archives, read safely: zip (also cut into parts) and tar where they lie, compressed tars once.

What is in an archive is somebody else's word: a member that would be written outside the folder,
a link, a device, a second file of the same name, a flood of zeros are refused by name.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal, Self

from eyecli.errors import DataError
from eyecli.sources.joined import Joined, Span, cut

NAME = re.compile(
    r"(?P<stem>.+?)\.(?:(?P<zip>zip)(?:\.(?P<part>[0-9]{3}))?|(?P<tar>tar)"
    r"|tar\.(?:gz|bz2|xz)|tgz|tbz2?|txz)",
    re.I | re.S,
)
SUFFIXES = ".zip, .zip.001, .tar, .tar.gz, .tar.bz2, .tar.xz"
DRIVE = re.compile(r"[A-Za-z]:")
# More than any data: what a small file says it holds is not believed beyond.
LARGEST_RATIO, SUSPICIOUS = 200, 10**9
CHUNK = 2**20
# In bytes, as Linux has it; and how many folders may lie in each other.
LONGEST_NAME, DEEPEST_FOLDER = 4096, 200
# Of a tar: a header with all that belongs to it, such as a long name; the zeros at its end.
LARGEST_HEADER, LARGEST_END = 2**20, 2**24
AGAIN = "copy or download it again"
BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, struct.error, EOFError,
    ValueError, OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """An archive on disk, or one stored in another.

    Attributes
    ----------
    label
        Path of its first part, for messages.
    kind
        A compressed tar is read from its start to its end only.
    spans
        Where its bytes lie.
    stamp
        Times of its files: another archive in the same place is another.
    """

    label: str
    kind: Literal["zip", "tar", "compressed tar"]
    spans: tuple[Span, ...]
    stamp: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Open:
    """An archive that stays open: its members, and the zip they are read through."""

    view: Joined
    zip: zipfile.ZipFile | None
    members: Mapping[str, zipfile.ZipInfo | tarfile.TarInfo]


def kind_of(name: str) -> Literal["zip", "tar", "compressed tar"] | None:
    """Return what kind of archive a file of that name is, None if it is none."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    return "zip" if match["zip"] else "tar" if match["tar"] else "compressed tar"


def find_archives(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the archives among file names: the first part of each, and all its parts in order.

    Raises
    ------
    DataError
        If a part is missing.
    """
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if match := NAME.fullmatch(name):
            part = match["part"]
            found.setdefault(name.removesuffix(f".{part}") if part else f"{name}/", {})[
                int(part or 0)
            ] = name
    archives = {}
    for whole, parts in found.items():
        numbers = sorted(parts)
        # Some programs count the parts from 0.
        first = min(numbers[0], 1)
        missing = next((n for n, at in enumerate(numbers, first) if n != at), None)
        if missing is not None:
            raise DataError(f"{whole}.{missing:03d} is missing beside {parts[numbers[-1]]}", AGAIN)
        archives[parts[first]] = [parts[number] for number in numbers]
    return archives


def archive_of(base: Path, parts: Sequence[str]) -> Archive:
    """Return the archive of these parts, which lie on disk.

    Raises
    ------
    DataError
        If it is none by its name.
    """
    kind = kind_of(parts[0])
    if kind is None:
        raise DataError(f"{base / parts[0]}: not an archive ({SUFFIXES})")
    states = [(base / part).stat() for part in parts]
    spans = tuple(
        Span(str(base / part), 0, state.st_size) for part, state in zip(parts, states, strict=True)
    )
    return Archive(str(base / parts[0]), kind, spans, tuple(s.st_mtime_ns for s in states))


def safe_name(name: str) -> str | None:
    """Return the path of a member without idle parts; None if it leads out of the folder."""
    safe = "/".join(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or safe.startswith("\\") or DRIVE.match(safe) or "\0" in safe:
        return None
    return None if ".." in safe.replace("\\", "/").split("/") else safe


def list_members(archive: Archive) -> dict[str, int]:
    """Return the paths and sizes of what an archive holds; hidden files are left out.

    Raises
    ------
    DataError
        If it is damaged or cut, or holds what is refused; archive and member are named.
    """
    members = _opened(archive, os.getpid()).members
    return {name: _size(member) for name, member in members.items()}


def member_spans(archive: Archive, name: str) -> tuple[Span, ...] | None:
    """Return where the bytes of a member lie, None if they are compressed.

    Raises
    ------
    DataError
        If the archive is damaged.
    """
    opened = _opened(archive, os.getpid())
    member = opened.members[name]
    if isinstance(member, tarfile.TarInfo):
        return cut(archive.spans, member.offset_data, member.size)
    if member.compress_type != zipfile.ZIP_STORED:
        return None
    with Joined(cut(archive.spans, member.header_offset, 30)) as view:
        header = view.read()
    if len(header) < 30:
        raise DataError(f"{archive.label}: {name}: damaged", AGAIN)
    start = member.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
    return cut(archive.spans, start, member.file_size)


def open_member(archive: Archive, name: str) -> IO[bytes]:
    """Open a member of an archive that is read where it lies; of a zip its checksum is checked.

    Raises
    ------
    DataError
        If it is damaged.
    """
    opened = _opened(archive, os.getpid())
    member = opened.members[name]
    with reading(archive, name):
        if isinstance(member, zipfile.ZipInfo):
            assert opened.zip
            return opened.zip.open(member)
        return io.BufferedReader(Joined(member_spans(archive, name) or ()))


@contextmanager
def reading(archive: Archive, name: str = "") -> Iterator[None]:
    """Context in which what goes wrong is a `DataError` that names archive and member."""
    what = f"{archive.label}: {name}" if name else archive.label
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        why = f"cannot be read: {error.strerror}" if error.errno else f"damaged: {error}"
        raise DataError(f"{what}: {why}", AGAIN) from error
    except BROKEN as error:
        raise DataError(f"{what}: damaged or cut off: {error}", AGAIN) from error


def tells_damage(error: Exception) -> bool:
    """Say whether an error is of the bytes of an archive, not of the disk that they are on."""
    # That of bz2 is an OSError without a number.
    return isinstance(error, BROKEN) or (isinstance(error, OSError) and error.errno is None)


def extract(archive: Archive, folder: Path) -> None:
    """Write the members of an archive into a folder in which nobody else writes.

    Raises
    ------
    DataError
        If it is damaged or holds what is refused; what was written until then stays.
    """
    listed = list_members(archive)
    for name, stream in _streams(archive, listed):
        target = folder / name
        with reading(archive, name):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as written:
                shutil.copyfileobj(stream, written, CHUNK)
                if written.tell() != listed[name]:
                    raise EOFError(f"{written.tell()} bytes instead of {listed[name]}")


def _streams(archive: Archive, names: Mapping[str, int]) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.kind != "compressed tar":
        for name in names:
            with open_member(archive, name) as stream:
                yield name, stream
        return
    with reading(archive), Joined(archive.spans) as view:
        tar = tarfile.TarFile(fileobj=_unpacked(archive, view), tarinfo=_StrictInfo)
        while (member := tar.next()) is not None:
            path = safe_name(member.name)
            content = tar.extractfile(member) if path in names else None
            if path and content:
                yield path, content


@lru_cache(64)
def _opened(archive: Archive, process: int) -> _Open:
    """Open an archive and list it; kept for every process of its own."""
    with reading(archive):
        view = Joined(archive.spans)
        if archive.kind == "zip":
            opened = zipfile.ZipFile(view)
            return _Open(view, opened, _checked(archive, _zip_members(archive, opened)))
        stream = _unpacked(archive, view)
        members = _checked(archive, _tar_members(archive, stream))
        _require_end(stream)
        return _Open(view, None, members)


def forget_archives() -> None:
    """Close the archives that are kept open."""
    _opened.cache_clear()


def _zip_members(
    archive: Archive, opened: zipfile.ZipFile
) -> Iterator[tuple[str, zipfile.ZipInfo | None]]:
    for member in opened.infolist():
        mode = stat.S_IFMT(member.external_attr >> 16)
        if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(archive, member.filename, "is a link or a device")
        if member.flag_bits & 0x1:
            raise _refused(archive, member.filename, "is encrypted")
        if member.compress_type not in (
            zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA
        ):  # fmt: skip
            way = f"is compressed in a way that is not known ({member.compress_type})"
            raise _refused(archive, member.filename, way)
        yield member.filename, None if member.is_dir() else member


def _tar_members(
    archive: Archive, stream: IO[bytes]
) -> Iterator[tuple[str, tarfile.TarInfo | None]]:
    headers = _Headers(stream)
    tar = tarfile.TarFile(fileobj=headers, tarinfo=_StrictInfo)  # type: ignore[arg-type]
    end = 0
    while (member := tar.next()) is not None:
        headers.left = LARGEST_HEADER
        if member.size < 0 or member.offset < end:
            raise tarfile.ReadError(f"{_short(member.name)}: damaged header")
        end = member.offset_data
        if not (member.isdir() or member.isreg()) or member.issparse():
            raise _refused(archive, member.name, "is a link, a device or a sparse file")
        yield member.name, None if member.isdir() else member
        # Of a million members these would take a gigabyte.
        tar.members.clear()  # type: ignore[attr-defined]


def _require_end(stream: IO[bytes]) -> None:
    """Read a tar to its end, where a compressed one has its checksum: there are only zeros."""
    size = 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("there is more behind its end, such as a second archive")
        if size > LARGEST_END:
            raise tarfile.ReadError("there is no end to the zeros behind its end")


def _checked(
    archive: Archive, members: Iterable[tuple[str, zipfile.ZipInfo | tarfile.TarInfo | None]]
) -> dict[str, zipfile.ZipInfo | tarfile.TarInfo]:
    """Return the files among members by their safe names; the first that is refused is named."""
    found: dict[str, zipfile.ZipInfo | tarfile.TarInfo] = {}
    total, packed = 0, sum(span.size for span in archive.spans)
    for given, member in members:
        name = safe_name(given)
        if name is None or (member and not name):
            raise _refused(archive, given, "leads out of the folder")
        if name.encode(errors="replace") != name.encode(errors="surrogateescape"):
            raise _refused(archive, given, "is a name that is not UTF-8")
        parts = name.split("/")
        if len(name.encode(errors="replace")) > LONGEST_NAME:
            raise _refused(archive, given, f"is a name of more than {LONGEST_NAME} bytes")
        if len(parts) > DEEPEST_FOLDER:
            raise _refused(archive, given, f"lies in more than {DEEPEST_FOLDER} folders")
        # What is left out is to be read as well, and a header takes room too.
        total += (_size(member) if member else 0) + tarfile.BLOCKSIZE
        if total > max(SUSPICIOUS, LARGEST_RATIO * packed):
            raise _refused(archive, given, f"makes more than {LARGEST_RATIO} times its size of it")
        if member is None or "__MACOSX" in parts or any(p.startswith(".") for p in parts):
            continue
        if name in found:
            raise _refused(archive, given, "is in it twice")
        found[name] = member
    folders: set[str] = set()
    for name in found:
        above = name.rpartition("/")[0]
        while above and above not in folders:
            folders.add(above)
            above = above.rpartition("/")[0]
    for name in sorted(folders & found.keys()):
        raise _refused(archive, name, "is a file and a folder")
    return found


def _refused(archive: Archive, name: str, why: str) -> DataError:
    return DataError(
        f"{archive.label}: the member {_short(name)} {why}",
        "unpack it yourself if you trust it, and fetch the folder",
    )


def _short(name: str) -> str:
    return repr(name if len(name) <= 300 else f"{name[:300]}...")


def _size(member: zipfile.ZipInfo | tarfile.TarInfo) -> int:
    return member.file_size if isinstance(member, zipfile.ZipInfo) else member.size


@dataclass
class _Headers:
    """A tar of which the headers are read: of each no more than a few of its bytes.

    What tarfile is told to read at once (long names, extended headers, maps of sparse files) it
    reads, were it gigabytes of zeros that take kilobytes in the archive.
    """

    stream: IO[bytes]
    left: int = LARGEST_HEADER

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise tarfile.ReadError("a header of absurd size")
        return self.stream.read(size)

    def seek(self, offset: int) -> int:
        return self.stream.seek(offset)

    def tell(self) -> int:
        return self.stream.tell()


class _StrictInfo(tarfile.TarInfo):
    """A header that is damaged or missing is an error, not the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def _unpacked(archive: Archive, view: Joined) -> IO[bytes]:
    stream: IO[bytes] = io.BufferedReader(view)
    if archive.kind == "compressed tar":
        start = stream.read(2)
        stream.seek(0)
        # Names lie more often than the first two bytes.
        opener = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}.get(start, lzma.open)
        stream = opener(stream)  # type: ignore[operator]
    return stream
