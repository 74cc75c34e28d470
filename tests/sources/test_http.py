"""Downloads over https against a server that fails in every way: whole and right, or not there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import File, Server, certificates, serving

from eyecli.errors import DataError, EyecliError, MissingError, RetryError, UsageError
from eyecli.sources import http, remote
from eyecli.sources.http import ask, download, note_path, partial_path
from eyecli.sources.remote import bare, shown

CONTENT = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
OTHER = bytes(reversed(CONTENT))
HALF = 24 * http.CHUNK


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.files["/a.bin"] = File(CONTENT)
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY",
                 "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a.bin"


def names(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()} if target.parent.is_dir() else set()


def cut_once(server: Server, target: Path, again: int = 0) -> None:
    """Leave a partial file behind, as a process does that was cut too often."""
    file = server.files["/a.bin"]
    file.cuts = [HALF, again]
    with pytest.raises(RetryError, match="cut, 5 times") as caught:
        download(server.url + "/a.bin", target)
    assert caught.value.hint and "run the same command again" in caught.value.hint
    assert (partial_path(target).stat().st_size, target.exists()) == (HALF, False)
    file.cuts = [-1]
    server.requests.clear()


def test_a_file_comes_whole_with_what_the_server_says_of_it(server: Server, target: Path) -> None:
    found = download(server.url + "/a.bin?key=SECRET", target, sha256=SHA256, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert (found.sha256, found.size) == (SHA256, len(CONTENT))
    assert (found.url, found.etag) == (server.url + "/a.bin", '"v1"')
    assert found.last_modified == "Wed, 01 Oct 2025 10:00:00 GMT"
    assert names(target) == {"a.bin", ".a.bin.fetched"}
    assert b"SECRET" not in note_path(target).read_bytes()


def test_what_is_whole_is_not_fetched_again(server: Server, target: Path) -> None:
    first = download(server.url + "/a.bin", target)
    assert download(server.url + "/a.bin", target) == first
    assert download(server.url + "/a.bin", target, sha256=SHA256.upper()) == first
    assert len(server.requests) == 1
    server.files["/a.bin"] = File(OTHER, etag='"v2"')
    assert download(server.url + "/a.bin", target, again=True).etag == '"v2"'
    assert target.read_bytes() == OTHER


def test_a_users_own_file_is_taken_by_its_digest_and_never_overwritten(
    server: Server, target: Path
) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert download(server.url + "/a.bin", target, md5=MD5).sha256 == SHA256
    assert not server.requests
    for digest in (None, hashlib.sha256(OTHER).hexdigest()):
        with pytest.raises(DataError, match="was not fetched from"):
            download(server.url + "/a.bin", target, sha256=digest, again=True)
    assert target.read_bytes() == CONTENT


def test_a_file_that_changed_on_disk_is_fetched_again(server: Server, target: Path) -> None:
    download(server.url + "/a.bin", target)
    flip(target)
    lines: list[str] = []
    download(server.url + "/a.bin", target, say=lines.append)
    assert target.read_bytes() == CONTENT and "changed since" in lines[0]


def flip(path: Path) -> None:
    """Change one bit, leaving size and time as they are."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def test_a_flipped_byte_is_found_by_the_digest_even_at_the_same_time(
    server: Server, target: Path
) -> None:
    download(server.url + "/a.bin", target)
    stat = target.stat()
    flip(target)
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert download(server.url + "/a.bin", target, sha256=SHA256).sha256 == SHA256
    assert target.read_bytes() == CONTENT and len(server.requests) == 2


def test_cut_connections_go_on_where_they_were_cut(server: Server, target: Path) -> None:
    chunk = http.CHUNK
    server.files["/a.bin"].cuts = [10 * chunk, 9 * chunk, 0, 0, 0, 5 * chunk, 0, -1]
    lines: list[str] = []
    assert download(server.url + "/a.bin", target, say=lines.append).sha256 == SHA256
    ranges = [request.headers.get("Range") for request in server.requests]
    assert ranges == [
        None, f"bytes={10 * chunk}-", *4 * [f"bytes={19 * chunk}-"], *2 * [f"bytes={24 * chunk}-"]
    ]  # fmt: skip
    assert all(r.headers["If-Range"] == '"v1"' for r in server.requests[1:])
    assert any("going on at 1.2 MB of 3.0 MB" in line for line in lines)


def test_another_process_goes_on_with_what_the_first_left(server: Server, target: Path) -> None:
    cut_once(server, target)
    assert download(server.url + "/a.bin", target).sha256 == SHA256
    (request,) = server.requests
    assert request.headers["Range"] == f"bytes={HALF}-"


def test_what_was_received_but_not_yet_renamed_needs_no_request(
    server: Server, target: Path
) -> None:
    download(server.url + "/a.bin", target)
    target.rename(partial_path(target))
    server.requests.clear()
    assert download(server.url + "/a.bin", target).sha256 == SHA256
    assert not server.requests and target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "change",
    [
        {"content": OTHER, "etag": '"v2"'},
        {"content": OTHER, "etag": '"v2"', "ignores_if_range": True},
        {"content": OTHER[:1_000_000], "etag": '"v2"', "ignores_if_range": True},
        {"content": OTHER + b"more", "etag": None, "ignores_if_range": True},
        {"content": OTHER, "ranges": False},
    ],
    ids=["etag", "etag-206", "shorter-416", "longer-206", "no-ranges"],
)
def test_halves_of_two_versions_are_never_joined(
    server: Server, target: Path, change: dict[str, object]
) -> None:
    cut_once(server, target)
    for name, value in change.items():
        setattr(server.files["/a.bin"], name, value)
    download(server.url + "/a.bin", target)
    assert target.read_bytes() == change["content"]


def test_without_a_version_only_a_digest_lets_it_go_on(server: Server, target: Path) -> None:
    server.files["/a.bin"].etag = server.files["/a.bin"].modified = None
    cut_once(server, target, HALF)
    assert download(server.url + "/a.bin", target).sha256 == SHA256
    assert "Range" not in server.requests[0].headers
    target.unlink()
    cut_once(server, target, HALF)
    assert download(server.url + "/a.bin", target, sha256=SHA256).sha256 == SHA256
    assert [r.headers.get("Range") for r in server.requests] == [f"bytes={HALF}-"]
    target.unlink()
    cut_once(server, target, HALF)
    # Undetected but for the digest, which is then that of the new one.
    server.files["/a.bin"].content = OTHER
    download(server.url + "/a.bin", target, sha256=hashlib.sha256(OTHER).hexdigest())
    assert target.read_bytes() == OTHER


def test_a_weak_etag_is_no_version_to_go_on_with(server: Server, target: Path) -> None:
    server.files["/a.bin"].etag = 'W/"1"'
    cut_once(server, target)
    download(server.url + "/a.bin", target)
    assert server.requests[0].headers["If-Range"] == "Wed, 01 Oct 2025 10:00:00 GMT"


def test_busy_servers_are_waited_for_as_long_as_they_ask(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(remote.persist, "__defaults__", (lambda: 0, waits.append))
    soon = "Wed, 01 Oct 2025 10:00:00 GMT"
    server.files["/a.bin"].refusals = [
        (429, {"Retry-After": "17"}), (503, {"Retry-After": soon}), (502, {"Retry-After": "x"}),
        (500, {}),
    ]  # fmt: skip
    assert download(server.url + "/a.bin", target).sha256 == SHA256
    assert waits[:2] == [17.0, 0.0] and 0 < waits[2] < waits[3] * 3 < 0.1


def test_who_is_asked_to_wait_long_comes_back_later(server: Server, target: Path) -> None:
    server.files["/a.bin"].refusals = [(429, {"Retry-After": "3600"})]
    with pytest.raises(RetryError, match="asks to wait 3600 s"):
        download(server.url + "/a.bin", target)
    assert names(target) == set()


def test_a_server_that_stays_busy_is_given_up(server: Server, target: Path) -> None:
    server.files["/a.bin"].refusals = [(503, {})] * 5
    with pytest.raises(RetryError, match=r"busy \(status 503\), 5 times"):
        download(server.url + "/a.bin", target)
    assert len(server.requests) == 5


def test_a_stalled_server_ends_with_a_clear_line(server: Server, target: Path) -> None:
    server.files["/a.bin"].stalls = [HALF, 0]
    with pytest.raises(RetryError, match=r"nothing came from 127.0.0.1 for 0.05 s, 5 times"):
        download(server.url + "/a.bin", target, timeout=0.05)
    assert partial_path(target).stat().st_size == HALF


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (401, "asks for a login", "netrc"),
        (403, "refuses access", "browser"),
        (404, "there is no such file", "address"),
        (410, "gone", "new address"),
        (451, "refuses", "browser"),
    ],
)
def test_refusals_are_explained_and_not_repeated(
    server: Server, target: Path, status: int, message: str, hint: str
) -> None:
    server.files["/a.bin"].refusals = [(status, {})]
    with pytest.raises(MissingError, match=message) as caught:
        download(server.url + "/a.bin?token=SECRET", target)
    assert caught.value.hint and hint in caught.value.hint
    assert "SECRET" not in caught.value.message and len(server.requests) == 1
    assert names(target) == set()


def test_logins_come_from_the_address_or_netrc(
    server: Server, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a.bin"].login = "Basic ZXZlOlNFQ1JFVA=="
    download(server.url.replace("://", "://eve:SECRET@") + "/a.bin", target)
    assert b"SECRET" not in note_path(target).read_bytes()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password SECRET\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    download(server.url + "/a.bin", target.with_name("b.bin"))


@pytest.mark.parametrize("digest", ["sha256", "md5", "size"])
def test_another_content_than_asked_for_is_refused_and_not_kept(
    server: Server, target: Path, digest: str
) -> None:
    flipped = bytearray(CONTENT)
    flipped[17] ^= 1
    server.files["/a.bin"].content = bytes(flipped) if digest != "size" else CONTENT[1:]
    server.files["/a.bin"].length = False
    asked = {"sha256": SHA256, "md5": MD5, "size": len(CONTENT)}[digest]
    with pytest.raises(DataError, match=str(asked)):
        download(server.url + "/a.bin", target, **{digest: asked})  # type: ignore[arg-type]
    assert names(target) <= {".a.bin.fetched"}


def test_a_size_that_is_not_the_one_expected_is_refused_at_once(
    server: Server, target: Path
) -> None:
    with pytest.raises(DataError, match="3000000 bytes, not the 5 expected"):
        download(server.url + "/a.bin", target, size=5)
    assert not partial_path(target).exists()


def test_a_bad_half_costs_one_more_download_not_the_file(server: Server, target: Path) -> None:
    cut_once(server, target)
    partial_path(target).write_bytes(OTHER[:HALF])
    lines: list[str] = []
    assert download(server.url + "/a.bin", target, sha256=SHA256, say=lines.append)
    assert target.read_bytes() == CONTENT and any("starting over" in line for line in lines)


def test_a_full_disk_is_seen_before(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 2_999_999))
    with pytest.raises(EyecliError, match=r"3.0 MB to fetch, but 3.0 MB free"):
        download(server.url + "/a.bin", target)


def test_two_processes_do_not_write_one_file(server: Server, target: Path) -> None:
    cut_once(server, target)
    with partial_path(target).open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(RetryError, match="another process"):
            download(server.url + "/a.bin", target)
    assert download(server.url + "/a.bin", target).sha256 == SHA256


def test_a_web_page_is_no_file(server: Server, target: Path) -> None:
    server.files["/a.bin"].kind = "text/html; charset=utf-8"
    for call in (lambda url: download(url, target), ask):
        with pytest.raises(MissingError, match="a web page, not a file"):
            call(server.url + "/a.bin")
    assert download(server.url + "/a.bin", target.with_name("a.html")).sha256 == SHA256


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        ('attachment; filename="OCTID NORMAL.zip"', "/api/access/datafile/5", "OCTID NORMAL.zip"),
        ("attachment; filename*=UTF-8''d%C3%A4ta.zip", "/5", "däta.zip"),
        ('attachment; filename="dÃ¤ta.zip"', "/5", "däta.zip"),
        ('attachment; filename="../../.bashrc"', "/5", "_.._.bashrc"),
        ('attachment; filename="a/b\\\\c.zip"', "/5", "a_b_c.zip"),
        ('attachment; filename=".."', "/5", "download"),
        (None, "/d%20a/f..%2Fx.zip", "f.._x.zip"),
        (None, "/", "download"),
    ],
)
def test_names_come_from_the_server_and_stay_in_the_folder(
    server: Server, disposition: str | None, path: str, name: str
) -> None:
    server.files[path] = File(b"x" * 10, disposition=disposition)
    assert ask(server.url + path) == http.Offer(name, 10)


def test_redirects_are_followed_and_circles_end(server: Server, target: Path) -> None:
    server.redirects["/datafile/5"] = "/a.bin?X-Amz-Signature=SECRET"
    found = download(server.url + "/datafile/5", target)
    assert found.url == server.url + "/a.bin"
    assert b"SECRET" not in note_path(target).read_bytes()
    server.redirects |= {"/x": "/y", "/y": "/x"}
    with pytest.raises(MissingError, match="redirects in a circle"):
        download(server.url + "/x", target.with_name("x"))


def test_the_body_of_a_redirect_is_not_read(server: Server, target: Path) -> None:
    """It never comes here, so that who reads it waits."""
    moved = (302, {"Location": "/b.bin", "Content-Length": "900000000"})
    server.files["/a.bin"].refusals = [moved, moved]
    server.files["/b.bin"] = File(CONTENT)
    assert ask(server.url + "/a.bin", timeout=2).name == "b.bin"
    assert download(server.url + "/a.bin", target, timeout=2).sha256 == SHA256


def test_a_login_stays_with_its_host(server: Server, target: Path) -> None:
    server.files["/a.bin"].login = "Basic ZXZlOlNFQ1JFVA=="
    url = server.url.replace("://", "://eve:SECRET@") + "/moved"
    server.redirects["/moved"] = "/a.bin"
    assert download(url, target).sha256 == SHA256
    server.redirects["/moved"] = server.url.replace("127.0.0.1", "localhost") + "/a.bin"
    with pytest.raises(MissingError, match="localhost asks for a login"):
        download(url, target.with_name("b.bin"))


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://[bad/x?SECRET", "the address"),
        ("https://h.org:99999999/x?SECRET", "https://h.org:99999999/x"),
        ("file:///etc/passwd?SECRET", "file:///etc/passwd"),
        ("mailto:SECRET@h.org", "...@h.org"),
        ("https://%00/x?SECRET", "https://%00/x"),
        ("https:///x", "https:///x"),
    ],
)
def test_a_redirect_to_no_web_address_is_the_servers_fault(
    server: Server, target: Path, location: str, said: str
) -> None:
    server.redirects["/x"] = location
    with pytest.raises(MissingError) as caught:
        download(server.url + "/x", target)
    assert caught.value.message == f"{server.url}/x: leads to what is no web address: {said}"


@pytest.mark.parametrize(
    ("length", "message"),
    [("9" * 4400, "a length of 4400 digits"), ("5\r\nContent-Length: 7", "contradicts itself")],
    ids=["long", "two"],
)
def test_a_length_that_cannot_be_is_the_servers_fault(
    server: Server, target: Path, length: str, message: str
) -> None:
    server.files["/a.bin"].refusals = [(200, {"Content-Length": length})] * 2
    for call in (lambda url: download(url, target), ask):
        with pytest.raises(MissingError, match=message):
            call(server.url + "/a.bin")


def test_a_part_that_was_not_asked_for_is_no_file(server: Server, target: Path) -> None:
    part = (206, {"Content-Range": "bytes 0-99/3000000", "ETag": '"v1"'})
    file = server.files["/a.bin"]
    file.refusals = [part]
    assert download(server.url + "/a.bin", target).sha256 == SHA256
    for call in (lambda url: download(url, target.with_name("b.bin")), ask):
        file.refusals = [part] * 5
        with pytest.raises(RetryError, match="does not give the file whole, 5 times"):
            call(server.url + "/a.bin")
    assert names(target) == {"a.bin", ".a.bin.fetched"}


def test_https_is_checked_and_never_left(
    server: Server, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, bundle = certificates(tmp_path)
    with serving(context) as safe:
        safe.files["/a.bin"] = File(CONTENT)
        safe.redirects["/down"] = server.url + "/a.bin"
        with pytest.raises(MissingError, match=r"certificate of 127.0.0.1 is not trusted"):
            download(safe.url + "/a.bin", target)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with pytest.raises(MissingError, match="to a plain http one"):
            download(safe.url + "/down", target, sha256=SHA256)
        assert download(safe.url + "/a.bin", target).sha256 == SHA256
    assert not server.requests


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a", "ftp://example.org/a", "/data/a.zip", "file:///a", "s3://bucket/a",
     "https:///a", "https://[::1/a", "https://h:99999/a"],
)  # fmt: skip
def test_what_is_no_safe_address_is_refused(url: str, target: Path) -> None:
    with pytest.raises(UsageError):
        download(url, target)


def test_plain_http_needs_a_digest_also_behind_a_redirect(server: Server, target: Path) -> None:
    server.redirects["/far"] = "http://example.invalid/a.bin"
    with pytest.raises(MissingError, match="plain http"):
        download(server.url + "/far", target)
    # With a digest it is asked for, and there is no such host.
    for url in (server.url + "/far", "http://example.invalid/a.bin?key=SECRET"):
        with pytest.raises(EyecliError) as caught:
            download(url, target, sha256=SHA256)
        assert "plain http" not in caught.value.message and "SECRET" not in caught.value.message


def test_nobody_listens(target: Path) -> None:
    with serving() as gone:
        pass
    with pytest.raises(RetryError, match="failed or was cut, 5 times"):
        download(gone.url + "/a.bin?key=SECRET", target)


def test_addresses_are_shown_without_credentials() -> None:
    url = "https://eve:SECRET@host.org:8443/a%20b/c.zip?token=SECRET#SECRET"
    assert bare(url) == "https://host.org:8443/a%20b/c.zip"
    assert shown(url) == "https://host.org:8443/a%20b/c.zip?..."


MISTYPED = (
    "me:SECRET@h.org/f.zip", "https:me:SECRET@h.org/x", "https:/me:SECRET@h.org/x",
    "https:///me:SECRET@h.org/x", "https:\\\\me:SECRET@h.org\\x", "https://me:12/SECRET@h.org/x",
    "https://me:12?SECRET@h.org/x", "https://me:12#SECRET@h.org/x", "https://me/SECRET@h.org/x",
    "https://me:SECRET@[bad/x", "me:1?SECRET@h.org", "ftp://me:SECRET@h.org/x;sig=SECRET",
    "https://h.org/me:SECRET@x",
)  # fmt: skip


@pytest.mark.parametrize("url", MISTYPED)
def test_a_password_is_not_shown_where_the_address_is_mistyped(url: str, target: Path) -> None:
    with pytest.raises(UsageError) as caught:
        download(url, target)
    assert "SECRET" not in f"{caught.value.message} {caught.value.hint} {bare(url)} {target.name}"


def test_an_at_sign_in_a_path_is_only_a_letter() -> None:
    url = "https://eve:SECRET@cdn.org/pkg@1.0/a.zip"
    remote.check_url(url)
    assert bare(url) == "https://cdn.org/pkg@1.0/a.zip"


def test_parameters_are_neither_shown_nor_part_of_a_name(server: Server, target: Path) -> None:
    server.files["/b;sig=SECRET/a.bin;sig=SECRET"] = File(CONTENT)
    url = server.url + "/b;sig=SECRET/a.bin;sig=SECRET"
    assert ask(url).name == "a.bin" and bare(url) == server.url + "/b;.../a.bin;..."
    assert download(url, target).url == bare(url)
    assert b"SECRET" not in note_path(target).read_bytes()
    # Another signature is another address, as another query is.
    assert http.address_digest(url) != http.address_digest(url + "2")


def test_killed_and_gone_on_with(server: Server, target: Path) -> None:
    server.files["/a.bin"].stalls = [HALF, -1]
    call = ("import sys; from pathlib import Path; from eyecli.sources.http import download; "
            "download(sys.argv[1], Path(sys.argv[2]))")  # fmt: skip
    words = [sys.executable, "-c", call, server.url + "/a.bin", str(target)]
    partial = partial_path(target)
    with subprocess.Popen(words) as process:
        while process.poll() is None and not (partial.exists() and partial.stat().st_size):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    left = partial.stat().st_size
    assert 0 < left <= HALF and not target.exists()
    subprocess.run(words, check=True, timeout=60)
    assert target.read_bytes() == CONTENT
    assert server.requests[-1].headers["Range"] == f"bytes={left}-"
