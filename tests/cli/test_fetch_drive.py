"""``eyecli fetch drive``: a public folder of Google Drive becomes a source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drive_server import QUOTA, Drive, DriveFile, DriveFolder, driving, identity
from shell import Done, eyecli_process

from eyecli.sources import remote
from eyecli.workspace.references import resolve

Eyecli = Callable[..., Done]
ROOT = identity("root")
LINK = f"https://drive.google.com/drive/folders/{ROOT}?usp=sharing"
NAMES = ("left/1_1.bmp", "left/2_2.bmp", "right/1_1.bmp", "right/2_2.bmp")


@pytest.fixture
def drive(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Drive]:
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    with driving(tmp_path_factory.mktemp("drive")) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        running.folders[ROOT] = DriveFolder("eyes", [(identity("sheet"), "notes", "spreadsheets")])
        for path in NAMES:
            side, _, name = path.partition("/")
            if identity(side) not in running.folders:
                running.folders[identity(side)] = DriveFolder(side)
                running.folders[ROOT].children.append((identity(side), side, "folder"))
            running.folders[identity(side)].children.append((identity(path), name, "file"))
            running.files[identity(path)] = DriveFile(path.encode(), name)
        yield running


def test_a_folder_becomes_a_source(eyecli: Eyecli, drive: Drive, tmp_path: Path) -> None:
    done = eyecli("fetch", "drive", LINK, "--name", "eyes")
    assert done.ref == "source/gaze/eyes@v1"
    assert "notes: a Google spreadsheet has no file: left out" in done.err
    manifest = resolve(tmp_path / "eyecli-workspace", done.ref).manifest
    assert (manifest.stage, manifest.licences) == ("fetch drive", ["not stated"])
    assert (manifest.summary["files"], manifest.params["layout"]) == (4, "eye-crops")
    assert manifest.params["origin"] == {
        "kind": "folder", "id": ROOT, "url": LINK.partition("?")[0], "name": "eyes", "files": 4,
        "bytes": 50,
        "again": f"eyecli fetch drive {LINK.partition('?')[0]} --name eyes",
    }  # fmt: skip
    drive.requests.clear()
    assert eyecli(*manifest.params["origin"]["again"].split()[1:]).ref == done.ref
    assert not [path for host, path, _ in drive.requests if "usercontent" in host]


def test_dry_run_lists_and_fetches_nothing(eyecli: Eyecli, drive: Drive, tmp_path: Path) -> None:
    done = eyecli("fetch", "drive", ROOT, "--dry-run", "--json")
    assert json.loads(done.out)["files"] == list(NAMES)
    assert list(tmp_path.iterdir()) == [] and len(drive.requests) == 3


def test_a_private_folder_names_the_other_command(eyecli: Eyecli, drive: Drive) -> None:
    drive.folders[ROOT].private = True
    done = eyecli("fetch", "drive", LINK)
    assert (done.code, done.out) == (5, "") and "eyecli fetch rclone" in done.err


def test_a_used_up_quota_is_explained(eyecli: Eyecli, drive: Drive) -> None:
    drive.files[identity(NAMES[0])].says = QUOTA
    done = eyecli("fetch", "drive", LINK, "--json")
    error = json.loads(done.out)["error"]
    assert (done.code, error["kind"]) == (5, "missing")
    assert "left/1_1.bmp: its download quota is used up" in error["message"]
    assert "copy in a Drive of your own" in error["hint"] and "fetch rclone" in error["hint"]


def test_a_stalled_drive_comes_to_an_end(eyecli: Eyecli, drive: Drive) -> None:
    drive.files[identity(NAMES[0])].stalls = [0]
    done = eyecli("fetch", "drive", LINK, "--timeout", "0.2")
    assert done.code == 75 and "for 0.2 s, 5 times" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("https://example.org/x", "not Google Drive"),
        ("LINK --layout octs", "unknown layout 'octs'"),
        ("LINK --name v1", "--name 'v1' cannot be used"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(
    eyecli: Eyecli, drive: Drive, words: str, says: str
) -> None:
    done = eyecli("fetch", "drive", *words.replace("LINK", LINK).split())
    assert done.code == 2 and says in done.err and not drive.requests


def test_nothing_but_the_reference_reaches_stdout(drive: Drive, tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = drive.environment() | {"HOME": str(home)}
    done = eyecli_process("fetch", "drive", ROOT, "--layout", "eye-crops", cwd=tmp_path, env=env)
    assert done.out == "source/gaze@v1\n" and done.complaint == []
    assert not home.exists() and not drive.cookies


def test_help_imports_no_client(tmp_path: Path) -> None:
    for name in ("drive", "url"):
        done = eyecli_process("fetch", name, "--help", cwd=tmp_path, options=("-X", "importtime"))
        assert done.code == 0 and not done.imported & {"gdown", "requests", "bs4", "numpy"}
