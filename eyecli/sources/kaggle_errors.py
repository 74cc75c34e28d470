"""What Kaggle says no with, in words that name the way out."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from eyecli.errors import EyecliError, MissingError, RetryError

TOKEN = (
    "make a token at https://www.kaggle.com/settings/api and keep it in ~/.kaggle/access_token "
    "(chmod 600), or in the environment: export KAGGLE_API_TOKEN=..."
)
# As the kaggle package names them.
TOKEN_PLACES = {"access_token": "~/.kaggle/access_token"}
AGAIN = "run the same command again: it goes on where it stopped"
NETWORK = {"ConnectionError", "Timeout", "ChunkedEncodingError"}


def kaggle_error(
    said: Mapping[str, Any], stage: str, kind: str, slug: str, file: str = ""
) -> EyecliError:
    """Return the error that an event ``error`` of `kaggle_client` stands for.

    Parameters
    ----------
    said
        The event.
    stage
        What was being done: ``sign in``, ``list`` or ``download``.
    kind, slug
        Of the competition or dataset.
    file
        The file that was being downloaded.
    """
    what = f"{kind} '{slug}'" + (f", {file}" if file else "")
    text, status = said["text"], said.get("status")
    if said["type"] == "SystemExit":
        if said.get("token"):
            where = TOKEN_PLACES.get(said["token"], said["token"])
            return MissingError(f"Kaggle does not accept the token in {where}", TOKEN)
        return MissingError("Kaggle: there are no credentials here", TOKEN)
    if status is not None:
        return _refused(status, said, stage, kind, slug, what)
    if NETWORK & set(said["kinds"]):
        if stage == "download":
            return RetryError(f"{what}: the connection was lost: {text}", AGAIN)
        return MissingError(
            f"Kaggle cannot be reached: {text}",
            "check the network; on a cluster, fetch on a node that has one (HTTPS_PROXY is used)",
        )
    if said["errno"] in (errno.ENOSPC, errno.EDQUOT):
        return EyecliError(f"{what}: the disk is full", f"free some space; {AGAIN}")
    if said["type"] in ("ImportError", "ModuleNotFoundError"):
        return MissingError(f"kaggle cannot be imported: {text}", "pip install 'kaggle>=2.2'")
    return EyecliError(f"{what}: {said['type']}: {text}")


def _refused(
    status: int, said: Mapping[str, Any], stage: str, kind: str, slug: str, what: str
) -> EyecliError:
    page = f"https://www.kaggle.com/{kind}s/{slug}"
    answer = f"Kaggle answers {status} ({said['text']})"
    if status == 429:
        asked = said.get("retry_after")
        wait = f"wait {asked:.0f} s" if asked else "wait some minutes"
        return MissingError(f"{what}: too many requests, or a quota is used up: {answer}",
                            f"{wait}, then {AGAIN}")  # fmt: skip
    if said["storage"] or status >= 500:
        return RetryError(f"{what}: {answer}", AGAIN)
    if status == 401 or stage == "sign in":
        return MissingError(f"Kaggle does not accept the credentials: {answer}", TOKEN)
    if status == 403 and kind == "competition":
        return MissingError(
            f"{what}: {answer}",
            f"accept the rules at {page}/rules with the account of the token, its phone number "
            "verified, then run the same command again",
        )
    if status == 403:
        return MissingError(
            f"{what}: {answer}",
            f"it is private, has terms to accept, or does not exist: see {page}",
        )
    if status == 404 and stage == "download":
        return MissingError(f"{what}: no such file: {answer}", "--dry-run lists the files")
    if status == 404:
        other = "dataset OWNER/NAME" if kind == "competition" else "competition NAME"
        return MissingError(
            f"Kaggle has no {what}: {answer}",
            f"the slug is what follows kaggle.com/{kind}s/ in the address of its page; "
            f"or is it a {other}?",
        )
    return MissingError(f"{what}: {answer}", f"see {page}")
