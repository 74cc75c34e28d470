"""One or several files over https, into one folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eyecli.errors import UsageError
from eyecli.sources.folder import refuse_others
from eyecli.sources.http import Download, Offer, address_digest, ask, download, read_note
from eyecli.sources.remote import bare, check_url, shown

# Addresses of pages, and the command that fetches what they show.
OTHER_COMMANDS = {
    "drive.google.com": "eyecli fetch drive",
    "docs.google.com": "eyecli fetch drive",
    "www.kaggle.com": "eyecli fetch kaggle dataset|competition",
}


@dataclass(frozen=True)
class Wanted:
    """An address, and what its file must be."""

    url: str
    sha256: str | None = None
    md5: str | None = None


def wanted(urls: Sequence[str], sha256: Sequence[str], md5: Sequence[str]) -> list[Wanted]:
    """Return what is asked for, digests in the order of the addresses.

    Raises
    ------
    UsageError
        If an address or a digest is none, or their numbers differ.
    """
    for flag, digests, length in (("--sha256", sha256, 64), ("--md5", md5, 32)):
        if digests and len(digests) != len(urls):
            raise UsageError(
                f"{flag}: {len(digests)} digests for {len(urls)} addresses",
                f"give {flag} once for every address, in their order",
            )
        for digest in digests:
            if not re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", digest):
                raise UsageError(f"{flag} '{digest}': not {length} hexadecimal digits")
    for url in urls:
        check_url(url, digest=bool(sha256 or md5))
        if other := OTHER_COMMANDS.get(urlsplit(url).hostname or ""):
            raise UsageError(f"{bare(url)}: a page, not a file", f"use `{other}`")
    return [
        Wanted(url, sha256[n] if sha256 else None, md5[n] if md5 else None)
        for n, url in enumerate(urls)
    ]


def label(files: Sequence[Wanted]) -> str:
    """Return a folder name for files: the same for the same addresses."""
    addresses = "".join(address_digest(file.url) for file in files)
    return f"url-{hashlib.sha256(addresses.encode()).hexdigest()[:12]}"


def offers(files: Sequence[Wanted], *, timeout: float, say: Callable[[str], None]) -> list[Offer]:
    """Return what the servers say of the files; nothing is fetched.

    Raises
    ------
    EyecliError
        If a server refuses or cannot be reached.
    """
    return [
        ask(file.url, timeout=timeout, say=say, digest=bool(file.sha256 or file.md5))
        for file in files
    ]


def names_of(
    files: Sequence[Wanted], folder: Path, *, timeout: float, say: Callable[[str], None]
) -> list[str]:
    """Return what the files are called: as noted in the folder, else as the servers say.

    Raises
    ------
    UsageError
        If two have the same name.
    EyecliError
        If a server refuses or cannot be reached.
    """
    notes = [read_note(path) for path in folder.glob(".*.fetched")]
    known = {note.address: note.name for note in notes if note}
    names: list[str] = []
    for file in files:
        name = known.get(address_digest(file.url))
        name = name or offers([file], timeout=timeout, say=say)[0].name
        if name in names:
            raise UsageError(f"{bare(file.url)}: another of these files is called {name} as well",
                             "fetch them into two folders, with --folder")  # fmt: skip
        names.append(name)
    return names


def download_urls(
    files: Sequence[Wanted],
    folder: Path,
    *,
    timeout: float,
    say: Callable[[str], None],
    again: bool = False,
) -> dict[str, Any]:
    """Fetch files into a folder, each whole or not at all.

    Returns
    -------
    dict
        For the manifest: of each file its name, address without query, size, sha256 and version.

    Raises
    ------
    EyecliError
        As `names_of` and `eyecli.sources.http.download`, or if the folder holds other files.
    """
    names = names_of(files, folder, timeout=timeout, say=say)
    refuse_others(folder, names)
    fetched = [
        download(file.url, folder / name, sha256=file.sha256, md5=file.md5, timeout=timeout,
                 say=say, again=again)
        for file, name in zip(files, names, strict=True)
    ]  # fmt: skip
    return {
        "files": [
            _facts(file, name, done) for file, name, done in zip(files, names, fetched, strict=True)
        ],
        "bytes": sum(done.size for done in fetched),
    }


def _facts(file: Wanted, name: str, done: Download) -> dict[str, Any]:
    return {
        "name": name,
        "url": shown(file.url),
        "bytes": done.size,
        "sha256": done.sha256,
        "last_modified": done.last_modified,
        "etag": done.etag,
    }
