"""Sources: recognised, hashed by reference, and refused once they have changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eyecli.data.fields import Layout
from eyecli.errors import DataError, UsageError
from eyecli.sources.layouts import Listing, recognise
from eyecli.sources.source import Source, fetch_path, open_source
from eyecli.workspace.store import open_workspace, versions

LAYOUTS = {
    "bitmaps": ("gaze", Layout("", lambda names: any(n.endswith(".bmp") for n in names), ())),
    "volumes": ("oct", Layout("", lambda names: any(n.endswith(".vol") for n in names), ())),
}
NAMES = ("a.bmp", "deep/b c.bmp", "ä'\"ö,.bmp", "carriage\rreturn.bmp", "line\nfeed.bmp")


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


def listing(*names: str) -> Listing:
    return Listing(names, lambda name, size: b"")


def test_a_source_reads_back_file_by_file(root: Path, folder: Path) -> None:
    artifact = fetch_path(root, folder, LAYOUTS, licence="CC-BY-4.0", synthetic=True).artifact
    manifest = artifact.manifest
    assert (artifact.ref, manifest.summary["files"]) == ("source/gaze@v1", len(NAMES))
    assert (manifest.licences, manifest.flags) == (["CC-BY-4.0"], {"synthetic": True})
    source = open_source(root, artifact)
    assert (source.folder, source.layout, set(source.digests)) == (folder, "bitmaps", set(NAMES))
    for name in NAMES:
        assert source.read(name) == name.encode()


def test_nothing_is_copied(root: Path, folder: Path) -> None:
    artifact = fetch_path(root, folder, LAYOUTS).artifact
    assert sorted(path.name for path in artifact.path.iterdir()) == [
        "SHA256SUMS", "files.csv", "layout.json", "manifest.json"
    ]  # fmt: skip


def test_the_same_folder_is_found_again_and_a_changed_one_is_not(root: Path, folder: Path) -> None:
    first = fetch_path(root, folder, LAYOUTS)
    again = fetch_path(root, folder, LAYOUTS)
    assert (again.artifact, again.cached) == (first.artifact, True)
    (folder / "new.bmp").touch()
    assert not fetch_path(root, folder, LAYOUTS).cached
    assert versions(root, "source/gaze") == [1, 2]


def test_rendered_and_recorded_are_not_confused(root: Path, folder: Path) -> None:
    for synthetic in (False, True, False):
        artifact = fetch_path(root, folder, LAYOUTS, synthetic=synthetic).artifact
        assert artifact.manifest.flags["synthetic"] is synthetic


def test_a_licence_stated_later_makes_another_version(root: Path, folder: Path) -> None:
    fetch_path(root, folder, LAYOUTS)
    stated = fetch_path(root, folder, LAYOUTS, licence="MIT").artifact
    assert (stated.ref, stated.manifest.licences) == ("source/gaze@v2", ["MIT"])


@pytest.mark.parametrize("change", ["content", "added", "removed"])
def test_a_changed_file_is_named(root: Path, folder: Path, change: str) -> None:
    artifact = fetch_path(root, folder, LAYOUTS).artifact
    name = "new.bmp" if change == "added" else "deep/b c.bmp"
    if change == "removed":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"longer than it was")
    with pytest.raises(DataError, match=f"1 files changed, first {name}") as caught:
        open_source(root, artifact)
    line = f"eyecli fetch path {folder} --layout {artifact.manifest.params['layout']}"
    assert caught.value.hint == f"fetch it again: {line}"


def test_fetching_again_keeps_what_was_said_of_the_data(root: Path, folder: Path) -> None:
    more = {"name": "lab", "licence": "CC BY 4.0"}
    artifact = fetch_path(root, folder, LAYOUTS, **more).artifact  # type: ignore[arg-type]
    source = open_source(root, artifact)
    (folder / "a.bmp").write_bytes(b"other")
    for read in (lambda: source.read("a.bmp"), lambda: open_source(root, artifact)):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value.hint).endswith(" --name lab --licence 'CC BY 4.0'")
    rendered = fetch_path(root, folder, LAYOUTS, synthetic=True).artifact
    (folder / "a.bmp").write_bytes(b"another")
    with pytest.raises(DataError) as caught:
        open_source(root, rendered)
    assert f"remove {folder} and run `eyecli fetch sample`" in str(caught.value.hint)


def test_a_file_that_changes_while_it_is_read_is_named(root: Path, folder: Path) -> None:
    source = open_source(root, fetch_path(root, folder, LAYOUTS).artifact)
    (folder / "a.bmp").write_bytes(b"other")
    with pytest.raises(DataError, match=r"a\.bmp changed since it was fetched"):
        source.read("a.bmp")
    (folder / "a.bmp").unlink()
    with pytest.raises(DataError, match=r"a\.bmp: No such file"):
        source.read("a.bmp")


def test_a_folder_that_is_gone_is_said_to_be(root: Path, folder: Path, tmp_path: Path) -> None:
    artifact = fetch_path(root, folder, LAYOUTS).artifact
    folder.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=f"its folder {folder} is gone"):
        open_source(root, artifact)
    # Fetched where it is now, its content is the same.
    moved = fetch_path(root, tmp_path / "moved", LAYOUTS).artifact
    assert moved.manifest.digest == artifact.manifest.digest
    shutil.move(tmp_path / "moved", folder)
    assert isinstance(open_source(root, artifact), Source)


def test_a_folder_that_has_become_a_file_is_another(root: Path, folder: Path) -> None:
    artifact = fetch_path(root, folder, LAYOUTS).artifact
    shutil.rmtree(folder)
    folder.touch()
    with pytest.raises(DataError, match="no longer matches"):
        open_source(root, artifact)


def test_a_layout_is_recognised_or_the_choice_is_named(tmp_path: Path) -> None:
    assert recognise(listing("x.vol"), LAYOUTS, tmp_path) == "volumes"
    with pytest.raises(DataError, match="could be bitmaps, volumes") as caught:
        recognise(listing("x.vol", "x.bmp"), LAYOUTS, tmp_path)
    assert caught.value.hint == "say which with --layout"
    with pytest.raises(DataError, match=r"none of the known layouts .* 2 files, such as a\.txt"):
        recognise(listing("a.txt", "b.txt"), LAYOUTS, tmp_path)


def test_a_layout_that_is_named_decides(root: Path, folder: Path) -> None:
    (folder / "x.vol").touch()
    assert fetch_path(root, folder, LAYOUTS, layout="volumes").artifact.ref == "source/oct@v1"
    with pytest.raises(UsageError, match="unknown layout 'bitmap'") as caught:
        fetch_path(root, folder, LAYOUTS, layout="bitmap")
    assert caught.value.hint == "did you mean 'bitmaps'?"


def test_no_folder_no_source(root: Path, folder: Path) -> None:
    for name, said in (("nowhere", "no such folder"), ("a.bmp", "neither a folder nor an archive")):
        with pytest.raises(DataError, match=f"{name}: {said}"):
            fetch_path(root, folder / name, LAYOUTS)


def test_what_a_layout_does_not_use_is_listed(
    root: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    layouts = {"bitmaps": ("gaze", Layout("", LAYOUTS["bitmaps"][1].fits, (), files=r".*\.bmp"))}
    for name in ("readme.txt", "b.png", "provenance.json"):
        (folder / name).touch()
    artifact = fetch_path(root, folder, layouts).artifact
    assert caplog.messages == ["2 files are not part of layout bitmaps, such as b.png"]
    # They are files of the source all the same.
    assert open_source(root, artifact).digests.keys() >= {"b.png", "readme.txt"}


def test_a_general_layout_is_for_what_is_no_other(tmp_path: Path) -> None:
    layouts = {**LAYOUTS, "any": ("oct", Layout("", lambda names: True, (), general=True))}
    assert recognise(listing("x.vol"), layouts, tmp_path) == "volumes"
    assert recognise(listing("x.txt"), layouts, tmp_path) == "any"


def test_a_copy_says_what_it_is_of(root: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    artifact = fetch_path(root, tmp_path / "copy", LAYOUTS, copy_of=folder).artifact
    (tmp_path / "copy/a.bmp").write_bytes(b"changed")
    with pytest.raises(DataError) as caught:
        open_source(root, artifact)
    again = f"eyecli fetch path {folder} --layout bitmaps --copy"
    assert caught.value.hint == f"remove {tmp_path / 'copy'}, then fetch it again: {again}"
