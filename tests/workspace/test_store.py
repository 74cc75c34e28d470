"""Published artifacts are whole, versioned, read-only and checkable without eyecli."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from making import CONTENT, make, start

from eyecli.errors import DataError, EyecliError
from eyecli.workspace.manifest import MANIFEST, SUMS, Manifest, read_manifest
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import (
    artifacts,
    families,
    load,
    open_workspace,
    publish,
    versions,
)

OPEN = """
import sys
from pathlib import Path
from eyecli.workspace.store import open_workspace
while not Path(sys.argv[2]).exists():
    pass
for number in range(150):
    open_workspace(Path(sys.argv[1], str(number)), create=True)
print("opened")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def test_an_artifact_reads_back_as_it_was_made(root: Path) -> None:
    outcome = make(
        root,
        built=Built(summary={"files": 2}, flags={"synthetic": True}, licences=["MIT"]),
        params={"size": 3},
        seed=7,
        name="small",
        inputs={"file": ("/data/x.csv", "ab" * 32)},
    )
    artifact = load(root, "model/gaze/small", 1)
    assert artifact == outcome.artifact
    assert artifact.ref == "model/gaze/small@v1"
    manifest = artifact.manifest
    assert manifest == read_manifest(artifact.path)
    assert {name: entry.size for name, entry in manifest.files.items()} == {
        name: len(data) for name, data in CONTENT.items()
    }
    assert (manifest.params, manifest.seed, manifest.stage) == ({"size": 3}, 7, "test")
    assert manifest.summary == {"files": 2}
    assert [(i.role, i.ref, i.digest) for i in manifest.inputs] == [
        ("file", "/data/x.csv", "ab" * 32)
    ]
    assert {n: (artifact.path / n).read_bytes() for n in CONTENT} == CONTENT


def test_sha256sum_accepts_the_sums_and_sees_a_change(root: Path) -> None:
    folder = make(root, {"ä ö.bin": b"1", "b/c": b"2"}).artifact.path
    command = ["sha256sum", "--check", "--strict", SUMS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3  # two files and the manifest
    (folder / "b/c").chmod(0o644)
    (folder / "b/c").write_bytes(b"3")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert "b/c: FAILED" in done.stdout


def test_files_are_read_only(root: Path) -> None:
    folder = make(root).artifact.path
    for path in folder.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o444, path


def test_the_digest_covers_content_not_time(root: Path) -> None:
    first = make(root)
    os.utime(first.artifact.path / "data.bin", (1, 1))
    again = make(root, force=True)
    assert (first.artifact.ref, again.artifact.ref) == ("model/gaze@v1", "model/gaze@v2")
    assert not again.cached
    digest = first.artifact.manifest.digest
    assert again.artifact.manifest.digest == digest
    changed = make(root, CONTENT | {"data.bin": b"other"}, force=True)
    assert changed.artifact.manifest.digest != digest
    renamed = make(root, {"x" + name: data for name, data in CONTENT.items()}, force=True)
    assert renamed.artifact.manifest.digest != digest
    other_kind = make(root, kind="head")
    assert other_kind.artifact.manifest.digest != digest


def test_versions_families_and_artifacts_are_listed_in_order(root: Path) -> None:
    for _ in range(11):
        make(root, force=True)
    make(root, kind="head", name="eve")
    (root / "model/gaze/v12x").mkdir()
    assert versions(root, "model/gaze") == list(range(1, 12))
    assert versions(root, "model/icp") == []
    assert families(root) == ["head/gaze/eve", "model/gaze"]
    assert [a.ref for a in artifacts(root)][-1] == "model/gaze@v11"


def test_a_failed_build_leaves_nothing(root: Path) -> None:
    def build(folder: Path) -> Built:
        (folder / "half").write_bytes(b"x")
        raise DataError("no")

    with pytest.raises(DataError):
        run_stage(root, Work("test", "model", "gaze"), build)
    assert versions(root, "model/gaze") == []
    assert list((root / "tmp").iterdir()) == []


def test_a_link_is_not_published(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"x")

    def build(folder: Path) -> Built:
        (folder / "link").symlink_to(tmp_path / "outside")
        return Built()

    with pytest.raises(EyecliError, match=r"link is no regular file"):
        run_stage(root, Work("test", "model", "gaze"), build)
    assert versions(root, "model/gaze") == []


def test_a_newer_format_is_refused(root: Path) -> None:
    (root / "format.json").write_text('{"format":2}\n')
    with pytest.raises(DataError, match=r"format\.json: format 2 is newer than this") as caught:
        open_workspace(root)
    assert caught.value.hint == "update eyecli"


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"format":"1"}', b"{}", b'{"format":1'])
def test_a_damaged_format_file_says_what_it_should_be(root: Path, content: bytes) -> None:
    (root / "format.json").write_bytes(content)
    with pytest.raises(DataError, match=r"format\.json: damaged: ") as caught:
        open_workspace(root)
    assert caught.value.hint == 'it should read {"format":1}: write that into it'


@pytest.mark.parametrize("content", [b'{"format":1}', b'{ "format" : 1, "note": "x" }\r\n'])
def test_the_format_counts_not_how_it_is_written(root: Path, content: bytes) -> None:
    (root / "format.json").write_bytes(content)
    assert open_workspace(root) == root


@pytest.fixture
def staged(root: Path) -> tuple[Path, Manifest]:
    """Return work that is ready to be published, and its manifest."""
    manifest = make(root, {"x": b"1"}).artifact.manifest
    folder = root / "tmp/staged"
    folder.mkdir()
    (folder / "x").write_bytes(b"1")
    return folder, manifest


@pytest.mark.parametrize("error", [errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY])
def test_a_rename_that_is_done_but_said_to_have_failed_counts(
    root: Path, staged: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """NFS: the answer is lost, the request is sent again and fails."""
    rename, calls = Path.rename, []

    def repeated(self: Path, target: Path) -> Path:
        rename(self, target)
        calls.append(target)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(Path, "rename", repeated)
    artifact = publish(root, *staged)
    monkeypatch.undo()
    assert (artifact.ref, len(calls)) == ("model/gaze@v2", 1)
    assert load(root, "model/gaze", 2) == artifact
    assert versions(root, "model/gaze") == [1, 2]


@pytest.mark.parametrize("error", [errno.EEXIST, errno.ENOTEMPTY])
def test_the_same_content_of_someone_else_is_not_taken_for_ours(
    root: Path, staged: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    folder, manifest = staged
    theirs = root / "tmp/theirs"
    shutil.copytree(folder, theirs)
    rename = Path.rename

    def overtaken(self: Path, target: Path) -> Path:
        if theirs.exists():
            rename(theirs, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    assert publish(root, folder, manifest).ref == "model/gaze@v3"
    assert versions(root, "model/gaze") == [1, 2, 3]


def test_work_that_is_gone_is_not_published(
    root: Path, staged: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def too_late(self: Path, target: Path) -> Path:
        shutil.rmtree(self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", too_late)
    with pytest.raises(FileNotFoundError):
        publish(root, *staged)
    assert versions(root, "model/gaze") == [1]


def test_a_newer_manifest_is_refused(root: Path) -> None:
    path = make(root).artifact.path / MANIFEST
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"schema":1', '"schema":2'))
    with pytest.raises(DataError, match="schema 2 is newer"):
        read_manifest(path.parent)


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_with_other_things_is_no_workspace(tmp_path: Path, create: bool) -> None:
    (tmp_path / "thesis.tex").write_text("hands off")
    with pytest.raises(DataError, match=r"not an eyecli workspace"):
        open_workspace(tmp_path, create=create)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "ws").write_text("")
    with pytest.raises(DataError, match=r"not an eyecli workspace"):
        open_workspace(tmp_path / "ws", create=True)


def test_settings_may_be_there_before_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "eyecli.toml").write_text("")
    assert open_workspace(tmp_path, create=True) == tmp_path
    assert open_workspace(tmp_path) == tmp_path


def test_a_workspace_is_only_made_where_that_is_asked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no workspace at"):
        open_workspace(tmp_path / "ws")
    assert not (tmp_path / "ws").exists()


def test_several_processes_may_make_the_workspace_at_once(tmp_path: Path) -> None:
    processes = [start(OPEN, tmp_path, tmp_path / "go") for _ in range(6)]
    (tmp_path / "go").touch()
    assert [process.communicate()[0] for process in processes] == ["opened\n"] * 6


def test_a_file_that_looks_like_a_version_is_none(tmp_path: Path) -> None:
    root = open_workspace(tmp_path / "ws", create=True)
    make(root, {"v0001": b"1", "deep/v0002": b"2"})
    make(root, {"m": b"1"}, name="own")
    assert families(root) == ["model/gaze", "model/gaze/own"]
