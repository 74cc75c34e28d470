"""`fetch path` as a user types it: folders, archives, copies, and what is said of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import split, write_files, write_tar, write_zip
from shell import Done

from eyecli.data.prepared import open_prepared
from eyecli.workspace.references import resolve

Command = Callable[..., Done]
NAMES = [f"{n}_{side}" for n in range(1500) for side in ("left", "right")]
TRAIN = {f"train/{name}.jpeg": name.encode() * 5 for name in NAMES}
LABELS = {"trainLabels.csv": "".join(["image,level\n", *(f"{n},1\n" for n in NAMES)]).encode()}


@pytest.fixture
def eyes(eyecli: Command, tmp_path: Path) -> Path:
    """Rendered eyes of a few people."""
    words = "fetch sample gaze-eyes --subjects 4 --points 4 --frames 1 --folder eyes"
    assert eyecli(*words.split()).code == 0
    return tmp_path / "eyes"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_competition_of_3000_files_in_parts_is_read_where_it_lies(
    eyecli: Command, tmp_path: Path
) -> None:
    split(write_zip(tmp_path / "dr/train.zip", TRAIN), 5)
    write_zip(tmp_path / "dr/trainLabels.csv.zip", LABELS)
    done = eyecli("fetch", "path", "dr", "--dry-run")
    assert (done.code, done.out) == (0, "3001 files, layout kaggle-dr\n")
    assert not (tmp_path / "eyecli-workspace").exists()
    first = json.loads(eyecli("fetch", "path", "dr", "--json").out)
    assert (first["ref"], first["summary"]["files"]) == ("source/dr@v1", 3001)
    assert first["params"]["packed"] == 1
    assert eyecli("fetch", "path", "dr").ref == first["ref"]
    assert sum(len(c) for c in files_of(tmp_path / "eyecli-workspace").values()) < 2e6
    done = eyecli("preprocess", "dr")
    assert done.code == 3 and "unreadable" in done.err


@pytest.mark.parametrize("kind", ["zip", "tar", "parts", "copy of tar.gz", "copy of zip"])
def test_a_chain_from_an_archive_gives_what_it_gives_from_the_folder(
    eyecli: Command, eyes: Path, tmp_path: Path, kind: str
) -> None:
    expected = eyecli("preprocess", "gaze", "--split", "kfold:4").ref
    place = tmp_path / f"a b.{kind.split()[-1]}"
    if kind.endswith(("zip", "parts")):
        write_zip(place, files_of(eyes))
    else:
        write_tar(place, files_of(eyes))
    if kind == "parts":
        place = split(place.rename(tmp_path / "a b.zip"), 3)[0]
    copy = ["--copy"] if kind.startswith("copy") else []
    shutil.rmtree(eyes)
    done = eyecli("fetch", "path", place, *copy, "--name", "packed", "--json")
    source = json.loads(done.out)
    assert source["summary"]["layout"] == "image-table"
    assert source["params"].get("copy_of") == (str(place) if copy else None)
    assert source["params"].get("packed") == (None if copy else 1)
    ref = eyecli("preprocess", "gaze", "source/gaze/packed", "--split", "kfold:4").ref
    root = tmp_path / "eyecli-workspace"
    (one, other) = (open_prepared(resolve(root, name)) for name in (expected, ref))
    columns = [name for name in one.index.columns if name != "source"]
    assert one.index[columns].equals(other.index[columns])
    assert (one.arrays.take("left", range(16)) == other.arrays.take("left", range(16))).all()
    assert eyecli("workspace", "verify").code == 0


def test_a_compressed_tar_needs_copy(eyecli: Command, tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar.gz", {"CNV/CNV-1-1.jpeg": b"", "DME/DME-2-1.jpeg": b""})
    for more in ((), ("--dry-run",)):
        done = eyecli("fetch", "path", "x.tar.gz", *more)
        assert done.code == 2 and done.out == ""
        assert "x.tar.gz is compressed as a whole" in done.complaint[-2]
        assert done.complaint[-1].endswith(f"eyecli fetch path {tmp_path}/x.tar.gz --copy")
    done = eyecli("fetch", "path", "x.tar.gz", "--copy", "--dry-run")
    assert done.code == 0 and "would be copied or unpacked" in done.out
    assert eyecli("fetch", "path", "x.tar.gz", "--copy").ref == "source/oct@v1"


def test_face_videos_need_copy(eyecli: Command, tmp_path: Path) -> None:
    place = write_zip(tmp_path / "x.zip", {"p01.mp4": b"", "p01.json": b"{}"})
    done = eyecli("fetch", "path", place)
    assert done.code == 3
    assert "layout face-sessions are opened on disk" in done.complaint[-2]
    assert f"eyecli fetch path {place} --copy" in done.complaint[-1]
    assert eyecli("fetch", "path", place, "--copy").ref == "source/gaze@v1"


def test_a_source_in_an_archive_is_no_folder_of_users(eyecli: Command, tmp_path: Path) -> None:
    place = write_zip(tmp_path / "x.zip", {"left/1_2.bmp": b"", "right/1_2.bmp": b""})
    ref = eyecli("fetch", "path", place).ref
    done = eyecli("calibrate", "user", ref)
    assert done.code == 3 and "is opened on disk, not in an archive" in done.complaint[-2]
    assert f"eyecli fetch path {place} --copy" in done.complaint[-1]


def test_a_folder_is_copied_and_the_copy_is_the_source(
    eyecli: Command, eyes: Path, tmp_path: Path
) -> None:
    made = json.loads(eyecli("fetch", "path", "eyes", "--copy", "--json").out)
    (copy,) = (tmp_path / "eyecli-workspace/copies").iterdir()
    assert made["params"]["folder"] == str(copy) and files_of(copy) == files_of(eyes)
    shutil.rmtree(eyes)
    assert eyecli("preprocess", "gaze", made["ref"], "--split", "kfold:4", "--dry-run").code == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [("../evil.jpeg", "leads out of the folder"), ("/evil.jpeg", "leads out of the folder")],
)
@pytest.mark.parametrize("copy", [(), ("--copy",)])
def test_a_path_out_of_the_folder_is_refused(
    eyecli: Command, tmp_path: Path, name: str, said: str, copy: tuple[str, ...]
) -> None:
    write_zip(tmp_path / "in/x.zip", {"CNV/CNV-1-1.jpeg": b"", name: b"evil"})
    done = eyecli("fetch", "path", "in/x.zip", *copy)
    assert done.code == 3 and said in done.err and repr(name) in done.err and "x.zip" in done.err
    assert not list(tmp_path.rglob("evil*"))


def test_a_missing_part_and_a_damaged_archive_are_named(eyecli: Command, tmp_path: Path) -> None:
    parts = split(write_zip(tmp_path / "x.zip", {"a.csv": b"x" * 5000}), 4)
    parts[1].unlink()
    for part in (parts[0], parts[3]):
        done = eyecli("fetch", "path", part)
        assert done.code == 3 and "x.zip.002 is missing" in done.err
    (tmp_path / "y.zip").write_bytes(b"<html>")
    done = eyecli("fetch", "path", "y.zip")
    assert done.code == 3 and "y.zip: damaged" in done.err and "download it again" in done.err


def test_what_is_not_used_is_said(eyecli: Command, tmp_path: Path) -> None:
    write_files(tmp_path / "x", {"CNV/CNV-1-1.jpeg": b"", "notes.txt": b"", "b.txt": b""})
    done = eyecli("fetch", "path", "x")
    assert done.ref == "source/oct@v1"
    assert "2 files are not part of layout kermany, such as b.txt" in done.err


def test_a_layout_of_which_there_is_no_file_is_refused(eyecli: Command, tmp_path: Path) -> None:
    write_files(tmp_path / "x", {"left/1_2.bmp": b"", "right/1_2.bmp": b""})
    for more in ((), ("--copy",)):
        done = eyecli("fetch", "path", "x", "--layout", "kaggle-dr", *more)
        assert done.code == 3 and f"{tmp_path}/x: no file of layout kaggle-dr" in done.err
        assert "<id>_left.jpeg" in done.complaint[-1]
    assert not [*tmp_path.glob("eyecli-workspace/source"), *tmp_path.glob("*/copies")]


def test_a_folder_of_one_archive_is_what_the_archive_is(eyecli: Command, tmp_path: Path) -> None:
    write_zip(tmp_path / "x/eyes.zip", {"left/1_2.bmp": b"", "right/1_2.bmp": b""})
    assert eyecli("fetch", "path", "x/eyes.zip").ref == "source/gaze@v1"
    for words in (["x"], ["x", "--copy"]):
        done = eyecli("fetch", "path", *words, "--json")
        assert json.loads(done.out)["summary"]["layout"] == "eye-crops", done.err


def test_an_archive_is_rehashed(eyecli: Command, tmp_path: Path) -> None:
    import os

    path = write_zip(tmp_path / "x.zip", {"CNV/CNV-1-1.jpeg": b"abc"})
    eyecli("fetch", "path", "x.zip").ref  # noqa: B018
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"CNV-1", b"CNV-2"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for words in (("x.zip",), ()):
        done = eyecli("workspace", "rehash", *words)
        assert (done.code, done.out) == (0, f"{path}\n" if words else "")


def test_raw_data_in_an_archive_are_to_be_fetched_first(eyecli: Command, tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {"CNV/CNV-1-1.jpeg": b"abc"})
    eyecli("fetch", "path", "x.zip").ref  # noqa: B018
    done = eyecli("preprocess", "gaze", "x.zip")
    assert done.code == 3 and done.complaint[-1].endswith("eyecli fetch path x.zip")
