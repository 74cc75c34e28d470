"""The kaggle package at work: a script for a process of its own, which `kaggle_process` starts.

Imported, the package authenticates, prints and makes folders; it ends the process where there are
no credentials, and waits for a server for ever. Here all that harms nobody. A job comes as a line
of JSON on stdin, what happens goes out as lines of JSON. Nothing of eyecli is imported.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

T = TypeVar("T")
# Kaggle's own limit on a page, and how many files are worth listing.
PAGE = 200
LISTED = 1000
# Small pieces: a slow connection is seen to move.
CHUNK = 2**16
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 300.0
LONGEST_TEXT = 300
BUSY = (429, 500, 502, 503, 504)


def main() -> None:
    """Do the job that stdin holds and say on stdout how it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(event: str, **fields: Any) -> None:
        events.write(json.dumps({"event": event, **fields}) + "\n")

    try:
        job = json.loads(sys.stdin.buffer.readline())
        threading.Thread(target=end_with_parent, daemon=True).start()
        again = retrying(job["retries"], say)
        say("stage", name="sign in")
        import kaggle

        # The import has tried, but kept to itself what was wrong.
        again(kaggle.api.authenticate)
        if job["do"] == "list":
            say("stage", name="list")
            describe_data(kaggle.api, job, again, say)
        for file in job.get("files", ()):
            say("stage", name="download", file=file["name"])
            download(kaggle.api, job, file, again, say)
    except BaseException as error:
        say("error", **what_happened(error))


def end_with_parent() -> None:
    """End the process when the one that started it is gone, however that ended."""
    while os.read(0, 1):
        pass
    os._exit(1)


def describe_data(api: Any, job: dict[str, Any], again: Callable[..., Any], say: Any) -> None:
    """Say what Kaggle states of a competition or dataset, then name its files, a page at a time."""
    version = job["version"]
    if job["kind"] == "dataset":
        info = again(dataset_facts, api, job["slug"])
        # Whatever happens meanwhile, one version is listed and downloaded.
        version = version or info.current_version_number
        facts = {"title": info.title, "licence": info.license_name, "bytes": info.total_bytes}
    else:
        facts = again(competition_facts, api, job["slug"])
    say("facts", version=version, **facts)
    listed, token = 0, None
    while listed < LISTED:
        if job["kind"] == "dataset":
            slug = f"{job['slug']}/{version}" if version else job["slug"]
            page = again(api.dataset_list_files, slug, token, PAGE)
            files = page.dataset_files
        else:
            page = again(api.competition_list_files, job["slug"], token, PAGE)
            files = page.files
        if getattr(page, "error_message", None):
            raise ValueError(page.error_message)
        say("files", files=[[file.name, file.total_bytes] for file in files])
        listed += len(files)
        token = page.next_page_token
        if not token or not files:
            break
    # Kaggle ends the list of some competitions with an empty page that has a successor.
    say("listed", complete=not token)


def dataset_facts(api: Any, slug: str) -> Any:
    """Ask for what Kaggle states of a dataset."""
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = slug.split("/")
    with api.build_kaggle_client() as client:
        return client.datasets.dataset_api_client.get_dataset(request)


def competition_facts(api: Any, slug: str) -> dict[str, Any]:
    """Return what Kaggle states of a competition; a search finds it, mostly."""
    found = api.competitions_list(search=slug).competitions or []
    own = [item for item in found if item.ref.rpartition("/")[2] == slug]
    return {"title": own[0].title, "licence": own[0].license_name} if own else {}


def download(
    api: Any, job: dict[str, Any], file: dict[str, Any], again: Callable[..., Any], say: Any
) -> None:
    """Download one file, or where it has no name all of them as one archive; go on with a part."""
    part = file["part"]

    def once() -> None:
        with api.build_kaggle_client() as client:
            response = start_download(client, job, file["name"])
            served = unquote(urlsplit(response.url).path).rpartition("/")[2]
            # Kaggle packs what compresses well.
            packed = served == f"{file['name'].rpartition('/')[2]}.zip"
            size = int(response.headers.get("Content-Length") or 0)
            say("file", packed=packed, size=size)
            # Each attempt asks Kaggle anew: the addresses of its storage expire.
            api.download_file(
                response, part, client.http_client(), resume=True, chunk_size=CHUNK, max_retries=0
            )

    again(once, grown=lambda: size_of(part))
    say("done")


def start_download(client: Any, job: dict[str, Any], name: str) -> Any:
    """Ask for a file, or without a name for all files."""
    from kagglesdk.competitions.types import competition_api_service as competitions
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    if job["kind"] == "dataset":
        dataset = ApiDownloadDatasetRequest()
        dataset.owner_slug, dataset.dataset_slug = job["slug"].split("/")
        dataset.dataset_version_number = job["version"]
        dataset.file_name = name or None
        return client.datasets.dataset_api_client.download_dataset(dataset)
    service = client.competitions.competition_api_client
    if not name:
        everything = competitions.ApiDownloadDataFilesRequest()
        everything.competition_name = job["slug"]
        return service.download_data_files(everything)
    request = competitions.ApiDownloadDataFileRequest()
    request.competition_name, request.file_name = job["slug"], name
    return service.download_data_file(request)


def retrying(retries: int, say: Any) -> Callable[..., Any]:
    """Return a function that calls another, again after a pause where a failure may pass."""

    def call(
        work: Callable[..., T], *args: Any, grown: Callable[[], int] = lambda: 0, **more: Any
    ) -> T:
        failures, before = 0, grown()
        while True:
            try:
                return work(*args, **more)
            except Exception as error:
                now = grown()
                failures = 1 if now > before else failures + 1
                before = now
                seconds = pause(error, failures)
                if seconds is None or failures > retries:
                    raise
                say("wait", seconds=seconds, **what_happened(error))
                time.sleep(seconds)

    return call


def pause(error: Exception, failures: int) -> float | None:
    """Return after how many seconds to try again; None where that is of no use, or too long."""
    from requests import exceptions

    backoff = min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
    response = getattr(error, "response", None)
    if response is None:
        # The last is a body of another size than was announced.
        passing = (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
        differs = isinstance(error, ValueError) and "does not match expected size" in str(error)
        return backoff if isinstance(error, passing) or differs else None
    if response.status_code not in BUSY and not from_storage(response):
        return None
    asked = retry_after(response)
    return backoff if asked is None else asked if asked <= LONGEST_PAUSE else None


def from_storage(response: Any) -> bool:
    """Say whether an answer comes from the storage: what Kaggle's interface is asked is posted."""
    return bool(response.request.method == "GET")


def retry_after(response: Any) -> float | None:
    """Return how many seconds the server asks to wait."""
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    try:
        return Retry().get_retry_after(response)
    except InvalidHeader:
        return None


def what_happened(error: BaseException) -> dict[str, Any]:
    """Return an error as fields of an event, without a credential."""
    response = getattr(error, "response", None)
    found: dict[str, Any] = {
        "type": type(error).__name__,
        "kinds": [cls.__name__ for cls in type(error).__mro__],
        "text": without_secrets(str(error)),
        "errno": getattr(error, "errno", None),
    }
    if response is not None:
        found |= {"status": response.status_code, "storage": from_storage(response),
                  "retry_after": retry_after(response)}  # fmt: skip
    if isinstance(error, SystemExit):
        from kagglesdk.kaggle_env import get_access_token_from_env

        found["token"] = get_access_token_from_env()[1]
    return found


def without_secrets(text: str) -> str:
    """Take out of a message what lets somebody in: queries and users of addresses, credentials."""
    text = re.sub(r"(?<=//)[^/\s@]*@|\?\S+", "", text)
    for secret in filter(None, secrets()):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:LONGEST_TEXT]


def secrets() -> Iterator[str | None]:
    """Yield the credentials that are in use."""
    kaggle = sys.modules.get("kaggle")
    if kaggle and hasattr(kaggle, "api"):
        from kagglesdk.kaggle_env import get_access_token_from_env

        yield get_access_token_from_env()[0]
        yield from (kaggle.api.config_values.get(name) for name in ("token", "key"))


def size_of(path: str) -> int:
    """Return how many bytes of a file are there."""
    return os.path.getsize(path) if os.path.isfile(path) else 0  # noqa: PTH202, PTH113


if __name__ == "__main__":
    main()
