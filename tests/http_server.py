"""A web server on this machine that can fail in all the ways that servers and networks do."""

from __future__ import annotations

import http.server
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class File:
    """What the server has under a path, and how it gives it out.

    The lists hold one entry a request; the last one stays.
    """

    content: bytes
    kind: str = "application/octet-stream"
    etag: str | None = '"v1"'
    modified: str | None = "Wed, 01 Oct 2025 10:00:00 GMT"
    disposition: str | None = None
    ranges: bool = True
    length: bool = True
    ignores_if_range: bool = False
    # Bytes of the body after which the connection is cut, a request at a time; -1 for whole.
    cuts: list[int] = field(default_factory=lambda: [-1])
    # The same, but then nothing comes, and the connection stays.
    stalls: list[int] = field(default_factory=lambda: [-1])
    # Statuses with headers, a request at a time, before the file is given.
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    login: str | None = None


@dataclass
class Request:
    """What was asked of the server."""

    path: str
    headers: dict[str, str]


@dataclass
class Server:
    """A running server: its files, its redirects, and what was asked."""

    url: str
    files: dict[str, File] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def asked(self, path: str) -> list[Request]:
        """Requests for a path."""
        return [request for request in self.requests if request.path == path]


def _handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are written apart: the second would wait for the first to be acknowledged.
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.requests.append(Request(path, dict(self.headers)))
            if path in server.redirects:
                self._end(302, {"Location": server.redirects[path]})
            elif path not in server.files:
                self._end(404, {})
            else:
                self._give(server.files[path])

        def _end(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def _give(self, file: File) -> None:
            if file.refusals:
                return self._end(*file.refusals.pop(0))
            if file.login and self.headers.get("Authorization") != file.login:
                return self._end(401, {})
            start = self._start(file)
            if start >= len(file.content) and start:
                return self._end(416, {"Content-Range": f"bytes */{len(file.content)}"})
            # Before the client knows anything and asks for more.
            moves = [each.pop(0) if each[1:] else each[0] for each in (file.cuts, file.stalls)]
            self.send_response(206 if start else 200)
            body = file.content[start:]
            if start:
                last = len(file.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(file.content)}")
            for name, value in (("Content-Type", file.kind), ("ETag", file.etag),
                                ("Last-Modified", file.modified),
                                ("Content-Disposition", file.disposition)):  # fmt: skip
                if value:
                    self.send_header(name, value)
            if file.length:
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self._send(body, *moves)
            return None

        def _start(self, file: File) -> int:
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if not asked or not file.ranges:
                return 0
            wanted = self.headers.get("If-Range")
            same = file.ignores_if_range or wanted in (None, file.etag, file.modified)
            return int(asked[1]) if same else 0

        def _send(self, body: bytes, cut: int, stall: int) -> None:
            end = min(n if n >= 0 else len(body) for n in (cut, stall))
            try:
                self.wfile.write(body[:end])
                if stall >= 0:
                    self.wfile.flush()
                    server.over.wait(60)
                if cut >= 0 or stall >= 0:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The client had enough.
                self.close_connection = True

    return Handler


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server for as long as the block lasts."""

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass

    scheme = "https" if tls else "http"
    made = Server("")
    with Quiet(("127.0.0.1", 0), _handler(made)) as running:
        if tls:
            running.socket = tls.wrap_socket(running.socket, server_side=True)
        made.url = f"{scheme}://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.over.set()
            running.shutdown()
            thread.join()


def certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS context, and the file that makes clients trust it."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, bundle
