"""Fetching from whatever rclone reads: listed first, copied, then compared with the remote."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from eyecli.errors import DataError, RetryError
from eyecli.sources.folder import refuse_others
from eyecli.sources.names import readable
from eyecli.sources.rclone_errors import AGAIN
from eyecli.sources.rclone_listing import is_folder, listed
from eyecli.sources.rclone_local import refuse_inside
from eyecli.sources.rclone_run import BRIEF, Binary, Finished, rclone, require_done
from eyecli.sources.remotes import Remote, child
from eyecli.workspace.lease import LEASE, lease
from eyecli.workspace.manifest import DAMAGED, canonical
from eyecli.workspace.store import write_atomic

log = logging.getLogger(__name__)

STATE = ".eyecli-rclone"
LISTING = "listing.json"
# rclone takes at most 16 characters; with its own, a user's files could be taken for leftovers.
PARTIAL = ".eyecli-partial"
LEFTOVER = re.compile(rf"(?P<name>.+)\.[0-9a-f]{{8}}{re.escape(PARTIAL)}")
ESCAPES = "escapes the root"


class Entry(msgspec.Struct, frozen=True):
    """A file at a remote, as rclone lists it."""

    size: int
    modified: str


@dataclass(frozen=True)
class Wanted:
    """What to fetch, and how.

    Attributes
    ----------
    remote
        Where from.
    include, exclude
        Patterns of rclone's filters; what is excluded is so whatever is included.
    bandwidth, transfers
        Limit, as rclone writes it, and number of files at a time; rclone's own by default.
    checksum
        Compare what is there already by checksum, not by size and time.
    """

    remote: Remote
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    bandwidth: str | None = None
    transfers: int | None = None
    checksum: bool = False

    def filters(self) -> list[str]:
        """Return rclone's options that choose files."""
        rules = [*(f"- {pattern}" for pattern in self.exclude),
                 *(f"+ {pattern}" for pattern in self.include)]  # fmt: skip
        return [f"--filter={rule}" for rule in [*rules, *(["- **"] if self.include else [])]]

    def limits(self) -> list[str]:
        """Return rclone's options that restrain it."""
        return limits(self.bandwidth, self.transfers)

    def label(self) -> str:
        """Return a name for the folder of its files: another remote or filter, another folder."""
        identity = canonical([self.remote.shown, self.filters()])
        words = re.sub(r"[^A-Za-z0-9._]+", "-", self.remote.shown).strip("-.")[-40:]
        return f"{words}-{hashlib.sha256(identity).hexdigest()[:8]}".lstrip("-.")


def limits(bandwidth: str | None, transfers: int | None) -> list[str]:
    """Return rclone's options for a bandwidth and a number of files at a time."""
    chosen = {"--bwlimit": bandwidth, "--transfers": transfers}
    return [f"{flag}={value}" for flag, value in chosen.items() if value is not None]


def list_files(binary: Binary, wanted: Wanted) -> dict[str, Entry]:
    """List the files that would be fetched, sorted by path.

    What is kept about a download is no file of it, where the remote was one itself.

    Raises
    ------
    DataError
        If there is none, or one would land outside the folder.
    EyecliError
        As `explain` says, if the remote cannot be listed.
    """
    return _listed(binary, wanted)[0]


def _listed(binary: Binary, wanted: Wanted) -> tuple[dict[str, Entry], bool]:
    """Return the files, and whether there is what is kept about another download too."""
    remote = wanted.remote
    words = ["lsjson", "--recursive", "--files-only", "--no-mimetype", *BRIEF, *wanted.filters()]
    done = rclone(binary, words, [remote.text], remote)
    for message in done.messages:
        if ESCAPES in message.text:
            raise DataError(
                f"{remote.shown}: a file would land outside the folder: {message.about}",
                "nothing was fetched; have it renamed, or leave it out with --exclude",
            )
    rows = listed(require_done(binary, done, remote), remote)
    for row in rows:
        path = PurePosixPath(row.path)
        if path.is_absolute() or ".." in path.parts:
            raise DataError(f"{remote.shown}: {row.path} would land outside the folder")
    files = [row for row in rows if not row.path.startswith(f"{STATE}/")]
    if not files:
        left = "no file passes --include and --exclude" if wanted.filters() else "no files"
        raise DataError(f"{remote.shown}: {left}", "see `rclone lsf --recursive`")
    found = {row.path: Entry(max(row.size, 0), row.modified) for row in files}
    return dict(sorted(found.items())), len(files) < len(rows)


def hidden(listing: Mapping[str, Entry]) -> int:
    """Return how many listed files are hidden: they are fetched, but are no part of the source."""
    return sum("/." in f"/{path}" for path in listing)


def total(listing: Mapping[str, Entry]) -> int:
    """Return the bytes of listed files."""
    return sum(entry.size for entry in listing.values())


def missing(listing: Mapping[str, Entry], folder: Path) -> dict[str, Entry]:
    """Return the listed files that are not in a folder, or there with another size."""

    def there(path: str, entry: Entry) -> bool:
        file = folder / path
        return file.is_file() and file.stat().st_size == entry.size

    return {path: entry for path, entry in listing.items() if not there(path, entry)}


def download(binary: Binary, wanted: Wanted, folder: Path, *, check: bool = True) -> dict[str, Any]:
    """Copy the files of a remote into a folder; files that are there are not copied again.

    A file that was cut is continued where it ended.

    Parameters
    ----------
    binary
        From `find_rclone`.
    wanted
        What to fetch.
    folder
        Where to; made if need be.
    check
        Compare all files with the remote's afterwards.

    Returns
    -------
    dict
        What to keep about it; no credential is in it.

    Raises
    ------
    UsageError
        If the folder is inside of the remote.
    DataError
        If the folder holds other files, or a file is not what the remote says.
    RetryError
        If the transfer broke off, or another process is at it.
    EyecliError
        As `explain` says.
    """
    refuse_inside(binary, wanted.remote, folder)
    listing, is_download = _listed(binary, wanted)
    shown = wanted.remote.shown
    # Not always: of a remote that is a file rclone takes no filter.
    chosen = replace(wanted, exclude=[f"/{STATE}/**", *wanted.exclude]) if is_download else wanted
    if count := hidden(listing):
        log.info("%s: %d of %d files are hidden, and left out of the source",
                 shown, count, len(listing))  # fmt: skip
    with lease(folder / STATE, f"{folder}"):
        beat = _beat(folder / STATE / LEASE)
        refuse_others(folder, listing, PARTIAL)
        _go_on(binary, wanted, folder, listing, beat)
        write_atomic(folder / STATE / LISTING, msgspec.json.encode(listing))
        words = ["copy", f"--partial-suffix={PARTIAL}",
                 # Of several streams no part could be continued.
                 "--multi-thread-streams=0", *chosen.filters(), *wanted.limits(),
                 *(["--checksum"] if wanted.checksum else [])]  # fmt: skip
        done = rclone(binary, words, [wanted.remote.text, str(folder)], wanted.remote,
                      label=f"fetch {shown}", beat=beat)  # fmt: skip
        _warn(require_done(binary, done, wanted.remote, begun=True))
        verified = verify(binary, chosen, folder, beat) if check else "not checked"
    return {
        "remote": shown,
        "rclone": binary.version,
        "include": list(wanted.include),
        "exclude": list(wanted.exclude),
        "files": len(listing),
        "bytes": total(listing),
        "verified": verified,
    }


def verify(binary: Binary, wanted: Wanted, folder: Path, beat: Callable[[], None]) -> str:
    """Compare the files of a folder with the remote's; return by what.

    Raises
    ------
    DataError
        Naming the first file that is missing or another.
    """
    remote = wanted.remote
    words = ["check", "--one-way", "--combined=-", *wanted.filters()]
    done = rclone(binary, words, [remote.text, str(folder)], remote,
                  label=f"check {remote.shown}", beat=beat)  # fmt: skip
    how, unchecked = compared_by(done)
    wrong = differing(done)
    if wrong:
        raise DataError(
            f"{folder / wrong[0]}: differs from {remote.shown} by {how} ({len(wrong)} such files)",
            "run the same command again with --checksum, which fetches them anew",
        )
    require_done(binary, done, remote, begun=True)
    if how == "size":
        log.warning("%s has no checksums: sizes were compared only", remote.shown)
    elif unchecked:
        log.warning("%s has no checksum of %d files: of these sizes were compared only",
                    remote.shown, unchecked)  # fmt: skip
    return f"{how}, {unchecked} files by size" if unchecked and how != "size" else how


def compared_by(done: Finished) -> tuple[str, int]:
    """Return by what ``rclone check`` has compared, and how many files it could so only by size."""
    from rclone_python.hash_types import HashTypes

    said = " ".join(done.infos)
    how = next((h.value for h in HashTypes if f"Using {h.value} for hash" in said), "size")
    found = re.search(r"(\d+) hashes could not be checked", " ".join(map(str, done.messages)))
    return how, int(found[1]) if found else 0


def differing(done: Finished) -> list[str]:
    """Return the files that ``rclone check --combined=-`` found missing or another."""
    lines = done.out.decode(errors="surrogateescape").splitlines()
    return sorted(line[2:] for line in lines if line[:2] in ("* ", "+ ", "! "))


def _go_on(
    binary: Binary,
    wanted: Wanted,
    folder: Path,
    listing: Mapping[str, Entry],
    beat: Callable[[], None],
) -> None:
    """Fetch the rest of files that were cut; remove parts of which nothing is known.

    rclone itself would begin them anew. A part counts only if the file at the remote is that of
    the listing which the part was fetched after.
    """
    before = _read_listing(folder / STATE / LISTING)
    for part in sorted(folder.rglob(f"*{PARTIAL}")):
        found = LEFTOVER.fullmatch(part.relative_to(folder).as_posix())
        path = found["name"] if found else ""
        entry, size = listing.get(path), part.stat().st_size
        known = entry is not None and entry == before.get(path) and 0 < size <= entry.size
        if not known:
            part.unlink()
            continue
        assert entry
        log.info("%s: going on after %s of %s", path, readable(size), readable(entry.size))
        alone = _is_file(binary, wanted.remote, listing)
        whole = wanted.remote if alone else child(wanted.remote, path)
        if size < entry.size:
            with part.open("ab") as stream:
                words = ["cat", f"--offset={size}", *wanted.limits()]
                done = rclone(binary, words, [whole.text], whole, out=stream,
                              label=f"fetch {path}", beat=beat)  # fmt: skip
                require_done(binary, done, whole, begun=True)
        if part.stat().st_size != entry.size:
            part.unlink()
            raise RetryError(f"{whole.shown} changed while it was fetched", AGAIN)
        os.utime(part, ns=(nanoseconds(entry.modified),) * 2)
        part.replace(folder / path)


def _is_file(binary: Binary, remote: Remote, listing: Mapping[str, Entry]) -> bool:
    """Tell whether a remote is a file itself, not a folder that holds one of its name."""
    if len(listing) != 1 or PurePosixPath(remote.path).name not in listing:
        return False
    done = rclone(binary, ["lsjson", "--stat", *BRIEF], [remote.text], remote)
    return not is_folder(require_done(binary, done, remote), remote)


def nanoseconds(modified: str) -> int:
    """Return a time of rclone's listing in ns since 1970: others than local files have fewer."""
    whole, _, rest = modified.partition(".")
    digits = re.match(r"\d*", rest)
    assert digits
    zone = rest[digits.end() :]
    seconds = int(datetime.fromisoformat(whole + zone).timestamp())
    return seconds * 10**9 + int(digits[0].ljust(9, "0")[:9])


def _read_listing(path: Path) -> dict[str, Entry]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])
    except (OSError, *DAMAGED):
        return {}


def _beat(path: Path) -> Callable[[], None]:
    """Return what shows other hosts that this process lives."""

    def beat() -> None:
        if path.exists():
            os.utime(path)

    return beat


def _warn(done: Finished) -> None:
    """Say what rclone has left out: links, for example."""
    if done.messages:
        more = f" (and {len(done.messages) - 1} more)" if len(done.messages) > 1 else ""
        log.warning("rclone: %s%s", done.messages[0], more)
