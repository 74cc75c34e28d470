"""Google Drive on this machine: a proxy that opens TLS with an authority of its own.

The real gdown asks for https://drive.google.com through ``HTTPS_PROXY`` and trusts the authority
through ``REQUESTS_CA_BUNDLE``. The pages have the shapes that Drive gives and gdown reads.
"""

from __future__ import annotations

import http.server
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import trustme

MODIFIED = "Wed, 01 Oct 2025 10:00:00 GMT"
CONTENT_HOST = "https://drive.usercontent.google.com/download"
QUOTA = (
    "Too many users have viewed or downloaded this file recently. Please try accessing the file "
    "again later. If the file you are trying to access is particularly large or is shared with "
    "many people, it may take up to 24 hours to be able to view or download the file."
)


@dataclass
class DriveFile:
    """A file, and how Drive gives it out; ``says`` is a page in its place."""

    content: bytes
    name: str = "file.bin"
    modified: str | None = MODIFIED
    scanned: bool = True
    says: str | None = None
    private: bool = False
    # Bytes after which the connection is cut, or nothing comes: one a request, the last one stays.
    cuts: list[int] = field(default_factory=lambda: [-1])
    stalls: list[int] = field(default_factory=lambda: [-1])
    busy: list[int] = field(default_factory=list)
    ranges: bool = True


@dataclass
class DriveFolder:
    """A folder: its name, and (id, name, kind) of what is in it; kinds as in Drive's links."""

    name: str
    children: list[tuple[str, str, str]] = field(default_factory=list)
    private: bool = False
    busy: list[int] = field(default_factory=list)


@dataclass
class Drive:
    """A running Drive: what is in it, and what was asked (host, path with query, Range)."""

    port: int = 0
    authority: Path = Path()
    files: dict[str, DriveFile] = field(default_factory=dict)
    folders: dict[str, DriveFolder] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def environment(self) -> dict[str, str]:
        """Variables that lead a client here."""
        proxy = f"http://127.0.0.1:{self.port}"
        names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
        return dict.fromkeys(names, proxy) | {
            "REQUESTS_CA_BUNDLE": str(self.authority), "NO_PROXY": "", "no_proxy": "",
            "ALL_PROXY": "", "all_proxy": "", "CURL_CA_BUNDLE": "",
        }  # fmt: skip

    def bodies(self, id: str) -> int:
        """How often a file was asked for."""
        return sum(f"id={id}" in path and "usercontent" in host for host, path, _ in self.requests)


def identity(name: str) -> str:
    """Return an id as Drive's are: 33 letters and digits, the same for the same name."""
    return ("1" + re.sub(r"\W", "_", name)).ljust(33, "x")[:33]


def folder_page(folder: DriveFolder) -> str:
    """Return the page that lists a folder, as ``embeddedfolderview`` gives it."""
    hosts = {"file": "https://drive.google.com/file/d/{}/view?usp=drive_web",
             "folder": "https://drive.google.com/drive/folders/{}"}  # fmt: skip
    rows = []
    for key, name, kind in folder.children:
        link = hosts.get(kind, f"https://docs.google.com/{kind}/d/{{}}/edit?usp=drive_web")
        rows.append(
            f'<div class="flip-entry" id="entry-{key}" tabindex="0" role="link">'
            f'<div class="flip-entry-info"><a href="{link.format(key)}" target="_blank">'
            '<div class="flip-entry-visual"><div class="flip-entry-visual-card">'
            '<div class="flip-entry-icon"><img src="https://drive-thirdparty.googleusercontent.com'
            '/16/type/image/jpeg" alt=""/></div></div></div>'
            f'<div class="flip-entry-title">{escape(name)}</div></a></div>'
            '<div class="flip-entry-last-modified"><div>10/1/25</div></div></div>'
        )
    return (
        f"<!DOCTYPE html><html><head><title>{escape(folder.name)}</title></head><body>"
        f'<div class="folder-view"><div class="flip-entries">{"".join(rows)}</div></div>'
        "</body></html>"
    )


def scan_page(id: str, name: str) -> str:
    """Return the page that says that a file is too large to scan for viruses."""
    return (
        "<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>"
        '<div class="uc-main"><p class="uc-warning-caption">Google Drive can\'t scan this file for '
        f'viruses.</p><p class="uc-warning-subcaption"><a href="/open?id={id}">{escape(name)}</a> '
        "is too large for Google to scan for viruses.</p>"
        f'<form id="download-form" action="{CONTENT_HOST}" method="get">'
        '<input type="submit" id="uc-download-link" value="Download anyway"/>'
        f'<input type="hidden" name="id" value="{id}">'
        '<input type="hidden" name="export" value="download">'
        '<input type="hidden" name="confirm" value="t">'
        '<input type="hidden" name="uuid" value="0f5a1b2c-1111-4d2e-9999-abcdefabcdef"></form>'
        "</div></body></html>"
    )


def error_page(text: str, title: str = "Quota exceeded") -> str:
    """Return a page that says why a file is not given."""
    return (
        f"<!DOCTYPE html><html><head><title>Google Drive - {title}</title></head><body>"
        '<div class="uc-main"><p class="uc-error-caption">Sorry, you can\'t view or download this '
        f'file at this time.</p><p class="uc-error-subcaption">{text}</p></div></body></html>'
    )


SIGN_IN = (
    "<!DOCTYPE html><html><head><title>Sign in - Google Accounts</title></head><body>"
    '<form method="post" action="/signin"><input type="email"></form></body></html>'
)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written apart: the second would wait for the first to be acknowledged.
    disable_nagle_algorithm = True
    drive: Drive
    contexts: dict[str, ssl.SSLContext]
    authority: trustme.CA
    lock: threading.Lock
    host = ""

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.host = self.path.partition(":")[0]
        self.send_response(200)
        self.end_headers()
        with self.lock:
            if self.host not in self.contexts:
                context = self.contexts[self.host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(self.host).configure_cert(context)
        try:
            self.connection = self.contexts[self.host].wrap_socket(
                self.connection, server_side=True
            )
        except OSError:
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)  # type: ignore[assignment]
        self.close_connection = False
        while not self.close_connection:
            self.handle_one_request()

    def do_GET(self) -> None:
        self.drive.requests.append((self.host, self.path, self.headers.get("Range")))
        self.drive.cookies += self.headers.get_all("Cookie", [])
        parts = urlsplit(self.path)
        key = parse_qs(parts.query).get("id", [""])[0]
        if self.host == "accounts.google.com":
            self._page(SIGN_IN)
        elif parts.path == "/embeddedfolderview" and key in self.drive.folders:
            self._folder(self.drive.folders[key])
        elif parts.path == "/uc" and key in self.drive.files:
            self._to(f"{CONTENT_HOST}?id={key}&export=download")
        elif parts.path == "/download" and key in self.drive.files:
            self._file(key, self.drive.files[key], "confirm=t" in parts.query)
        else:
            self._page("<html><head><title>Error 404</title></head><body>Not Found</body></html>",
                       404)  # fmt: skip

    def _folder(self, folder: DriveFolder) -> None:
        if folder.busy:
            self._page(error_page("busy", "busy"), folder.busy.pop(0))
        elif folder.private:
            self._to("https://accounts.google.com/ServiceLogin?continue=x")
        else:
            self._page(folder_page(folder))

    def _file(self, id: str, file: DriveFile, confirmed: bool) -> None:
        if file.private:
            return self._to("https://accounts.google.com/ServiceLogin?continue=x")
        if file.says:
            return self._page(error_page(file.says))
        if file.busy:
            return self._end(file.busy.pop(0), {"Content-Type": "text/plain",
                                                "Content-Disposition": "attachment"})  # fmt: skip
        if not file.scanned and not confirmed:
            return self._page(scan_page(id, file.name))
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and file.ranges else 0
        size = len(file.content)
        if start > size:
            return self._end(416, {"Content-Range": f"bytes */{size}"})
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{quote(file.name, safe=" ()")}"; '
            f"filename*=UTF-8''{quote(file.name, safe='')}",
            "Accept-Ranges": "bytes",
            "Content-Length": str(size - start),
        }
        headers |= {"Last-Modified": file.modified} if file.modified else {}
        headers |= {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        # Before the client knows anything and asks for more.
        moves = [each.pop(0) if each[1:] else each[0] for each in (file.cuts, file.stalls)]
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._send(file.content[start:], *moves)
        return None

    def _send(self, body: bytes, cut: int, stall: int) -> None:
        end = min(n if n >= 0 else len(body) for n in (cut, stall))
        try:
            self.wfile.write(body[:end])
            if stall >= 0:
                self.drive.over.wait(60)
            if cut >= 0 or stall >= 0:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            self.close_connection = True

    def _to(self, url: str) -> None:
        self._end(303, {"Location": url, "Content-Type": "application/binary"})

    def _page(self, html: str, status: int = 200) -> None:
        body = html.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _end(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


class _Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def driving(folder: Path) -> Iterator[Drive]:
    """Run a Drive for as long as the block lasts; its authority is written into `folder`."""
    authority, drive = trustme.CA(), Drive(authority=folder / "authority.pem")
    authority.cert_pem.write_to_path(str(drive.authority))
    handler = type("Handler", (_Handler,), {"drive": drive, "contexts": {}, "authority": authority,
                                            "lock": threading.Lock()})  # fmt: skip
    with _Quiet(("127.0.0.1", 0), handler) as running:
        drive.port = running.server_port
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield drive
        finally:
            drive.over.set()
            running.shutdown()
            thread.join()
