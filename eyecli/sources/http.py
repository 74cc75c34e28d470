"""One file over https, whole or not at all: what was cut goes on, and what came is checked."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import msgspec

from eyecli.errors import DataError, RetryError
from eyecli.progress import SECONDS
from eyecli.sources.folder import opened_alone, require_room
from eyecli.sources.names import readable
from eyecli.sources.remote import (
    TIMEOUT,
    TransientError,
    bare,
    check_url,
    content_length,
    content_name,
    opened,
    persist,
    refuse_page,
)
from eyecli.workspace.manifest import DAMAGED, canonical, sha256_file
from eyecli.workspace.store import fsync_folder, write_atomic

# What a cut costs at most.
CHUNK = 2**16


@dataclass(frozen=True)
class Download:
    """A file that was fetched.

    Attributes
    ----------
    sha256, size
        Of its content.
    url
        Where it came from in the end, without user info and query.
    last_modified, etag
        What the server said of its version, None if nothing.
    """

    sha256: str
    size: int
    url: str
    last_modified: str | None = None
    etag: str | None = None


class Note(msgspec.Struct, frozen=True):
    """What is kept beside a file, in ``.NAME.fetched``: its origin and version.

    ``address`` is a hash: the address itself can hold a token. ``sha256`` and ``mtime_ns`` are
    there once the file is whole.
    """

    address: str
    name: str
    url: str
    etag: str | None
    last_modified: str | None
    size: int | None
    sha256: str | None = None
    mtime_ns: int | None = None

    def validator(self) -> str | None:
        """Return what tells this version from others, for ``If-Range``."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.last_modified


@dataclass(frozen=True)
class _Order:
    """What to fetch, and all that is known of it beforehand."""

    url: str
    target: Path
    sha256: str | None
    md5: str | None
    size: int | None
    timeout: float
    say: Callable[[str], None]

    @property
    def has_digest(self) -> bool:
        return bool(self.sha256 or self.md5)

    def wrong(self, path: Path) -> str | None:
        """Return how a file is not the one that was asked for, None where it may be."""
        if self.size is not None and path.stat().st_size != self.size:
            return f"{path.stat().st_size} bytes, not {self.size}"
        for name, wanted in (("sha256", self.sha256), ("md5", self.md5)):
            if wanted:
                with path.open("rb") as stream:
                    found = hashlib.file_digest(stream, name).hexdigest()
                if found != wanted.lower():
                    return f"its {name} is {found}, not {wanted.lower()}"
        return None


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    timeout: float = TIMEOUT,
    say: Callable[[str], None] | None = None,
    again: bool = False,
) -> Download:
    """Fetch a file, or find that it is there.

    What comes is written to ``.NAME.partial`` and renamed once it is whole: a download that was
    cut goes on there, unless the server's file has changed meanwhile.

    Parameters
    ----------
    url
        An https address; plain http only with a digest, or on this machine.
    target
        Where the file goes. A file that was fetched before and has not changed is not fetched
        again; one that is not known is not overwritten.
    sha256, md5, size
        What it must be.
    timeout
        Seconds without a byte before the connection is given up.
    say
        Told how it goes, a line at a time.
    again
        Fetch it even if it is there.

    Raises
    ------
    UsageError
        If the address is none.
    DataError
        If it is not the file that was asked for, or another file is at `target`.
    MissingError
        If the server refuses.
    RetryError
        If the connection was cut too often, or another process is at it.
    EyecliError
        If there is not enough space.
    """
    order = _Order(url, target, sha256, md5, size, timeout, say or (lambda line: None))
    check_url(url, digest=order.has_digest)
    if target.exists():
        found = _found(order)
        if found and not again:
            return found
    target.parent.mkdir(parents=True, exist_ok=True)
    with _partial(target) as stream:
        path = partial_path(target)
        resumed = path.stat().st_size > 0
        wrong = _complete(order, stream)
        if wrong and resumed:
            # The two halves may be of different versions.
            order.say(f"{target.name}: {wrong}; starting over")
            stream.truncate(0)
            wrong = _complete(order, stream)
        if wrong:
            path.unlink()
            raise DataError(
                f"{target.name} from {bare(url)}: {wrong}; it is not kept",
                "check the digest and the address; if both are right, the file was replaced "
                "or damaged where it is offered",
            )
        return _publish(order, stream)


def partial_path(target: Path) -> Path:
    """Where a file is until it is whole."""
    return target.with_name(f".{target.name}.partial")


def note_path(target: Path) -> Path:
    """Where it is noted what a file is."""
    return target.with_name(f".{target.name}.fetched")


def address_digest(url: str) -> str:
    """Return what tells addresses apart in a note, user info left out."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    address = f"{parts.scheme}://{host}{parts.path}?{parts.query}"
    return hashlib.sha256(address.encode()).hexdigest()


def read_note(path: Path) -> Note | None:
    """Read a note; None where there is none, or not a whole one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Note)
    except (OSError, *DAMAGED):
        return None


def _found(order: _Order) -> Download | None:
    """Return what is at the target where it is the file, None where it must be fetched again.

    Raises
    ------
    DataError
        If it is a file that was not fetched from there.
    """
    target, note = order.target, read_note(note_path(order.target))
    mine = note is not None and note.address == address_digest(order.url)
    stat, wrong = target.stat(), order.wrong(target)
    if order.has_digest and not wrong:
        known = note if note and mine else None
        return Download(
            order.sha256.lower() if order.sha256 else sha256_file(target),
            stat.st_size,
            known.url if known else bare(order.url),
            known.last_modified if known else None,
            known.etag if known else None,
        )
    if note is None or not mine:
        raise DataError(
            f"{target} is there already, and was not fetched from {bare(order.url)}",
            "remove it, or name another --folder",
        )
    unchanged = (note.size, note.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    if unchanged and note.sha256 and not wrong:
        return Download(note.sha256, stat.st_size, note.url, note.last_modified, note.etag)
    order.say(f"{target.name}: {wrong or 'changed since it was fetched'}; fetching it again")
    return None


@contextmanager
def _partial(target: Path) -> Iterator[BinaryIO]:
    path = partial_path(target)
    with opened_alone(path, str(target)) as stream:
        try:
            yield stream
        finally:
            if path.exists() and not path.stat().st_size:
                path.unlink()


def _complete(order: _Order, stream: BinaryIO) -> str | None:
    """Receive what is missing; return how the file is not the one that was asked for."""
    path = partial_path(order.target)
    persist(lambda: _receive(order, stream), order.url, order.say, lambda: path.stat().st_size)
    return order.wrong(path)


def _receive(order: _Order, stream: BinaryIO) -> None:
    """Append to the partial file what it lacks; begin it anew where it cannot be gone on with."""
    note, have = read_note(note_path(order.target)), stream.seek(0, os.SEEK_END)
    goes_on = (
        note is not None
        and note.address == address_digest(order.url)
        and (note.validator() is not None or order.has_digest)
    )
    if have and not goes_on:
        have = stream.truncate(0)
    if have and note and have == note.size:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and note and (validator := note.validator()):
        headers["If-Range"] = validator
    with opened(
        order.url, timeout=order.timeout, headers=headers, plain=order.has_digest
    ) as response:
        if have and not (note and _continues(response, note, have)):
            if response.status_code != 200:
                response.close()
                stream.truncate(0)
                return _receive(order, stream)
            order.say(f"{order.target.name}: cannot be gone on with; starting over")
            have = stream.truncate(0)
        refuse_page(response, order.target.name, order.url)
        length = content_length(response)
        total = None if length is None else have + length
        _check_room(order, total, length)
        if not have:
            write_atomic(note_path(order.target), canonical(_note(order, response, total)))
        _append(order, response, stream, have, total)
    return None


def _continues(response: Any, note: Note, have: int) -> bool:
    """Say whether an answer is the rest of the same version."""
    if response.status_code != 206 or response.headers.get("ETag", note.etag) != note.etag:
        return False
    start, _, total = response.headers.get("Content-Range", "").partition("/")
    fits = note.size is None or total in ("*", str(note.size))
    return bool(start.startswith(f"bytes {have}-") and fits)


def _check_room(order: _Order, total: int | None, missing: int | None) -> None:
    if total is not None and order.size is not None and total != order.size:
        raise DataError(f"{bare(order.url)}: {total} bytes, not the {order.size} expected",
                        "check the address; the file may have been replaced")  # fmt: skip
    require_room(order.target.parent, missing or 0)


def _note(order: _Order, response: Any, total: int | None) -> Note:
    return Note(
        address=address_digest(order.url),
        name=order.target.name,
        url=bare(response.url),
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
        size=total,
    )


def _append(order: _Order, response: Any, stream: BinaryIO, done: int, total: int | None) -> None:
    name, last = order.target.name, time.monotonic()
    of = f" of {readable(total)}" if total is not None else ""
    order.say(f"{name}: going on at {readable(done)}{of}" if done else f"{name}: fetching{of[3:]}")
    try:
        for chunk in response.iter_content(CHUNK):
            stream.write(chunk)
            done += len(chunk)
            if time.monotonic() - last >= SECONDS:
                last = time.monotonic()
                order.say(f"{name}: {readable(done)}{of}")
    finally:
        stream.flush()
    if total is not None and done != total:
        raise TransientError(f"it ended after {done} of {total} bytes")


def _publish(order: _Order, stream: BinaryIO) -> Download:
    """Rename the whole file onto its target and note what it is."""
    os.fsync(stream.fileno())
    path, note = partial_path(order.target), read_note(note_path(order.target))
    if note is None:
        raise RetryError(f"{note_path(order.target)} was removed meanwhile", "run it again")
    stat = path.stat()
    whole = msgspec.structs.replace(
        note, size=stat.st_size, mtime_ns=stat.st_mtime_ns, sha256=sha256_file(path)
    )
    # Before the rename: a file without its note would be taken for the user's own.
    write_atomic(note_path(order.target), canonical(whole))
    path.replace(order.target)
    fsync_folder(order.target.parent)
    assert whole.sha256 is not None
    return Download(whole.sha256, stat.st_size, whole.url, whole.last_modified, whole.etag)


@dataclass(frozen=True)
class Offer:
    """What a server says of a file before it is fetched: its name, and its size if it tells."""

    name: str
    size: int | None


def ask(
    url: str, *, timeout: float = TIMEOUT, say: Callable[[str], None] | None = None,
    digest: bool = False,
) -> Offer:  # fmt: skip
    """Return what a server calls a file and how large it is; nothing is fetched.

    Raises
    ------
    UsageError, MissingError, RetryError
        As `download`.
    """
    check_url(url, digest=digest)

    def attempt() -> Offer:
        # Not HEAD: addresses that are signed for GET refuse it.
        with opened(url, timeout=timeout, plain=digest) as response:
            name = content_name(response)
            refuse_page(response, name, url)
            return Offer(name, content_length(response))

    return persist(attempt, url, say or (lambda line: None))
