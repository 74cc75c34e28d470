"""Pushing artifacts with the real rclone: whole, compared, and never over another."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rclone_server import (
    ADDRESSES,
    BINARY,
    Meter,
    alone,
    contents,
    fill,
    metered,
    needs_rclone,
    serving,
    webdav,
)

from eyecli.errors import DataError, RetryError, UsageError
from eyecli.sources.push import Push, plan_push, push
from eyecli.sources.remotes import parse_remote
from eyecli.workspace.manifest import MANIFEST, SUMS
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import Artifact, open_workspace

pytestmark = needs_rclone
PLACE = "model/gaze/odd/v0001"
LARGE = 2_000_000


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    alone(monkeypatch, tmp_path)


def make(root: Path, word: str = "one", large: bytes = b"") -> Artifact:
    """Publish a model with files of odd names."""

    def build(folder: Path) -> Built:
        fill(folder)
        (folder / "word.txt").write_text(word)
        (folder / "large.bin").write_bytes(large)
        return Built()

    work = Work("train", "model", "gaze", "odd", {"word": word}, {})
    return run_stage(open_workspace(root, create=True), work, build).artifact


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return make(tmp_path / "ws")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Meter]]]:
    folder = tmp_path_factory.mktemp("served")
    with serving("webdav", folder) as dav, serving("s3", folder) as bucket:
        yield folder, {"webdav": dav, "s3": bucket}


@pytest.fixture(params=["local", "webdav", "s3"])
def remote(
    request: pytest.FixtureRequest, served: tuple[Path, dict[str, Meter]], tmp_path: Path
) -> tuple[str, Path]:
    """Return a remote, and the folder behind it."""
    top, meters = served
    folder = top / tmp_path.name
    folder.mkdir()
    if request.param == "local":
        return str(folder), folder
    return ADDRESSES[request.param](meters[request.param], folder.name), folder


def plan(artifact: Artifact, text: str) -> Push:
    return plan_push(BINARY, artifact, parse_remote(text))


Remote = tuple[str, Path]


def test_a_pushed_artifact_is_whole_by_its_own_sums(artifact: Artifact, remote: Remote) -> None:
    text, folder = remote
    planned = plan(artifact, text)
    assert not planned.there and planned.place.shown.endswith(PLACE)
    assert push(BINARY, planned) == ("download" if "webdav" in text else "md5")
    pushed = contents(folder / PLACE)
    assert pushed == contents(artifact.path)
    assert planned.bytes == sum(map(len, pushed.values())) and planned.files == len(pushed)
    for line in pushed[SUMS].decode().splitlines():
        digest, name = line.split("  ", 1)
        assert hashlib.sha256(pushed[name]).hexdigest() == digest


def test_again_nothing_is_sent(artifact: Artifact, remote: Remote) -> None:
    text, folder = remote
    push(BINARY, plan(artifact, text))
    times = {path: path.stat().st_ctime_ns for path in (folder / PLACE).rglob("*")}
    planned = plan(artifact, text)
    assert planned.there
    push(BINARY, planned)
    assert {path: path.stat().st_ctime_ns for path in (folder / PLACE).rglob("*")} == times


def test_another_artifact_is_not_overwritten(
    artifact: Artifact, remote: Remote, tmp_path: Path
) -> None:
    text, folder = remote
    push(BINARY, plan(artifact, text))
    other = make(tmp_path / "other", "two")
    with pytest.raises(DataError, match=r"holds another artifact: its (manifest|SHA)"):
        plan(other, text)
    # Nor where the other was not pushed to its end.
    (folder / PLACE / SUMS).unlink()
    with pytest.raises(DataError, match=r"holds another artifact: its manifest\.json differs"):
        plan(other, text)
    assert (folder / PLACE / "word.txt").read_text() == "one"


def test_files_of_no_artifact_are_left_alone(artifact: Artifact, remote: Remote) -> None:
    text, folder = remote
    fill(folder / PLACE, ("word.txt",))
    with pytest.raises(DataError, match=r"holds files of no artifact, such as word\.txt"):
        plan(artifact, text)


def test_what_else_lies_there_stays(artifact: Artifact, remote: Remote) -> None:
    text, folder = remote
    mine = fill(folder, ("mine.txt", "model/gaze/odd/mine.txt"))
    push(BINARY, plan(artifact, text))
    assert mine.items() <= contents(folder).items()


def test_a_file_corrupted_there_is_found(artifact: Artifact, remote: Remote) -> None:
    text, folder = remote
    push(BINARY, plan(artifact, text))
    bad = folder / PLACE / "word.txt"
    bad.chmod(0o644)
    bad.write_text("0ne")
    with pytest.raises(DataError, match=r"word\.txt: differs from model/gaze/odd@v1") as caught:
        push(BINARY, plan(artifact, text))
    assert "rclone deletefile" in str(caught.value.hint)
    bad.unlink()
    push(BINARY, plan(artifact, text))
    assert contents(folder / PLACE) == contents(artifact.path)


def test_an_unfinished_push_goes_on(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RCLONE_LOW_LEVEL_RETRIES", "1")
    monkeypatch.setenv("RCLONE_RETRIES", "1")
    artifact = make(tmp_path / "ws", large=b"x" * LARGE)
    folder, meters = served
    with metered(meters["webdav"].port) as meter:
        planned = plan(artifact, webdav(meter, "cut"))
        meter.cut_up_after = LARGE // 2
        with pytest.raises(RetryError, match="broke off"):
            push(BINARY, planned)
        assert (folder / "cut" / PLACE / MANIFEST).exists()
        assert not (folder / "cut" / PLACE / SUMS).exists()
        meter.cut_up_after = None
        push(BINARY, plan(artifact, webdav(meter, "cut")))
    assert contents(folder / "cut" / PLACE) == contents(artifact.path)


def test_a_damaged_artifact_is_not_pushed(artifact: Artifact, tmp_path: Path) -> None:
    bad = artifact.path / "word.txt"
    bad.chmod(0o644)
    bad.write_text("0ne")
    with pytest.raises(DataError, match=r"word\.txt: content changed"):
        plan(artifact, "out")
    assert not (tmp_path / "out").exists()


def test_a_copy_elsewhere_is_no_artifact_of_the_workspace(
    artifact: Artifact, tmp_path: Path
) -> None:
    shutil.copytree(artifact.path, tmp_path / "copy")
    loose = Artifact(str(tmp_path / "copy"), tmp_path / "copy", artifact.manifest)
    with pytest.raises(UsageError, match=re.escape(f"{tmp_path}/copy is not in this workspace")):
        plan(loose, "out")
