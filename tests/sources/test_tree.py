"""Hashing a folder: exact, only once, and nothing is left out silently."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.errors import DataError
from eyecli.sources.tree import hash_tree, index_path, indexed_folders, read_index, rehash, walk
from eyecli.workspace.gc import collect_garbage
from eyecli.workspace.store import open_workspace

NAMES = ("a.bmp", "deep/er/b c.bmp", "ä'\"ö.bmp", "comma,semi;.bmp", "$(touch x).bmp", "目.bmp")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_every_file_gets_its_sha256(root: Path, folder: Path) -> None:
    tree = hash_tree(root, folder)
    assert {name: state.sha256 for name, state in tree.items()} == {
        name: hashlib.sha256(name.encode()).hexdigest() for name in NAMES
    }
    assert tree["a.bmp"].size == 5


def test_the_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    for number, names in enumerate((NAMES, NAMES[::-1])):
        for name in names:
            (tmp_path / f"{number}" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / f"{number}" / name).touch()
    first, second = ([path for path, _ in walk(tmp_path / n)] for n in "01")
    assert first == second
    assert first == sorted(NAMES, key=lambda name: name.split("/"))


def test_an_unchanged_file_is_not_read_again(root: Path, folder: Path) -> None:
    before = hash_tree(root, folder)
    # Another content of the same size and time: whoever reads it sees the difference.
    path = folder / "a.bmp"
    stat = path.stat()
    path.write_bytes(b"other")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert hash_tree(root, folder) == before
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert hash_tree(root, folder)["a.bmp"].sha256 == hashlib.sha256(b"other").hexdigest()


def test_an_unchanged_tree_writes_nothing(root: Path, folder: Path) -> None:
    hash_tree(root, folder)
    before = index_path(root, folder).stat()
    hash_tree(root, folder)
    after = index_path(root, folder).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_rehash_finds_and_names_what_the_index_hides(root: Path, folder: Path) -> None:
    hash_tree(root, folder)
    for name in NAMES[:2]:
        path = folder / name
        stat = path.stat()
        path.write_bytes(b"X" * stat.st_size)
        # The first changes openly, the second under the same size and time.
        later = 0 if name == NAMES[1] else 1
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + later))
    (folder / "new.bmp").touch()
    tree, changed = rehash(root, folder)
    assert changed == [NAMES[1]]
    assert tree[NAMES[1]].sha256 == hashlib.sha256(b"X" * len(NAMES[1].encode())).hexdigest()
    assert hash_tree(root, folder) == tree
    assert rehash(root, folder) == (tree, [])


def test_the_indexed_folders_are_known(root: Path, folder: Path, tmp_path: Path) -> None:
    assert indexed_folders(root) == []
    hash_tree(root, folder)
    shutil.copytree(folder, tmp_path / "b 'ä\"")
    hash_tree(root, tmp_path / "b 'ä\"")
    index_path(root, tmp_path / "damaged").write_bytes(b"{")
    assert indexed_folders(root) == [tmp_path / "b 'ä\"", folder]


def test_the_index_of_a_folder_that_is_gone_goes(root: Path, folder: Path, tmp_path: Path) -> None:
    hash_tree(root, folder)
    folder.rename(tmp_path / "moved")
    hash_tree(root, tmp_path / "moved")
    removed, _ = collect_garbage(root, 0)
    assert [waste.path for waste in removed] == [index_path(root, folder)]
    assert indexed_folders(root) == [tmp_path / "moved"]


def test_a_change_of_size_with_the_old_time_is_seen(root: Path, folder: Path) -> None:
    hash_tree(root, folder)
    stat = (folder / "a.bmp").stat()
    (folder / "a.bmp").write_bytes(b"longer than before")
    os.utime(folder / "a.bmp", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert hash_tree(root, folder)["a.bmp"].size == 18


def test_new_and_deleted_files_are_seen(root: Path, folder: Path) -> None:
    before = set(hash_tree(root, folder))
    (folder / "new.bmp").touch()
    (folder / "a.bmp").unlink()
    assert set(hash_tree(root, folder)) == before - {"a.bmp"} | {"new.bmp"}
    assert set(read_index(root, folder)) == before - {"a.bmp"} | {"new.bmp"}


@pytest.mark.parametrize("content", [b"", b"{", b'{"a":[1]}', b'{"\xff":[1,2,"x"]}'])
def test_a_damaged_index_only_costs_time(root: Path, folder: Path, content: bytes) -> None:
    before = hash_tree(root, folder)
    index_path(root, folder).write_bytes(content)
    assert hash_tree(root, folder) == before


def test_hidden_files_and_folders_are_left_out(root: Path, folder: Path) -> None:
    before = hash_tree(root, folder)
    for name in (".DS_Store", ".git/config", "deep/.thumbs/x.bmp", "._a.bmp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / ".broken").symlink_to("nowhere")
    assert hash_tree(root, folder) == before


def test_the_workspace_is_no_part_of_the_data_around_it(folder: Path) -> None:
    root = open_workspace(folder / "eyecli-workspace", create=True)
    assert set(hash_tree(root, folder)) == set(NAMES)


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_files_is_refused(root: Path, tmp_path: Path, make: bool) -> None:
    (tmp_path / "empty").mkdir()
    if make:
        (tmp_path / "empty/below").mkdir()
        (tmp_path / "empty/.hidden").touch()
    with pytest.raises(DataError, match="empty: no files"):
        hash_tree(root, tmp_path / "empty")


def test_links_are_followed(root: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/x.bmp").write_bytes(b"x")
    (folder / "folder").symlink_to(tmp_path / "far")
    (folder / "file.bmp").symlink_to(tmp_path / "far/x.bmp")
    tree = hash_tree(root, folder)
    assert tree["folder/x.bmp"] == tree["file.bmp"]
    (tmp_path / "link").symlink_to(folder)
    assert hash_tree(root, tmp_path / "link") == tree


@pytest.mark.parametrize("target", ["..", ".", "../../data/deep"])
def test_a_link_that_leads_back_up_is_named(root: Path, folder: Path, target: str) -> None:
    (folder / "deep/loop").symlink_to(target)
    with pytest.raises(DataError, match="deep/loop: a link that leads back up"):
        hash_tree(root, folder)


def test_a_link_that_leads_nowhere_is_named(root: Path, folder: Path) -> None:
    (folder / "deep/annexed.bmp").symlink_to("../.git/annex/objects/x")
    with pytest.raises(DataError, match=r"deep/annexed\.bmp: a link that leads nowhere"):
        hash_tree(root, folder)


def test_a_name_that_is_not_utf_8_is_named(root: Path, folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.bmp")).touch()
    with pytest.raises(DataError, match=r"file name 'caf.*\.bmp' is not UTF-8"):
        hash_tree(root, folder)


def test_folders_without_end_are_refused(root: Path, folder: Path) -> None:
    with contextlib.chdir(folder):
        for _ in range(250):
            Path("a").mkdir()
            os.chdir("a")
        Path("x.bmp").touch()
    with pytest.raises(DataError, match=f"{folder}: more than 200 folders in each other"):
        hash_tree(root, folder)


def test_a_pipe_in_place_of_an_archive_is_not_waited_for(root: Path, tmp_path: Path) -> None:
    for name in ("f.zip", "g.zip.002"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "g.zip.001").touch()
    for place, pipe in (("f.zip", "f.zip"), ("g.zip.001", "g.zip.002")):
        with pytest.raises(DataError, match=f"{pipe}: not a regular file"):
            hash_tree(root, tmp_path / place)


def test_two_folders_have_two_indices(root: Path, folder: Path, tmp_path: Path) -> None:
    hash_tree(root, folder)
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    (folder / "only.bmp").touch()
    assert set(hash_tree(root, folder)) == {"only.bmp"}
    assert set(hash_tree(root, tmp_path / "moved")) == set(NAMES)


@settings(deadline=None, max_examples=60)
@given(names=st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12),
    min_size=1, max_size=4, unique=True,
))  # fmt: skip
def test_any_file_name_comes_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    for name in names:
        if name not in (".", ".."):
            (folder / name).touch()
    shown = [name for name in names if not name.startswith(".")]
    assert sorted(path for path, _ in walk(folder)) == sorted(shown)
