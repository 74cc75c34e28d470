"""What is in a public folder of Google Drive, with names that are safe and differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from gdown.download import download as gdown_download

# The public function asks for every Google document once more, and fails on those without a file.
from gdown.download_folder import _parse_embedded_folder_view

from eyecli.errors import DataError, MissingError
from eyecli.sources.drive import RCLONE, Place, explained, private
from eyecli.sources.names import safe_name
from eyecli.sources.remote import persist, refuse

FOLDER = "application/vnd.google-apps.folder"
DOCUMENT = "application/vnd.google-apps."
SIGN_IN = "accounts.google.com"


@dataclass(frozen=True)
class Entry:
    """A file of Drive, and the path that it gets."""

    id: str
    path: str


@dataclass
class Listing:
    """What is at a place: files, and lines on what is left out or called otherwise."""

    place: Place
    name: str
    files: list[Entry] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class _Child(NamedTuple):
    id: str
    name: str
    kind: str


def list_drive(place: Place, *, timeout: float, say: Callable[[str], None]) -> Listing:
    """Return what is at a place; no file is fetched.

    Parameters
    ----------
    place
        A file or a folder; where that is not known, it is taken for a folder if it can be read as
        one.
    timeout
        Seconds without a byte before the connection is given up.
    say
        Told of further tries.

    Raises
    ------
    MissingError
        If it is private, empty or not there.
    RetryError
        If Drive cannot be reached or stays busy.
    DataError
        If two files would get the same path.
    """
    if place.kind != "file":
        listing = _list_folder(Place(place.id, "folder"), timeout, say, sure=place.kind is not None)
        if listing:
            return listing
    place = Place(place.id, "file")

    def ask() -> Listing:
        with explained(place.url, place.url, timeout):
            found: Any = gdown_download(
                id=place.id, quiet=True, use_cookies=False, timeout=timeout, skip_download=True
            )
        return Listing(place, str(found.path), [Entry(place.id, safe_name(found.path))])

    return persist(ask, place.url, say)


def _list_folder(
    place: Place, timeout: float, say: Callable[[str], None], *, sure: bool
) -> Listing | None:
    """Return what is in a folder; None where it cannot be read and need not be a folder."""
    listing = Listing(place, "")

    def collect(children: list[_Child], prefix: str, above: tuple[str, ...]) -> None:
        for child in _with_safe_names(children, prefix, listing.remarks):
            path = prefix + child.name
            if child.kind != FOLDER:
                listing.files.append(Entry(child.id, path))
            elif child.id in above:
                listing.remarks.append(f"{path}/ leads back up: left out")
            else:
                _, below = _read(session, child.id, timeout, say)
                if not below:
                    listing.remarks.append(f"{path}/: nothing to be seen in it")
                collect(below, f"{path}/", (*above, child.id))

    with requests.Session() as session:
        session.hooks["response"].append(_stop_at_refusals)
        try:
            listing.name, children = _read(session, place.id, timeout, say)
        except MissingError:
            if sure:
                raise
            return None
        if not children and not sure:
            return None
        collect(children, "", (place.id,))
    if not listing.files:
        raise MissingError(
            f"{place.url}: no files to be seen: it is empty, or they are private",
            f"ask its owner to share it with anyone who has the link; or with your own login: "
            f"{RCLONE}",
        )
    [(path, count)] = Counter(entry.path for entry in listing.files).most_common(1)
    if count > 1:
        raise DataError(f"{place.url}: two files would be called {path}", "rename one there")
    return listing


def _read(
    session: requests.Session, id: str, timeout: float, say: Callable[[str], None]
) -> tuple[str, list[_Child]]:
    """Return the name of a folder and what is in it, as one page says."""
    url = Place(id, "folder").url

    def ask() -> tuple[str, list[_Child]]:
        with explained(url, url, timeout):
            name, children = _parse_embedded_folder_view(
                sess=session, folder_id=id, verify=True, timeout=timeout
            )
        # The name is a part of the parsed page, which it would keep alive.
        return str(name), [_Child(*child) for child in children]

    return persist(ask, url, say)


def _stop_at_refusals(response: requests.Response, *_: object, **__: object) -> None:
    if not response.is_redirect:
        refuse(response, "https://drive.google.com")
    elif urlsplit(urljoin(response.url, response.headers["Location"])).hostname == SIGN_IN:
        raise private("the folder")


def _with_safe_names(children: list[_Child], prefix: str, remarks: list[str]) -> list[_Child]:
    """Return the files and folders, safely named, each name once.

    In Drive any number of files can have the same name: all of those get their id into it, so
    that a name does not depend on the order.
    """
    kept: dict[str, _Child] = {}
    for child in children:
        if child.kind.startswith(DOCUMENT) and child.kind != FOLDER:
            kind = child.kind.removeprefix(DOCUMENT)
            remarks.append(f"{prefix}{child.name}: a Google {kind} has no file: left out")
        elif child.name.startswith(".") and "/" not in child.name:
            remarks.append(f"{prefix}{child.name}: hidden: left out")
        else:
            kept[child.id] = child._replace(name=safe_name(child.name))
            if kept[child.id].name != child.name:
                remarks.append(f"{prefix}{child.name}: called {kept[child.id].name}")
    counts = Counter(child.name for child in kept.values())
    for child in kept.values():
        if counts[child.name] > 1:
            path = PurePosixPath(child.name)
            kept[child.id] = child._replace(name=f"{path.stem}-{child.id}{path.suffix}")
            remarks.append(f"{prefix}{child.name} is there more than once: "
                           f"called {kept[child.id].name}")  # fmt: skip
    return list(kept.values())
