"""What a model is applied to: folders, archives, one file, tables."""

from __future__ import annotations

import logging
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from eyecli.data.classes import images
from eyecli.data.fields import Field
from eyecli.data.inputs import Inputs, find_inputs
from eyecli.errors import DataError, UsageError

FIELDS = (
    Field("path", "path", "photograph", "a.jpg", needed=True, aliases=("file", "image")),
    Field("id", "text", "goes along", "a"),
    Field("subject", "text", "whose", "p01", aliases=("patient",)),
    Field("side", "choice", "which", "left", choices={"left": "OS", "right": "OD"}),
)
FILES = {"b/2.png": b"two", "a.jpg": b"one", "b/10.JPG": b"ten", "b/notes.txt": b"-"}
SORTED = [("a.jpg", b"one"), ("b/10.JPG", b"ten"), ("b/2.png", b"two")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    for name, content in {**FILES, ".hidden/3.png": b"no"}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def find(place: Path, workspace: Path = Path("none"), **columns: str) -> Inputs:
    return find_inputs(place, workspace, FIELDS, images, "photographs", columns)


def contents(inputs: Inputs) -> list[tuple[str, bytes]]:
    return [(one.file, one.read()) for one in inputs.files]


def test_pictures_of_a_folder_are_sorted_and_the_workspace_is_left_out(folder: Path) -> None:
    (folder / "ws").mkdir()
    (folder / "ws/kept.png").write_bytes(b"ours")
    assert contents(find(folder, folder / "ws")) == SORTED
    assert find(folder).carried == ()


def test_archives_are_read_where_they_lie(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in FILES.items():
            packed.writestr(name, content)
    with tarfile.open(tmp_path / "p.tar", "w") as tar:
        for name in FILES:
            tar.add(folder / name, name)
    for name in ("p.zip", "p.tar"):
        assert contents(find(tmp_path / name)) == SORTED
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as tar:
        tar.add(folder / "a.jpg", "a.jpg")
    with pytest.raises(UsageError, match="compressed as a whole"):
        find(tmp_path / "p.tar.gz")


def test_one_file_is_called_as_it_was_named(folder: Path) -> None:
    assert contents(find(folder / "a.jpg")) == [(str(folder / "a.jpg"), b"one")]


@pytest.mark.parametrize("column", ["path", "file", "image"])
def test_a_table_gives_the_order_and_what_goes_along(folder: Path, column: str) -> None:
    table = folder / "list.csv"
    table.write_text(f"patient;grade;{column}\np1;7;b/2.png\n;;a.jpg\n", encoding="utf-8-sig")
    found = find(table)
    assert found.carried == ("subject",)
    assert contents(found) == [("b/2.png", b"two"), ("a.jpg", b"one")]
    assert [one.carried for one in found.files] == [{"subject": "p1"}, {"subject": ""}]


def test_columns_may_have_names_of_their_owner(folder: Path) -> None:
    (folder / "list.csv").write_text("photo,id\na.jpg,1\n")
    assert contents(find(folder / "list.csv", path="photo")) == [("a.jpg", b"one")]
    with pytest.raises(DataError) as caught:
        find(folder / "list.csv")
    assert "--columns path=NAME" in str(caught.value.hint)
    with pytest.raises(UsageError, match="is no CSV"):
        find(folder, path="photo")


def test_a_bad_row_is_said_when_its_turn_comes(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "list.csv").write_text("path,id\na.jpg,1\nno.png,2\na.jpg,3,4\n,5\npipe.png,6\n")
    good, *bad = find(folder / "list.csv").files
    assert good.read() == b"one"
    said = []
    for one in bad:
        with pytest.raises(DataError) as caught:
            one.read()
        said.append(caught.value.message.removeprefix(f"{folder}/"))
    assert said == [
        "no.png: no such file", "list.csv: row 4: 3 cells, the header has 2",
        "list.csv: row 5: path is empty", "pipe.png: no such file",
    ]  # fmt: skip
    assert [one.carried["id"] for one in bad] == ["2", "", "5", "6"]


def test_what_goes_along_may_be_unknown_but_not_wrong(folder: Path) -> None:
    (folder / "list.csv").write_text("path,side\na.jpg,Left\na.jpg,\na.jpg,up\n")
    known, blank, wrong = find(folder / "list.csv").files
    assert (known.read(), blank.read()) == (b"one", b"one")
    assert [one.carried for one in (known, blank)] == [{"side": "Left"}, {"side": ""}]
    with pytest.raises(DataError, match=r"row 4: side 'up' is none of left, right"):
        wrong.read()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none", None, "no such folder"),
        ("notes.txt", "x", "none of photographs, no CSV and no archive"),
        ("list.csv", "grade\n1\n", "column 'path' is missing"),
        ("list.csv", "path\n", "no photographs in it"),
        ("p.zip", "no zip", "damaged"),
    ],
)
def test_what_cannot_be_a_source_is_named(
    tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        find(tmp_path / name)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="no photographs in it"):
        find(tmp_path)


def test_what_cannot_be_read_keeps_its_place_and_the_others_are_read(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "a0.jpg").symlink_to("nowhere")
    (folder / "b/11.png").symlink_to("11.png")
    (folder / "b/up").symlink_to("..")
    (folder / "gone").symlink_to("nowhere")
    Path(os.fsdecode(os.fsencode(folder) + b"/c\xff.png")).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(folder) + b"/d\xff")).mkdir()
    files = find(folder).files
    assert [one.file for one in files] == [
        "a.jpg", "a0.jpg", "b/10.JPG", "b/11.png", "b/2.png", r"c\xff.png", r"d\xff",
    ]  # fmt: skip
    assert [files[i].read() for i in (0, 2, 4)] == [b"one", b"ten", b"two"]
    for place, said in ((1, "leads nowhere"), (3, "leads nowhere"), (5, "UTF-8"), (6, "UTF-8")):
        with pytest.raises(DataError, match=said):
            files[place].read()
    warned = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert [message.removeprefix(f"{folder}/") for message in warned] == [
        "b/up: a link that leads back up: it is left out",
        "gone: a link that leads nowhere: No such file or directory: it is left out",
    ]


def test_a_row_that_no_file_can_be_called_is_said(folder: Path) -> None:
    (folder / "list.csv").write_text(f"path\n{'x' * 300}.png\n")
    (row,) = find(folder / "list.csv").files
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        row.read()
