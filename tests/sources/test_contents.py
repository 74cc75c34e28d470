"""Folders and archives as one tree: what lies where, in which order, at what cost."""

from __future__ import annotations

import os
import pickle
import random
import struct
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from archives import split, write_files, write_tar, write_zip

from eyecli.data.fields import Layout
from eyecli.errors import DataError, UsageError
from eyecli.sources import contents as module
from eyecli.sources.contents import folder_for
from eyecli.sources.layouts import Found, find_layout
from eyecli.sources.source import Source, fetch_path, open_source
from eyecli.sources.tree import rehash
from eyecli.workspace.gc import collect_garbage
from eyecli.workspace.store import open_workspace

BITMAPS = Layout(
    "", lambda names: any(n.endswith(".bmp") for n in names), (), files=r".*\.(?:bmp|csv)"
)
LAYOUTS = {"bitmaps": ("gaze", BITMAPS)}
TRAIN = {f"train/{n}.bmp": random.Random(n).randbytes(100 * n) for n in range(9)}
LABELS = {"labels.csv": b"path,x\ntrain/1.bmp,2\n"}
ALL = {**TRAIN, **LABELS}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def found(place: Path, root: Path, layout: str | None = None) -> Found:
    return find_layout(place, LAYOUTS, root, layout)


def fetched(root: Path, place: Path) -> Source:
    return open_source(root, fetch_path(root, place, LAYOUTS).artifact)


def contents(source: Source) -> dict[str, bytes]:
    return {path: source.read(path) for path in source.digests}


def competition(folder: Path) -> Path:
    """Write a folder as Kaggle's competition gives it."""
    split(write_zip(folder / "train.zip", TRAIN), 5)
    write_zip(folder / "labels.csv.zip", LABELS)
    return folder


def test_every_way_to_hold_the_same_files_is_the_same_source(root: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "whole.zip", ALL)
    split(write_zip(tmp_path / "parts.zip", ALL), 4)
    folder = competition(tmp_path / "competition")
    inside = {path.name: path.read_bytes() for path in folder.iterdir()}
    places = [
        write_files(tmp_path / "loose", ALL), tmp_path / "whole.zip", tmp_path / "parts.zip.001",
        tmp_path / "parts.zip.003", write_tar(tmp_path / "whole.tar", ALL), folder,
        write_zip(tmp_path / "outer.zip", inside, zipfile.ZIP_STORED),
        write_tar(tmp_path / "outer.tar", inside),
    ]  # fmt: skip
    digests = set()
    for place in places:
        artifact = fetch_path(root, place, LAYOUTS).artifact
        source = open_source(root, artifact)
        assert contents(source) == ALL, place
        assert list(source.digests) == sorted(ALL)
        digests.add(artifact.manifest.digest)
    assert len(digests) == 1


def test_an_archive_beside_known_files_is_a_file_like_any_other(root: Path, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "data", TRAIN)
    write_zip(folder / "backup.zip", TRAIN)
    one = found(folder, root)
    assert (one.depth, list(one.names)) == (0, ["backup.zip", *TRAIN])
    assert list(one.unused) == ["backup.zip"]


def test_what_is_in_an_archive_lies_in_a_folder_of_its_name_unless_it_is_one() -> None:
    assert folder_for("a/train.zip.001", ["train/1", "train/2"], alone=False) == "a/"
    assert folder_for("train.zip.001", ["1", "2"], alone=False) == "train/"
    assert folder_for("a/b.v2.tar", ["1", "c/2"], alone=False) == "a/b.v2/"
    assert folder_for("labels.csv.zip", ["labels.csv"], alone=False) == ""
    assert folder_for("a/b.v2.tar", ["1", "c/2"], alone=True) == "a/"


def test_an_archive_alone_in_a_folder_is_the_archive(root: Path, tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "data/x.zip", ALL)
    split(write_zip(tmp_path / "parts/x.zip", ALL), 3)
    write_zip(tmp_path / "outer/o.zip", {"x.zip": inner.read_bytes()}, zipfile.ZIP_STORED)
    for place in (tmp_path / "data", tmp_path / "parts", tmp_path / "outer"):
        assert contents(fetched(root, place)) == ALL
    write_files(tmp_path / "data", {"readme.txt": b""})
    assert set(found(tmp_path / "data", root).names) == {"readme.txt", *(f"x/{n}" for n in ALL)}


def test_an_index_of_when_members_lay_elsewhere_is_not_believed(root: Path, tmp_path: Path) -> None:
    place = write_zip(tmp_path / "data/x.zip", ALL).parent
    artifact = fetch_path(root, place, LAYOUTS).artifact
    (index,) = (root / "index").glob("*-members.json")
    index.write_bytes(
        index.read_bytes()
        .replace(b'"train/', b'"x/train/')
        .replace(f'"rule":{module.RULE}'.encode(), b'"rule":1')
    )
    assert contents(open_source(root, artifact)) == ALL


def test_two_files_of_one_name_are_refused(root: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "data/a.zip", {"1.bmp": b"1"})
    write_zip(tmp_path / "data/b.zip", {"1.bmp": b"2"})
    with pytest.raises(DataError, match=r"b\.zip: 1\.bmp is there already"):
        found(tmp_path / "data", root)


def test_files_that_are_not_there_are_not_a_layout(root: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "notes.zip", {"a.txt": b"", "b.txt": b""})
    with pytest.raises(DataError, match=r"none of the known .* 2 files, such as a\.txt"):
        found(tmp_path / "notes.zip", root)
    for path in (write_zip(tmp_path / "empty.zip", {}), write_tar(tmp_path / "e.tar", {".a": b""})):
        with pytest.raises(DataError, match=f"{path.name}: no files in it"):
            found(path, root)


def test_a_layout_that_is_named_decides_how_deep(root: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {"a.csv": b""})
    write_zip(tmp_path / "mixed/x.zip", {"a.csv": b""})
    write_files(tmp_path / "mixed", {"b.csv": b""})
    assert found(tmp_path / "x.zip", root, layout="bitmaps").depth == 1
    assert found(tmp_path / "mixed", root, layout="bitmaps").depth == 0
    write_zip(tmp_path / "mixed/y.zip", {"y.bmp": b""})
    assert found(tmp_path / "mixed", root, layout="bitmaps").depth == 1
    with pytest.raises(UsageError, match="unknown layout 'bitmap'"):
        found(tmp_path / "x.zip", root, layout="bitmap")


def test_a_layout_that_is_named_has_a_file_there(root: Path, tmp_path: Path) -> None:
    for place in (
        write_files(tmp_path / "loose", {"a.png": b"", "provenance.json": b"{}"}),
        write_zip(tmp_path / "x.zip", {"a.png": b"", "provenance.json": b"{}"}),
    ):
        with pytest.raises(DataError, match=r"no file of layout bitmaps; 2 files, such as a\.png"):
            found(place, root, layout="bitmaps")
    write_tar(tmp_path / "loose/x.tar.gz", ALL)
    with pytest.raises(UsageError, match=r"loose/x\.tar\.gz is compressed as a whole"):
        found(tmp_path / "loose", root, layout="bitmaps")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz", "outer.zip"])
def test_what_is_compressed_as_a_whole_needs_copy(root: Path, tmp_path: Path, name: str) -> None:
    if name == "outer.zip":
        inner = write_zip(tmp_path / "train.zip", TRAIN).read_bytes()
        place = write_zip(tmp_path / "a b" / name, {"train.zip": inner})
    else:
        place = write_tar(tmp_path / "a b" / name, ALL)
    with pytest.raises(UsageError, match="compressed as a whole") as caught:
        found(place, root)
    assert f"eyecli fetch path '{place}' --copy" in str(caught.value.hint)


def test_files_that_are_opened_on_disk_are_not_taken_from_an_archive(
    root: Path, tmp_path: Path
) -> None:
    layouts = {"bitmaps": ("gaze", Layout("", BITMAPS.fits, (), by_path=True))}
    place = write_zip(tmp_path / "x.zip", ALL)
    with pytest.raises(DataError, match="layout bitmaps are opened on disk") as caught:
        find_layout(place, layouts, root)
    assert "--copy" in str(caught.value.hint)
    source = fetched(root, place)
    with pytest.raises(DataError, match=r"train/1\.bmp is opened on disk") as caught:
        source.path("train/1.bmp")
    assert "--copy" in str(caught.value.hint)
    loose = fetched(root, write_files(tmp_path / "loose", ALL))
    assert loose.path("train/1.bmp").read_bytes() == ALL["train/1.bmp"]


def test_an_unchanged_archive_is_not_read_again_and_a_changed_one_is_named(
    root: Path, tmp_path: Path
) -> None:
    place = competition(tmp_path / "data")
    artifact = fetch_path(root, place, LAYOUTS).artifact
    part = place / "train.zip.002"
    content, stat = part.read_bytes(), part.stat()
    # Another content of the same size and time: whoever reads it sees the difference.
    part.write_bytes(content[:400] + bytes([content[400] ^ 1]) + content[401:])
    os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fetch_path(root, place, LAYOUTS).cached
    source = open_source(root, artifact)
    assert rehash(root, place)[1] == ["train.zip.002"]
    for read in (lambda: contents(source), lambda: open_source(root, artifact)):
        with pytest.raises(DataError, match=r"train\.zip\.001: train/.\.bmp: damaged"):
            read()
    part.write_bytes(content)
    assert contents(open_source(root, artifact)) == ALL
    write_zip(place / "labels.csv.zip", {"labels.csv": b"other"})
    with pytest.raises(DataError, match=r"1 files changed, first labels\.csv"):
        open_source(root, artifact)
    (place / "train.zip.003").unlink()
    with pytest.raises(DataError, match=r"train\.zip\.003 is missing"):
        open_source(root, artifact)


def test_what_is_read_is_what_was_fetched(root: Path, tmp_path: Path) -> None:
    """A tar has no checksums of its own."""
    place = write_tar(tmp_path / "x.tar", ALL)
    artifact, stat = fetch_path(root, place, LAYOUTS).artifact, place.stat()
    place.write_bytes(place.read_bytes().replace(ALL["labels.csv"], b"edited!" * 3))
    os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    source = open_source(root, artifact)
    with pytest.raises(
        DataError, match=r"x\.tar/labels\.csv changed since it was fetched"
    ) as caught:
        source.read("labels.csv")
    assert "eyecli fetch path" in str(caught.value.hint)
    assert source.read("train/3.bmp") == ALL["train/3.bmp"]


def test_a_list_of_a_zip_that_is_wrong_about_a_size_is_damaged(root: Path, tmp_path: Path) -> None:
    place = write_zip(tmp_path / "x.zip", TRAIN, zipfile.ZIP_STORED)
    content = bytearray(place.read_bytes())
    at = content.rindex(b"PK\1\2") + 24
    content[at : at + 4] = struct.pack("<L", 1300)
    place.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.zip: train/8\.bmp: .* 800 bytes instead of 1300"):
        fetch_path(root, place, LAYOUTS)


def test_only_what_changed_is_hashed_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = competition(tmp_path / "data")
    read: list[str] = []
    real = module._hash

    def counted(base: Path, entry: module.Entry) -> module.Digest:
        read.append(entry.name)
        return real(base, entry)

    monkeypatch.setattr(module, "_hash", counted)
    fetch_path(root, place, LAYOUTS)
    assert sorted(read) == sorted(ALL)
    read.clear()
    fetch_path(root, place, LAYOUTS)
    assert read == []
    write_zip(place / "labels.csv.zip", {"labels.csv": b"other"})
    assert not fetch_path(root, place, LAYOUTS).cached
    assert read == ["labels.csv"]


def test_the_index_of_an_archive_that_is_gone_goes(root: Path, tmp_path: Path) -> None:
    place = write_zip(tmp_path / "x.zip", ALL)
    fetch_path(root, place, LAYOUTS)
    assert collect_garbage(root, 0)[0] == []
    place.unlink()
    assert len(collect_garbage(root, 0)[0]) == 2
    assert list((root / "index").iterdir()) == []


def _read_pickled(pickled: bytes, path: str) -> bytes:
    return bytes(pickle.loads(pickled).read(path))  # noqa: S301


def test_other_threads_and_processes_read_the_same(root: Path, tmp_path: Path) -> None:
    source = fetched(root, competition(tmp_path / "data"))
    pickled = pickle.dumps(source)
    assert len(pickled) < 5000
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(source.read, list(ALL) * 20)) == list(ALL.values()) * 20
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        assert process.submit(_read_pickled, pickled, "train/3.bmp").result() == ALL["train/3.bmp"]
    # A forked process shares what was open, and moves nothing of it.
    with ProcessPoolExecutor(2, get_context("fork")) as processes:
        jobs = [processes.submit(_read_pickled, pickled, path) for path in list(ALL) * 5]
        assert [source.read(path) for path in list(ALL) * 5] == [job.result() for job in jobs]


def test_the_workspace_beside_archives_is_no_part_of_the_data(tmp_path: Path) -> None:
    place = competition(tmp_path / "data")
    root = open_workspace(place / "eyecli-workspace", create=True)
    write_zip(root / "downloads/x.zip", {"other.bmp": b""})
    assert contents(fetched(root, place)) == ALL
