"""Google Drive: which file or folder a link means, and what Drive's refusals mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import requests
from gdown.exceptions import DownloadError, FileURLRetrievalError

from eyecli.errors import EyecliError, MissingError, UsageError
from eyecli.sources.remote import TransientError, bare, explain, refuse

HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
ID = re.compile(r"[-\w]{10,}", re.ASCII)
DOCUMENTS = ("document", "spreadsheets", "presentation", "forms", "drawings")
PATHS = {"uc": "file", "download": "file", "folderview": "folder", "embeddedfolderview": "folder"}
SAYS = re.compile(r"Failed to retrieve file url:(.*)You may still be able", re.DOTALL)
RCLONE = (
    "`rclone config` a remote of type drive, once, with a client of your own, then "
    "`eyecli fetch rclone REMOTE:PATH`"
)


@dataclass(frozen=True)
class Place:
    """What a link means; ``kind`` is None where the link does not tell."""

    id: str
    kind: Literal["file", "folder"] | None

    @property
    def url(self) -> str:
        """Its page, for people."""
        shape = "drive/folders/{}" if self.kind == "folder" else "file/d/{}/view"
        return f"https://drive.google.com/{shape.format(self.id)}"


def parse_drive(text: str) -> Place:
    """Return what a link or an id means.

    Raises
    ------
    UsageError
        If it is neither, or the link of a Google document, which is no file.
    """
    if "/" not in text and ID.fullmatch(text):
        return Place(text, None)
    neither = UsageError(f"'{bare(text)}': neither a link nor an id of Google Drive",
                         "in Drive: Share > Copy link")  # fmt: skip
    if "/" not in text:
        raise neither
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        raise neither from None
    words = [word for word in parts.path.split("/") if word]
    if not parts.hostname:
        raise neither
    if parts.hostname not in HOSTS:
        raise UsageError(f"{parts.hostname}: not Google Drive", "use `eyecli fetch url`")
    if set(words[:1]) & set(DOCUMENTS):
        raise UsageError(
            f"a Google document ({words[0]}), not a file",
            "export it in the browser (File > Download; a table as CSV) and fetch that",
        )
    found = parse_qs(parts.query).get("id", [""])[0]
    kind = PATHS.get(words[-1]) if words else None
    for before, of in (("folders", "folder"), ("d", "file")):
        if before in words[:-1]:
            kind, found = of, words[words.index(before) + 1]
    if not ID.fullmatch(found):
        raise UsageError("a link of Google Drive without the id of a file or folder",
                         "in Drive: Share > Copy link")  # fmt: skip
    return Place(found, kind)  # type: ignore[arg-type]


@contextmanager
def explained(what: str, url: str, timeout: float) -> Iterator[None]:
    """Turn what gdown and requests raise in the block into errors in plain words.

    Parameters
    ----------
    what
        The file or folder, for messages.
    url
        Its page.
    timeout
        How long was waited.

    Raises
    ------
    TransientError
        If it may go well at the next try.
    MissingError
        If Drive refuses: the quota is used up, or it is not public.
    """
    try:
        yield
    except FileURLRetrievalError as error:
        raise _refusal(what, str(error)) from None
    except DownloadError:
        raise TransientError(f"{what} did not come whole") from None
    except requests.HTTPError as error:
        if error.response is not None:
            refuse(error.response, url)
        raise explain(error, url, timeout) from None
    except requests.RequestException as error:
        raise explain(error, url, timeout) from None
    except (KeyError, AssertionError):
        raise MissingError(f"{what}: Drive gave an answer that gdown does not know",
                           "open it in a browser, or try again later") from None  # fmt: skip


def private(what: str) -> EyecliError:
    """Return the error for what is not shared with everybody."""
    return MissingError(
        f"{what}: not public, or no longer there: Drive asks for a login",
        f"ask its owner to share it with anyone who has the link; or with your own login: {RCLONE}",
    )


def _refusal(what: str, message: str) -> EyecliError:
    """Return what a page of Drive that stands in place of a file means."""
    said = SAYS.search(message)
    reason = " ".join((said[1] if said else message).split())
    if "too many users" in reason.lower() or "quota" in reason.lower():
        return MissingError(
            f"{what}: its download quota is used up: many people fetched it in the last 24 hours",
            "try again tomorrow; or in the browser make a copy in a Drive of your own (Make a "
            f"copy) and fetch that; or use a login of your own: {RCLONE}",
        )
    if "public link" in reason:
        return MissingError(
            f"{what}: not public, no longer there, or you fetched very much lately",
            "open it in a browser without a login: if it shows, try again in an hour; if not: "
            f"{RCLONE}",
        )
    return MissingError(f"{what}: Drive says: {reason}", f"open it in a browser; or {RCLONE}")
