"""What a file or a folder is taken for, by names and headers alone."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from eyecli.calibration.users import EMBEDDINGS, find_parts
from eyecli.errors import DataError
from eyecli.tasks.base import all_layouts

HEADER = "embedding_0,base_x,base_y,target_x,target_y,point\n"
TABLE = "subject,target_x,target_y,left,right\n"


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def parts(folder: Path) -> list[tuple[str, str, str | None]]:
    found = find_parts(folder, all_layouts()).parts
    return [(part.place.relative_to(folder).as_posix(), part.layout, part.name) for part in found]


def test_a_known_layout_is_read_as_a_whole(tmp_path: Path) -> None:
    table = make(tmp_path / "a", {"table.csv": TABLE, "p01/left.png": "", "p01/right.png": ""})
    crops = make(tmp_path / "b", {"left/1_2.bmp": "", "right/1_2.bmp": ""})
    assert parts(table) == [(".", "image-table", None)]
    assert parts(crops) == [(".", "eye-crops", None)]
    assert not find_parts(crops, all_layouts()).many
    (one,) = find_parts(table / "table.csv", all_layouts()).parts
    assert (one.layout, one.table) == ("image-table", table / "table.csv")


def test_files_and_sub_folders_are_users(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, {
        "eve.csv": HEADER, "bob.npz": "", "notes.txt": "", ".hidden.csv": HEADER, "old.CSV": "x\n",
        "p01/session1.csv": HEADER, "p01/session2.csv": "broken\n", ".trash/p.csv": HEADER,
        "p02/left/1_2.bmp": "", "p02/right/1_2.bmp": "", "p03/table.csv": TABLE, "ws/a": "",
        "p04/readme.txt": "",
    })  # fmt: skip
    (tmp_path / "p05").mkdir()
    with caplog.at_level(logging.WARNING):
        found = find_parts(tmp_path, all_layouts(), workspace=tmp_path / "ws")
    assert found.many
    assert [(p.place.name, p.layout, p.name, len(p.files)) for p in found.parts] == [
        ("bob.npz", EMBEDDINGS, "bob", 1), ("eve.csv", EMBEDDINGS, "eve", 1),
        ("old.CSV", EMBEDDINGS, "old", 1), ("p01", EMBEDDINGS, "p01", 2),
        ("p02", "eye-crops", "p02", 0), ("p03", "image-table", "p03", 0),
    ]  # fmt: skip
    wrong = [error.message for error in found.refused]
    assert len(wrong) == 2
    assert "p04: nothing to calibrate from; 1 files, such as readme.txt" in wrong[0]
    assert "p05: nothing to calibrate from; no files" in wrong[1]
    assert f"{tmp_path}: not used: notes.txt" in caplog.text


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({".hidden": ""}, "no files"),
        ({"notes.txt": "", "a/b.txt": ""}, "2 files, such as a/b.txt"),
        ({"p01/p02/eve.csv": HEADER}, "1 files, such as p01/p02/eve.csv"),
    ],
)
def test_a_folder_of_nothing_is_told_what_it_may_hold(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(DataError, match=f"nothing to calibrate from; {said}") as caught:
        find_parts(make(tmp_path, files), all_layouts())
    for word in ("embeddings", "schema", "sub-folders"):
        assert word in str(caught.value.hint)


def test_what_is_known_to_be_a_layout_is_not_guessed(tmp_path: Path) -> None:
    make(tmp_path, {"a.csv": TABLE, "b.csv": TABLE})
    (one,) = find_parts(tmp_path, all_layouts(), layout="image-table").parts
    assert one.layout == "image-table"


def test_sub_folders_of_several_forms_are_each_their_own(tmp_path: Path) -> None:
    """Videos below a folder would be a layout of the whole, and the others lost."""
    videos = make(tmp_path / "videos", {"mia/a.mp4": "", "mia/a.json": "", "tom/b.mp4": "",
                                        "tom/b.json": ""})  # fmt: skip
    assert parts(videos) == [(".", "face-sessions", None)]
    make(videos, {"lena/a.csv": HEADER})
    assert parts(videos) == [
        ("lena", EMBEDDINGS, "lena"), ("mia", "face-sessions", "mia"),
        ("tom", "face-sessions", "tom"),
    ]  # fmt: skip
    (videos / "lena" / "a.csv").write_text(TABLE)
    assert ("lena", "image-table", "lena") in parts(videos)
