"""Downloading files of Google Drive with gdown: several at a time, each whole or not at all."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from gdown.download import download as gdown_download
from gdown.exceptions import DownloadError

from eyecli.errors import DataError, MissingError
from eyecli.progress import SECONDS
from eyecli.sources.drive import Place, explained
from eyecli.sources.drive_list import Entry, Listing
from eyecli.sources.folder import opened_alone, refuse_others
from eyecli.sources.names import readable
from eyecli.sources.remote import TransientError, persist
from eyecli.workspace.manifest import DAMAGED, canonical

# Hidden, so no part of the data: partial files, and which files are whole.
STATE = ".drive"
JOURNAL = "done.jsonl"
WORKERS = 8
# Refused files after which the others are not asked for either.
GIVE_UP = 10


class Done(msgspec.Struct, frozen=True):
    """A file that was fetched, as it was then."""

    id: str
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class _Work:
    state: Path
    timeout: float
    say: Callable[[str], None]
    cancel: threading.Event


def download_drive(
    listing: Listing,
    folder: Path,
    *,
    timeout: float,
    say: Callable[[str], None],
    again: bool = False,
) -> dict[str, Any]:
    """Fetch the files of a listing into a folder; what is whole is not fetched again.

    Parameters
    ----------
    listing
        See `eyecli.sources.drive_list.list_drive`.
    folder
        Where they go.
    timeout
        Seconds without a byte before the connection is given up.
    say
        Told how it goes, a line at a time.
    again
        Fetch them even if they are there.

    Returns
    -------
    dict
        For the manifest: kind, id, name, number of files and bytes.

    Raises
    ------
    DataError
        If the folder holds other files.
    MissingError
        If Drive refuses files; the others are kept.
    RetryError
        If the connection was cut too often, or another process is at it.
    """
    state = folder / STATE
    state.mkdir(parents=True, exist_ok=True)
    with opened_alone(state / JOURNAL, str(folder)) as journal:
        done = _read_journal(state / JOURNAL)
        refuse_others(folder, done.keys() & {entry.path for entry in listing.files})
        todo = [e for e in listing.files if again or not _is_whole(folder / e.path, done, e)]
        there = len(listing.files) - len(todo)
        say(f"{listing.name}: {len(todo)} files to fetch" + f", {there} are there" * bool(there))
        _fetch_all(todo, folder, done, journal, _Work(state, timeout, say, threading.Event()))
    size = sum((folder / entry.path).stat().st_size for entry in listing.files)
    say(f"{listing.name}: {len(listing.files)} files, {readable(size)}")
    return {
        "kind": listing.place.kind,
        "id": listing.place.id,
        "url": listing.place.url,
        "name": listing.name,
        "files": len(listing.files),
        "bytes": size,
    }


def _read_journal(path: Path) -> dict[str, Done]:
    done = {}
    for line in path.read_bytes().splitlines():
        with suppress(*DAMAGED):
            entry = msgspec.json.decode(line, type=Done)
            done[entry.path] = entry
    return done


def _is_whole(path: Path, done: dict[str, Done], entry: Entry) -> bool:
    if entry.path not in done or not path.is_file():
        return False
    stat = path.stat()
    return done[entry.path] == Done(entry.id, entry.path, stat.st_size, stat.st_mtime_ns)


def _fetch_all(
    todo: Sequence[Entry], folder: Path, done: dict[str, Done], journal: BinaryIO, work: _Work
) -> None:
    refused: list[MissingError] = []
    last = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            running = {pool.submit(_fetch, entry, work): entry for entry in todo}
            for count, future in enumerate(as_completed(running)):
                if time.monotonic() - last > SECONDS:
                    last = time.monotonic()
                    work.say(f"{count} of {len(todo)} files")
                try:
                    _publish(future.result(), running[future], folder, done, journal)
                except MissingError as error:
                    refused.append(error)
                    if len(refused) == GIVE_UP:
                        break
        finally:
            work.cancel.set()
            pool.shutdown(cancel_futures=True)
    if refused:
        more = f"; so are {len(refused) - 1} more" if refused[1:] else ""
        kept = "what came is kept: the same command goes on"
        raise MissingError(refused[0].message + more, f"{refused[0].hint} ({kept})")


def _fetch(entry: Entry, work: _Work) -> Path:
    """Fetch a file under a name that no other has, and return where it is."""
    key = hashlib.sha256(f"{entry.id} {entry.path}".encode()).hexdigest()[:32]
    staged, began, url = work.state / key, work.state / f"{key}.began", Place(entry.id, "file").url

    def parts() -> list[Path]:
        return list(work.state.glob(f"{key}*.part"))

    def attempt() -> Path:
        resumed = any(part.stat().st_size for part in parts())
        if not resumed:
            began.touch()
        with explained(entry.path, url, work.timeout):
            try:
                gdown_download(id=entry.id, output=str(staged), quiet=True, use_cookies=False,
                               resume=True, timeout=work.timeout, cancel=work.cancel)  # fmt: skip
            except DownloadError as error:
                if "byte range" in str(error):
                    # Not the file that was begun, or a server that cannot go on.
                    _remove(*parts())
                raise
        if resumed and _is_newer(staged, began):
            _remove(staged)
            raise TransientError(f"{entry.path} changed since its download was begun")
        return staged

    if not staged.exists():
        gained = lambda: sum(part.stat().st_size for part in parts())  # noqa: E731
        persist(attempt, url, work.say, gained, work.cancel.wait)
    _remove(began)
    return staged


def _is_newer(staged: Path, began: Path) -> bool:
    """Say whether Drive's file was changed after its download was begun.

    The first part would then be of another version. gdown sets the time that Drive says, which is
    in whole seconds; where Drive does not say, the time is that of the last write.
    """
    changed = staged.stat().st_mtime_ns
    return changed % 10**9 == 0 and changed > began.stat().st_mtime_ns


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _publish(
    staged: Path, entry: Entry, folder: Path, done: dict[str, Done], journal: BinaryIO
) -> None:
    target, stat = folder / entry.path, staged.stat()
    if target.exists() and entry.path not in done:
        raise DataError(
            f"{target} is there already, perhaps as a name that differs in case only",
            "rename it in Drive, or name a --folder where case matters",
        )
    done[entry.path] = Done(entry.id, entry.path, stat.st_size, stat.st_mtime_ns)
    # Before the rename: a file that is not in the journal would be taken for the user's own.
    journal.write(canonical(done[entry.path]) + b"\n")
    journal.flush()
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
