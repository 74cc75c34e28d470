"""A server on loopback that speaks as much of Kaggle's interface as its own client asks for.

The client is sent there by its environment: it takes every address through the proxy that this
server also is, so requests come with absolute addresses: those of the interface at ``localhost``,
those of the storage, to which downloads are redirected, at ``storage.test``.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

TOKEN = "KGAT_planted0secret0token"
KEY = "planted0secret0key"
RULES = "You must accept this competition's rules before you'll be able to download files."
Files = Mapping[str, bytes]


def zipped(files: Files) -> bytes:
    """Return an archive of files, the same for the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


@dataclass
class Kaggle:
    """What the server holds, does wrong, and has been asked.

    Attributes
    ----------
    competitions, datasets
        Slug to files.
    refused
        Slugs whose rules were not accepted.
    packed
        Files that are delivered in a zip archive.
    sizes
        Sizes to list instead of the true ones.
    answers
        Per method, such as ``DownloadDataFile``: (status, headers, message) instead of an answer.
    cuts
        For the next downloads: after how many bytes the connection ends.
    stall_after
        After how many bytes a download stops, the connection open, until `release`.
    silent
        Methods that are never answered.
    page
        Files a page at most.
    log
        (method or ``GET``, slug or file, value of the header ``Range``).
    """

    port: int = 0
    competitions: dict[str, Files] = field(default_factory=dict)
    datasets: dict[str, Files] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    packed: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    answers: dict[str, list[tuple[int, dict[str, str], str]]] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    stall_after: int | None = None
    release: threading.Event = field(default_factory=threading.Event)
    silent: set[str] = field(default_factory=set)
    page: int = 200
    log: list[tuple[str, str, str | None]] = field(default_factory=list)
    storage: dict[str, bytes] = field(default_factory=dict)

    def environment(self, home: Path) -> dict[str, str]:
        """Return what sends the client here, with a token in the environment."""
        proxy = f"http://127.0.0.1:{self.port}"
        return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "HTTP_PROXY": proxy, "http_proxy": proxy,
                "NO_PROXY": "", "no_proxy": "", "HOME": str(home), "XDG_CONFIG_HOME": "",
                "KAGGLE_API_TOKEN": TOKEN}  # fmt: skip

    def asked(self, method: str) -> list[str]:
        """Return what a method was asked for, in order."""
        return [what for name, what, _ in self.log if name == method]

    def ranges(self) -> list[str | None]:
        """Return the ranges that the storage was asked for."""
        return [asked for name, _, asked in self.log if name == "GET"]


@contextmanager
def kaggle_server() -> Iterator[Kaggle]:
    """Serve on a free port."""
    state = Kaggle()

    class Bound(_Handler):
        kaggle = state

    server = _Server(("127.0.0.1", 0), Bound)
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients leave, and are killed."""


class _Handler(BaseHTTPRequestHandler):
    kaggle: Kaggle
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(
        self, status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {}),
                            "Content-Length": str(len(body))}.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._answer(status, {"code": status, "message": message}, headers)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        method = urlsplit(self.path).path.rpartition("/")[2]
        slug = asked.get("competitionName") or "/".join(
            part for part in (asked.get("ownerSlug"), asked.get("datasetSlug")) if part
        )
        self.kaggle.log.append((method, asked.get("fileName") or slug, None))
        if method in self.kaggle.silent:
            self.kaggle.release.wait(60)
            self.close_connection = True
        elif self.kaggle.answers.get(method):
            status, headers, message = self.kaggle.answers[method].pop(0)
            self._refuse(status, message, headers)
        elif method == "IntrospectToken":
            good = asked["token"] == TOKEN
            self._answer(200, {"active": good, "username": "tester" if good else ""})
        elif not self._signed_in():
            self._refuse(401, "Unauthenticated")
        elif method == "ListCompetitions":
            found = [{"ref": f"https://www.kaggle.com/competitions/{name}", "title": f"On {name}"}
                     for name in self.kaggle.competitions if asked["search"] in name]  # fmt: skip
            self._answer(200, {"competitions": found})
        elif slug in self.kaggle.competitions:
            self._competition(method, slug, asked)
        elif slug in self.kaggle.datasets:
            self._dataset(method, slug, asked)
        else:
            self._refuse(404, f"{slug} was not found")

    def _signed_in(self) -> bool:
        given = self.headers.get("Authorization", "")
        return given == f"Bearer {TOKEN}" or given.startswith("Basic ")

    def _listing(self, files: Files, asked: Mapping[str, Any]) -> tuple[list[Any], str]:
        start = int(asked.get("pageToken") or 0)
        end = start + min(asked["pageSize"], self.kaggle.page)
        listed = [{"name": name, "totalBytes": self.kaggle.sizes.get(name, len(content))}
                  for name, content in list(files.items())[start:end]]  # fmt: skip
        return listed, str(end) if end < len(files) else ""

    def _competition(self, method: str, slug: str, asked: Mapping[str, Any]) -> None:
        files = self.kaggle.competitions[slug]
        if method == "ListDataFiles":
            listed, token = self._listing(files, asked)
            self._answer(200, {"files": listed, "nextPageToken": token})
        elif slug in self.kaggle.refused:
            self._refuse(403, RULES)
        else:
            self._deliver(slug, files, asked)

    def _dataset(self, method: str, slug: str, asked: Mapping[str, Any]) -> None:
        files = self.kaggle.datasets[slug]
        if method == "GetDataset":
            size = sum(map(len, files.values()))
            self._answer(200, {"id": 1, "ref": slug, "title": f"On {slug}", "totalBytes": size,
                               "currentVersionNumber": 3, "licenseName": "CC0-1.0"})  # fmt: skip
        elif method == "ListDatasetFiles":
            listed, token = self._listing(files, asked)
            self._answer(200, {"datasetFiles": listed, "nextPageToken": token})
        else:
            self._deliver(slug, files, asked)

    def _deliver(self, slug: str, files: Files, asked: Mapping[str, Any]) -> None:
        name = asked.get("fileName")
        if name and name not in files:
            self._refuse(404, f"{name} was not found")
            return
        path = f"{slug}/{name}" if name else f"{slug}/archive.zip"
        content = files[name] if name else zipped(files)
        if name in self.kaggle.packed:
            path, content = f"{path}.zip", zipped({name.rpartition("/")[2]: content})
        self.kaggle.storage.setdefault(path, content)
        self.send_response(302)
        self.send_header("Location", f"http://storage.test/{quote(path)}?X-Goog-Signature=5eal")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)[1:]
        asked = self.headers.get("Range")
        self.kaggle.log.append(("GET", path, asked))
        if self.headers.get("Authorization"):
            self._refuse(400, "a credential was sent to the storage")
            return
        if self.kaggle.answers.get("GET"):
            status, headers, message = self.kaggle.answers["GET"].pop(0)
            self._refuse(status, message, headers)
            return
        content = self.kaggle.storage[path]
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if asked and self.headers.get("If-Range") in (None, tag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", tag)
        self.send_header("Last-Modified", "Wed, 01 Oct 2025 10:00:00 GMT")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        body = content[start:]
        if self.kaggle.cuts:
            self.wfile.write(body[: self.kaggle.cuts.pop(0)])
            self.close_connection = True
        elif self.kaggle.stall_after is not None and not self.kaggle.release.is_set():
            self.wfile.write(body[: self.kaggle.stall_after])
            self.wfile.flush()
            self.kaggle.release.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(body)
