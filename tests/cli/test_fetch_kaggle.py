"""``eyecli fetch kaggle`` as a user runs it: processes, the kaggle package, a loopback server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kaggle_server import KEY, TOKEN, Kaggle, kaggle_server
from shell import Done, environment, eyecli_process, hear_ctrl_c

from eyecli.workspace.lease import process_start
from eyecli.workspace.references import resolve

EYES = {"a_left.png": b"x" * 20, "b_right.png": bytes(range(256)) * 8192}
COMPETITION = ("fetch", "kaggle", "competition", "eyes", "--layout", "image-table")
FOLDER = "eyecli-workspace/downloads/kaggle/competition/eyes"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    with kaggle_server() as found:
        found.competitions["eyes"] = EYES
        found.datasets["o/eyes"] = EYES
        yield found


def fetch(server: Kaggle, folder: Path, *words: str, **env: str) -> Done:
    env = server.environment(folder / "home") | env
    return eyecli_process(*(words or COMPETITION), cwd=folder, env=env)


def start(server: Kaggle, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a download and wait until its second file has come in part; return its child, too."""
    server.stall_after = 1_000_000
    process = subprocess.Popen(
        [sys.executable, "-m", "eyecli", *COMPETITION], cwd=folder, text=True,
        env=environment(server.environment(folder / "home")), preexec_fn=hear_ctrl_c,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not any(path.stat().st_size > 500_000 for path in (folder / FOLDER).glob(".partial/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return process, int(child)


def wait_for_end(pid: int) -> None:
    for _ in range(500):
        if process_start(pid) is None:
            return
        time.sleep(0.02)
    raise AssertionError("the child lives on")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_competition_becomes_a_source(server: Kaggle, tmp_path: Path) -> None:
    done = fetch(server, tmp_path)
    assert done.ref == "source/gaze@v1"
    assert contents(tmp_path / FOLDER) == EYES
    manifest = resolve(tmp_path / "eyecli-workspace", done.ref).manifest
    rules = "competition rules: https://www.kaggle.com/competitions/eyes/rules"
    assert (manifest.stage, manifest.licences) == ("fetch kaggle", [rules])
    assert manifest.params["origin"] == {
        "kind": "competition", "slug": "eyes", "title": "On eyes", "version": None,
        "url": "https://www.kaggle.com/competitions/eyes", "bytes": sum(map(len, EYES.values())),
        "again": "eyecli fetch kaggle competition eyes --layout image-table",
    }  # fmt: skip
    asked = len(server.ranges())
    again = fetch(server, tmp_path)
    assert (again.ref, len(server.ranges())) == (done.ref, asked)


def test_a_dataset_has_its_version_and_licence(server: Kaggle, tmp_path: Path) -> None:
    words = ("fetch", "kaggle", "dataset", "o/eyes", "--layout", "image-table", "--file",
             "a_left.png", "--folder", "here", "--json")  # fmt: skip
    document = json.loads(fetch(server, tmp_path, *words).out)
    assert document["licences"] == ["CC0-1.0"]
    assert document["params"]["origin"]["version"] == 3
    assert document["params"]["origin"]["again"] == (
        "eyecli fetch kaggle dataset o/eyes/3 --file a_left.png "
        f"--folder {tmp_path}/here --layout image-table"
    )
    ours = fetch(server, tmp_path, *words, "--licence", "by contract")
    assert json.loads(ours.out)["licences"] == ["by contract"]


def test_a_dry_run_lists_files_and_bytes(server: Kaggle, tmp_path: Path) -> None:
    done = fetch(server, tmp_path, *COMPETITION, "--dry-run")
    assert done.out.splitlines() == [
        "20 a_left.png",
        "2097152 b_right.png",
        f"2 files, 2097172 bytes, would be downloaded to {FOLDER}; 0 are there",
    ]
    done = fetch(server, tmp_path, "fetch", "kaggle", "dataset", "o/eyes", "--dry-run", "--json")
    document = json.loads(done.out)
    assert (document["archive"], document["bytes"]) == ("eyes-v3.zip", 2097172)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert server.ranges() == []


def test_killed_half_way_it_goes_on(server: Kaggle, tmp_path: Path) -> None:
    process, child = start(server, tmp_path)
    process.kill()
    process.communicate()
    wait_for_end(child)
    assert contents_but_hidden(tmp_path / FOLDER) == ["a_left.png"]
    server.release.set()
    assert fetch(server, tmp_path).ref == "source/gaze@v1"
    assert contents(tmp_path / FOLDER) == EYES
    (asked,) = filter(None, server.ranges())
    assert int(asked.removeprefix("bytes=").rstrip("-")) > 500_000
    assert server.asked("DownloadDataFile").count("a_left.png") == 1


def contents_but_hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_stops_it_cleanly(server: Kaggle, tmp_path: Path, number: int, code: int) -> None:
    process, child = start(server, tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, ""), err
    assert "Traceback" not in err
    wait_for_end(child)
    parts = {path.name: path.stat().st_size for path in (tmp_path / FOLDER / ".partial").iterdir()}
    assert max(parts.values()) > 500_000
    assert "lease.json" not in parts


def test_no_credential_is_told_to_anybody(server: Kaggle, tmp_path: Path) -> None:
    (tmp_path / "home/.kaggle").mkdir()
    (tmp_path / "home/.kaggle/kaggle.json").write_text(f'{{"username": "me", "key": "{KEY}"}}')
    server.cuts = [5]
    server.answers = {
        "DownloadDataFile": [(429, {"Retry-After": "0"}, f"{TOKEN} {KEY}")],
        "GET": [(503, {}, f"{TOKEN} {KEY} http://s.test/x?X-Goog-Signature=5eal")],
    }
    said = [fetch(server, tmp_path, VERBOSE="1", EYECLI_VERBOSE="1")]
    assert said[0].ref == "source/gaze@v1"
    said.append(fetch(server, tmp_path, *COMPETITION, "--json"))
    server.answers = {"ListDataFiles": [(403, {}, f"not for {TOKEN}, {KEY}")]}
    said.append(fetch(server, tmp_path, *COMPETITION, "--json", "--debug"))
    server.cuts = [5] * 9
    said.append(fetch(server, tmp_path, "fetch", "kaggle", "dataset", "o/eyes", "--retries", "0"))
    (tmp_path / "home/.kaggle/access_token").write_text(TOKEN)
    said.append(fetch(server, tmp_path, KAGGLE_API_TOKEN=""))
    assert [done.code for done in said] == [0, 0, 5, 75, 0]
    everything = [done.out.encode() + done.err.encode() for done in said]
    everything += [
        path.read_bytes() for path in (tmp_path / "eyecli-workspace").rglob("*") if path.is_file()
    ]
    assert len(everything) > 10
    for secret in (TOKEN, KEY, "X-Goog-Signature", "5eal"):
        assert not [text for text in everything if secret.encode() in text], secret


def test_only_the_result_is_on_stdout(server: Kaggle, tmp_path: Path) -> None:
    missing = fetch(server, tmp_path, KAGGLE_API_TOKEN="")
    assert (missing.code, missing.out) == (5, "")
    assert len(missing.complaint) == 2
    server.refused = {"eyes"}
    refused = fetch(server, tmp_path)
    assert (refused.code, refused.out) == (5, "")
    assert refused.complaint == [
        "error: competition 'eyes', a_left.png: Kaggle answers 403 (You must accept this "
        "competition's rules before you'll be able to download files.)",
        "  accept the rules at https://www.kaggle.com/competitions/eyes/rules with the account of "
        "the token, its phone number verified, then run the same command again",
    ]


def test_what_is_wrong_is_said_before_anything_is_downloaded(
    server: Kaggle, tmp_path: Path
) -> None:
    for words, code in (
        (("competition", "o/eyes"), 2),
        (("competition", "eyes", "--layout", "nonsense"), 2),
        (("competition", "eyes", "--name", "../x"), 2),
        (("competition", "eyes", "--file", "c.png"), 2),
    ):
        done = fetch(server, tmp_path, "fetch", "kaggle", *words)
        assert (done.code, done.out) == (code, ""), done.err
    assert server.ranges() == []
    with suppress(FileNotFoundError):
        assert list((tmp_path / "eyecli-workspace").iterdir()) == []
