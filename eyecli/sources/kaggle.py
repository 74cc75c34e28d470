"""Competitions and datasets of Kaggle: what they hold, and their files as they come."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyecli.errors import DataError, UsageError, suggest
from eyecli.progress import SECONDS
from eyecli.sources.archive import tells_damage
from eyecli.sources.folder import refuse_others, require_room
from eyecli.sources.kaggle_errors import kaggle_error
from eyecli.sources.kaggle_process import Event, work_with_kaggle
from eyecli.sources.names import readable
from eyecli.workspace.lease import LEASE, lease

log = logging.getLogger(__name__)

KINDS = ("competition", "dataset")
# Hidden: what is not whole is in no source. And what the kaggle package names its notes there.
PARTS = ".partial"
NOTE = ".kaggle-partial"
# A competition with more files comes as one archive: each file is a request.
FEW_FILES = 100
# Terms are not stated as a licence there.
UNSTATED = ("", "unknown", "other (specified in description)")


@dataclass(frozen=True)
class Preset:
    """What is known of a data set: its layout, and its licence where Kaggle states none."""

    kind: str
    layout: str
    licence: str | None = None


KNOWN = {
    "diabetic-retinopathy-detection": Preset("competition", "kaggle-dr"),
    "paultimothymooney/kermany2018": Preset("dataset", "kermany", "CC BY 4.0"),
}


@dataclass(frozen=True)
class Asked:
    """A competition or dataset: its slug, and of a dataset perhaps the version."""

    kind: str
    slug: str
    version: int | None = None

    @property
    def page(self) -> str:
        """Its address."""
        return f"https://www.kaggle.com/{self.kind}s/{self.slug}"

    def words(self, version: int | None) -> tuple[str, str]:
        """Return what names it on the command line."""
        return self.kind, f"{self.slug}/{version}" if version else self.slug


@dataclass(frozen=True)
class Limits:
    """How long a silent server is waited for, in seconds, and how often what fails is retried."""

    timeout: float = 120.0
    retries: int = 5


@dataclass(frozen=True)
class Listing:
    """What Kaggle says of a competition or dataset.

    Attributes
    ----------
    files
        Name to size.
    complete
        Whether these are all; thousands are not listed.
    size
        Of everything, in bytes; None where that is not known.
    version, title, licence
        As Kaggle states them, if it does.
    """

    files: Mapping[str, int]
    complete: bool
    size: int | None
    version: int | None = None
    title: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Piece:
    """A file to download.

    Attributes
    ----------
    name
        As Kaggle names it; empty for the archive of everything.
    target
        Where in the folder it goes.
    size
        As listed, 0 where it is not known.
    """

    name: str
    target: str
    size: int = 0

    def found(self, folder: Path) -> Path | None:
        """Return where it is, whole, in a folder; Kaggle may have packed it on its way."""
        plain, packed = folder / self.target, folder / f"{self.target}.zip"
        if plain.is_file() and self.size in (0, plain.stat().st_size):
            return plain
        return packed if self.name and packed.is_file() else None


def parse_slug(kind: str, slug: str) -> Asked:
    """Return what a kind and a slug ask for.

    Raises
    ------
    UsageError
        If there is no such kind, or the slug is not one of it.
    """
    if kind not in KINDS:
        raise UsageError(f"kaggle has no '{kind}'", suggest(kind, KINDS))
    if kind == "competition" and re.fullmatch(r"[\w-]+", slug, re.ASCII):
        return Asked(kind, slug)
    match = re.fullmatch(r"([\w-]+/[\w-]+)(?:/(?:versions/)?([1-9]\d{0,8}))?", slug, re.ASCII)
    if kind == "dataset" and match:
        return Asked(kind, match[1], int(match[2]) if match[2] else None)
    form = "NAME" if kind == "competition" else "OWNER/NAME, or OWNER/NAME/VERSION"
    raise UsageError(
        f"'{slug}' is not the slug of a {kind}",
        f"it is {form}: what follows kaggle.com/{kind}s/ in the address of its page",
    )


def list_kaggle(asked: Asked, limits: Limits) -> Listing:
    """Ask Kaggle what a competition or dataset holds.

    Raises
    ------
    MissingError
        If there are no credentials, or Kaggle refuses them or the data.
    EyecliError
        If it cannot be asked otherwise; `RetryError` where it does not answer.
    """
    facts: Event = {}
    files: dict[str, int] = {}
    complete = False
    job = _job(asked, "list", asked.version, limits)
    for event in _heed(work_with_kaggle(job, limits.timeout), asked):
        if event["event"] == "facts":
            facts = event
        elif event["event"] == "files":
            files.update((name, size) for name, size in event["files"])
        elif event["event"] == "listed":
            complete = event["complete"]
    licence = facts.get("licence") or ""
    return Listing(
        files=dict(sorted(files.items())),
        complete=complete,
        size=facts.get("bytes") or (sum(files.values()) if complete else None),
        version=facts["version"],
        title=facts.get("title") or None,
        licence=None if licence.lower() in UNSTATED else licence,
    )


def terms(asked: Asked, listing: Listing) -> str:
    """Return the licence of the data as Kaggle states it, or where its terms are."""
    preset = KNOWN.get(asked.slug)
    licence = listing.licence or (preset.licence if preset else None)
    if asked.kind == "competition":
        rules = f"competition rules: {asked.page}/rules"
        return f"{licence}; {rules}" if licence else rules
    return licence or f"as stated at {asked.page}"


def plan(asked: Asked, listing: Listing, chosen: Sequence[str]) -> list[Piece]:
    """Return what to download: the files chosen, else a competition's one by one, else an archive.

    Raises
    ------
    UsageError
        If a chosen file is not among those listed.
    DataError
        If there are no files.
    """
    for name in chosen:
        if listing.complete and name not in listing.files:
            raise UsageError(
                f"--file: {asked.kind} '{asked.slug}' has no {name}", suggest(name, listing.files)
            )
    if chosen:
        return [Piece(name, name, listing.files.get(name, 0)) for name in dict.fromkeys(chosen)]
    if not listing.files:
        raise DataError(f"{asked.kind} '{asked.slug}' has no files", f"see {asked.page}")
    if asked.kind == "competition" and listing.complete and len(listing.files) <= FEW_FILES:
        return [Piece(name, name, size) for name, size in listing.files.items()]
    # The version in its name tells an archive that is there from that of another version.
    version = f"-v{listing.version}" if listing.version else ""
    return [Piece("", f"{asked.slug.rpartition('/')[2]}{version}.zip")]


def check_folder_for(folder: Path, pieces: Sequence[Piece], listing: Listing) -> None:
    """Refuse file names that leave the folder, and a folder with other files in it.

    Raises
    ------
    DataError
        With the name.
    """
    top = folder.resolve()
    for name in (*listing.files, *(piece.target for piece in pieces)):
        path = (top / name).resolve() if "\0" not in name else top
        if path == top or not path.is_relative_to(top) or path.is_relative_to(top / PARTS):
            raise DataError(f"Kaggle lists {name!r}, which leaves the folder {folder}",
                            "nothing was downloaded; choose others with --file")  # fmt: skip
    ours = {*listing.files, *(piece.target for piece in pieces)}
    # Kaggle may have packed them.
    refuse_others(folder, [*ours, *(f"{name}.zip" for name in ours)])


def download_kaggle(
    asked: Asked, listing: Listing, pieces: Sequence[Piece], folder: Path, limits: Limits
) -> None:
    """Download into a folder what is not there yet; what was cut goes on.

    Raises
    ------
    DataError
        If what came is not whole.
    RetryError
        If it was cut, or another process downloads into the folder.
    EyecliError
        If Kaggle refuses (`MissingError`), or the disk is full.
    """
    missing = [piece for piece in pieces if not piece.found(folder)]
    if not missing:
        log.info("%s: all %d files are there", folder, len(pieces))
        return
    parts = folder / PARTS
    with lease(parts, f"the download into {folder}"):
        paths = [_part(parts, piece) for piece in missing]
        sizes = zip(missing, paths, strict=True)
        require_room(folder, sum(max(0, piece.size - _size(path)) for piece, path in sizes))
        job = _job(asked, "download", listing.version, limits)
        job["files"] = [
            {"name": piece.name, "part": str(path)}
            for piece, path in zip(missing, paths, strict=True)
        ]
        _receive(asked, missing, paths, folder, job, limits)
    with suppress(OSError):
        parts.rmdir()


def _receive(
    asked: Asked,
    pieces: Sequence[Piece],
    paths: Sequence[Path],
    folder: Path,
    job: Mapping[str, Any],
    limits: Limits,
) -> None:
    """Follow a download, and put each file in its place once it is whole."""
    done, packed, coming, said = 0, False, 0, time.monotonic()

    def progress() -> int:
        return _size(paths[min(done, len(paths) - 1)])

    for event in _heed(work_with_kaggle(job, limits.timeout, progress), asked):
        now = time.monotonic()
        with suppress(OSError):
            # The sign of life of the lease.
            os.utime(folder / PARTS / LEASE)
        if event["event"] == "file":
            packed, coming = event["packed"], event["size"]
            _say(pieces[done].target, progress(), coming)
        elif event["event"] == "tick" and now - said >= SECONDS:
            _say(pieces[done].target, progress(), coming)
            said = now
        elif event["event"] == "done":
            _keep(pieces[done], paths[done], folder, packed)
            done += 1


def _keep(piece: Piece, part: Path, folder: Path, packed: bool) -> None:
    """Check that a download is whole, then give it its name."""
    target = folder / (f"{piece.target}.zip" if packed else piece.target)
    try:
        wrong = _what_is_wrong(part, target.suffix == ".zip", piece.size, packed)
    except Exception as error:
        if not tells_damage(error):
            raise
        wrong = f"it is no whole zip archive: {error}"
    if wrong:
        part.unlink()
        part.with_name(part.name + NOTE).unlink(missing_ok=True)
        raise DataError(f"{target.name} did not come whole: {wrong}",
                        "run the same command again: it is fetched anew")  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)


def _what_is_wrong(path: Path, is_zip: bool, listed: int, packed: bool) -> str | None:
    size = path.stat().st_size
    if listed and not packed and size != listed:
        return f"{size} bytes, Kaggle lists {listed}"
    if not is_zip:
        return None
    with zipfile.ZipFile(path) as archive:
        # What zipfile cannot unpack (a password, a rare method) its size has to speak for.
        with suppress(NotImplementedError, RuntimeError):
            if bad := archive.testzip():
                return f"{bad} in it is damaged"
        members = [member.file_size for member in archive.infolist()]
    if listed and packed and members != [listed]:
        return f"{sum(members)} bytes in {len(members)} files, Kaggle lists {listed} bytes"
    return None


def _heed(events: Iterator[Event], asked: Asked) -> Iterator[Event]:
    """Yield events; raise the errors among them, and log the pauses."""
    stage, file = "start", ""
    for event in events:
        if event["event"] == "error":
            raise kaggle_error(event, stage, asked.kind, asked.slug, file)
        if event["event"] == "stage":
            stage, file = event["name"], event.get("file", "")
        elif event["event"] == "wait":
            error = kaggle_error(event, stage, asked.kind, asked.slug, file)
            log.warning("%s; again in %.1f s", error.message, event["seconds"])
        yield event


def _job(asked: Asked, do: str, version: int | None, limits: Limits) -> dict[str, Any]:
    return {"do": do, "kind": asked.kind, "slug": asked.slug, "version": version,
            "retries": limits.retries}  # fmt: skip


def _part(parts: Path, piece: Piece) -> Path:
    """Where a file is while it is not whole; names may be too long to be kept beside their note."""
    return parts / hashlib.sha256(piece.target.encode()).hexdigest()[:16]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _say(name: str, size: int, total: int) -> None:
    log.info("%s: %s of %s", name, readable(size), readable(total),
             extra={"fields": {"file": name, "bytes": size, "total": total}})  # fmt: skip
