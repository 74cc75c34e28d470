"""Copies in the workspace: whole or not there, made once, and as good as the original."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from archives import TAR_MODES, split, write_files, write_tar, write_zip

from eyecli.data.fields import Layout
from eyecli.errors import DataError, EyecliError
from eyecli.sources.contents import check_place
from eyecli.sources.copy import copy_place
from eyecli.workspace.store import open_workspace

LAYOUTS = {
    "bitmaps": ("gaze", Layout("", lambda names: any(n.endswith(".bmp") for n in names), ()))
}
FILES = {"train/1.bmp": b"1", "train/b c.bmp": b"22", "labels.csv": b"x,y\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def copied(root: Path, place: Path) -> tuple[Path, dict[str, bytes]]:
    target = copy_place(root, check_place(place), LAYOUTS)
    return target, {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("suffix", [*TAR_MODES, ".zip", ".zip.001", ""])
def test_a_folder_is_copied_and_an_archive_is_unpacked_once(
    root: Path, tmp_path: Path, suffix: str
) -> None:
    place = tmp_path / f"my data{suffix}"
    if suffix == "":
        write_files(place, {**FILES, ".hidden": b""})
    elif "zip" in suffix:
        write_zip(tmp_path / "my data.zip", FILES)
        if suffix == ".zip.001":
            split(tmp_path / "my data.zip", 3)
    else:
        write_tar(place, FILES)
    target, found = copied(root, place)
    assert found == FILES
    assert target.parent == root / "copies" and target.name.startswith("my data-")
    before = target.stat()
    assert copied(root, place)[0].stat().st_ino == before.st_ino
    assert list((root / "copies").iterdir()) == [target]
    assert list((root / "tmp").iterdir()) == []


def test_other_content_is_another_copy(root: Path, tmp_path: Path) -> None:
    first, _ = copied(root, write_files(tmp_path / "data", FILES))
    second, found = copied(root, write_files(tmp_path / "data", {"train/1.bmp": b"other"}))
    assert first != second and found["train/1.bmp"] == b"other"


def test_archives_in_archives_are_unpacked_too(root: Path, tmp_path: Path) -> None:
    train = {name: content for name, content in FILES.items() if "train" in name}
    split(write_zip(tmp_path / "inner/train.zip", train), 2)
    write_tar(tmp_path / "inner/labels.csv.tar.gz", {"labels.csv": FILES["labels.csv"]})
    inner = {path.name: path.read_bytes() for path in (tmp_path / "inner").iterdir()}
    outer = write_zip(tmp_path / "outer.zip", inner)
    deeper = write_tar(tmp_path / "deeper.tar.xz", {"deep/outer.zip": outer.read_bytes()})
    for place in (tmp_path / "inner", outer, deeper):
        found = copied(root, place)[1]
        assert {name.removeprefix("deep/"): found[name] for name in found} == FILES


def test_an_archive_alone_in_a_folder_lies_as_if_it_were_the_folder(
    root: Path, tmp_path: Path
) -> None:
    write_zip(tmp_path / "data/x.zip", FILES)
    assert copied(root, tmp_path / "data")[1] == FILES


def test_a_backup_beside_known_files_stays_what_it_is(root: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "data", FILES)
    write_zip(tmp_path / "data/backup.zip", FILES)
    assert copied(root, tmp_path / "data")[1].keys() == {*FILES, "backup.zip"}


def test_what_is_no_layout_leaves_nothing(root: Path, tmp_path: Path) -> None:
    files = {"a.txt": b"", "b.txt": b""}
    for place in (
        write_tar(tmp_path / "x.tar.bz2", files),
        write_zip(tmp_path / "x.zip", files),
        write_files(tmp_path / "data", files),
    ):
        with pytest.raises(DataError, match=f"^{place}: none of the known layouts"):
            copied(root, place)
    assert not (root / "copies").exists() and list((root / "tmp").iterdir()) == []


def test_a_damaged_archive_leaves_nothing(root: Path, tmp_path: Path) -> None:
    for name in ("x.zip", "x.tar.gz"):
        files = {**FILES, "train/2.bmp": random.Random(0).randbytes(3000)}
        path = (write_zip if name == "x.zip" else write_tar)(tmp_path / name, files)
        content = bytearray(path.read_bytes())
        content[1500] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(DataError, match=name):
            copied(root, path)
    assert not (root / "copies").exists() and list((root / "tmp").iterdir()) == []


def test_without_room_nothing_is_begun(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3))
    for place in (write_zip(tmp_path / "x.zip", FILES), write_files(tmp_path / "data", FILES)):
        with pytest.raises(EyecliError, match=r"\d bytes to fetch, but 3 bytes free"):
            copied(root, place)
    assert not (root / "copies").exists() and list((root / "tmp").iterdir()) == []
