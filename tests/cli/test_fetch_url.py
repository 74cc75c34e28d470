"""``eyecli fetch url``: files over https become a source; no credential is kept anywhere."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

import pytest
from http_server import File, Server, serving
from shell import Done, environment, hear_ctrl_c

from eyecli.sources import remote
from eyecli.sources.http import CHUNK
from eyecli.workspace.references import resolve

Eyecli = Callable[..., Done]
TABLE = b"subject,target_x,target_y,left,right\np1,1,2,l.png,r.png\n"
ARCHIVE = b"PK" + bytes(5_000_000)
NAME = 'attachment; filename="OCTID_NORMAL.png"'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as running:
        running.files["/api/access/datafile/5"] = File(ARCHIVE, disposition=NAME)
        running.files["/labels.csv"] = File(TABLE, kind="text/csv")
        yield running


def test_two_files_become_one_source(eyecli: Eyecli, server: Server, tmp_path: Path) -> None:
    urls = [f"{server.url}/api/access/datafile/5?key=SECRET",
            server.url.replace("://", "://eve:SECRET@") + "/labels.csv"]  # fmt: skip
    words = ("fetch", "url", *urls, "--layout", "image-table", "--licence", "CC0-1.0")
    done = eyecli(*words)
    assert done.ref == "source/gaze@v1"
    manifest = resolve(tmp_path / "eyecli-workspace", done.ref).manifest
    assert (manifest.stage, manifest.licences) == ("fetch url", ["CC0-1.0"])
    origin = manifest.params["origin"]
    assert [(f["name"], f["bytes"], f["sha256"]) for f in origin["files"]] == [
        ("OCTID_NORMAL.png", len(ARCHIVE), hashlib.sha256(ARCHIVE).hexdigest()),
        ("labels.csv", len(TABLE), hashlib.sha256(TABLE).hexdigest()),
    ]
    assert origin["files"][0]["url"] == f"{server.url}/api/access/datafile/5?..."
    assert (manifest.summary["files"], origin["bytes"]) == (2, len(ARCHIVE) + len(TABLE))
    server.requests.clear()
    again = eyecli(*words)
    assert (again.ref, server.requests) == (done.ref, [])
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes(), path
    assert "SECRET" not in done.err + again.err


def test_dry_run_lists_and_fetches_nothing(eyecli: Eyecli, server: Server, tmp_path: Path) -> None:
    done = eyecli("fetch", "url", f"{server.url}/api/access/datafile/5", "--dry-run")
    assert done.out.splitlines() == ["5000002 OCTID_NORMAL.png", "1 files, 5000002 bytes"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("URL/labels.csv --sha256 12", 2, "--sha256 '12': not 64 hexadecimal digits"),
        ("URL/labels.csv URL/x --sha256 12", 2, "--sha256: 1 digests for 2 addresses"),
        ("URL/labels.csv --layout octs", 2, "unknown layout 'octs'"),
        ("URL/labels.csv --name v1", 2, "--name 'v1' cannot be used"),
        ("URL/labels.csv URL/labels.csv?again", 2, "is called labels.csv as well"),
        ("http://example.org/x.zip", 2, "plain http"),
        ("me:SECRET@example.org/x.zip", 2, "...@example.org/x.zip: not an https address"),
        ("URL/labels.csv --timeout inf", 2, "--timeout"),
        ("URL/labels.csv --timeout 1e300", 2, "--timeout"),
        ("URL/labels.csv --timeout nan", 2, "not a number"),
        ("URL/labels.csv --folder a-file", 2, "a-file is not a folder"),
        ("URL/labels.csv --folder a-file/x", 2, "a-file is not a folder"),
        ("https://drive.google.com/file/d/1AbC-dEf_123/view", 2, "use `eyecli fetch drive`"),
        ("URL/nothing", 5, "there is no such file (status 404)"),
        ("URL/labels.csv --sha256 " + "0" * 64, 3, "its sha256 is"),
        ("URL/labels.csv --md5 " + "0" * 32, 3, "its md5 is"),
    ],
)
def test_what_cannot_be_is_said(
    eyecli: Eyecli, server: Server, tmp_path: Path, words: str, code: int, says: str
) -> None:
    (tmp_path / "a-file").write_text("mine")
    done = eyecli("fetch", "url", *words.replace("URL", server.url).split())
    assert "--workspace" not in done.err
    assert (done.code, done.out) == (code, "") and says in done.err
    assert not list(tmp_path.rglob("labels.csv"))


def test_a_folder_of_ones_own_stays_as_it_is(
    eyecli: Eyecli, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/other.csv").write_text("mine")
    done = eyecli("fetch", "url", f"{server.url}/labels.csv", "--folder", "data")
    assert done.code == 3 and "such as other.csv" in done.err


def test_force_asks_the_server_again(eyecli: Eyecli, server: Server) -> None:
    words = ("fetch", "url", f"{server.url}/labels.csv", "--layout", "image-table")
    assert eyecli(*words).ref == "source/gaze@v1"
    server.files["/labels.csv"] = File(TABLE + b"p2,1,2,a.png,b.png\n", etag='"v2"')
    assert eyecli(*words).ref == "source/gaze@v1"
    assert eyecli(*words, "--force").ref == "source/gaze@v2"


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_command_that_was_ended_goes_on(server: Server, tmp_path: Path, end: str) -> None:
    server.files["/api/access/datafile/5"].stalls = [-1, 40 * CHUNK, -1]
    words = [executable, "-m", "eyecli", "fetch", "url", f"{server.url}/api/access/datafile/5",
             "--layout", "image-table", "--json"]  # fmt: skip
    run = {"cwd": tmp_path, "env": environment(), "stdout": PIPE, "stderr": PIPE}
    with Popen(words, preexec_fn=hear_ctrl_c, **run) as process:  # type: ignore[call-overload]
        while process.poll() is None and not any(
            path.stat().st_size == 40 * CHUNK for path in tmp_path.rglob(".*.partial")
        ):
            time.sleep(0.02)
        getattr(process, end)()
        process.communicate()
    assert process.returncode == {"terminate": 143, "kill": -9}[end]
    with Popen(words, **run) as process:  # type: ignore[call-overload]
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["summary"]["files"] == 1
    assert server.requests[-1].headers["Range"] == f"bytes={40 * CHUNK}-"
