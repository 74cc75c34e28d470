"""Photographs and grades as sources tell of them, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from photograph_sources import make_source

from eyecli.errors import DataError, UsageError
from eyecli.tasks.dr.fields import GRADE, PATH
from eyecli.tasks.dr.photographs import (
    BAD_ROW,
    NO_GRADE,
    NO_IMAGE,
    NO_ROW,
    TWICE,
    Photographs,
    list_photographs,
)

EYES = ("train/10_left.jpeg", "train/10_right.jpeg", "train/7_left.jpeg")
LABELS = "image,level\n10_left,0\n10_right,2\n7_left,4\n"


def kaggle(
    folder: Path, labels: str = LABELS, files: tuple[str, ...] = EYES, **more: Any
) -> Photographs:
    content = {name: name.encode() for name in files} | {"trainLabels.csv": labels.encode()}
    return list_photographs(make_source(folder, "kaggle-dr", content, **more))


def faults(found: Photographs) -> list[tuple[str, str, str]]:
    return [(Path(fault.file).name, fault.place, fault.reason) for fault in found.faults]


def test_names_tell_patient_and_side(tmp_path: Path) -> None:
    found = kaggle(tmp_path)
    assert found.faults == []
    assert found.files == list(EYES)
    assert found.rows == [
        {"sample": "10_left", "subject": "10", "laterality": "OS", "grade": 0},
        {"sample": "10_right", "subject": "10", "laterality": "OD", "grade": 2},
        {"sample": "7_left", "subject": "7", "laterality": "OS", "grade": 4},
    ]
    assert found.where[1].endswith("trainLabels.csv: row 3")


def test_each_fault_is_named_and_nothing_else_is_lost(tmp_path: Path) -> None:
    labels = LABELS + "10_left,1\n8_left,1\n7_left,7\n9_left\n6_right,1.5\n"
    found = kaggle(tmp_path, labels, (*EYES, "test/10_left.jpeg", "train/5_left.jpeg"))
    assert faults(found) == [
        ("trainLabels.csv", "row 7", BAD_ROW),
        ("trainLabels.csv", "row 8", BAD_ROW),
        ("trainLabels.csv", "row 9", BAD_ROW),
        ("trainLabels.csv", "row 6", NO_IMAGE),
        ("10_left.jpeg", "", TWICE),
        ("5_left.jpeg", "", NO_ROW),
        ("10_left.jpeg", "row 5", TWICE),
    ]
    details = [fault.detail for fault in found.faults]
    assert details[0] == "level 7 is out of range (0 to 4)"
    assert details[1] == "1 cells, the header has 2"
    assert details[2] == "level 1.5 is no whole number"
    assert details[3] == "no image '8_left'"
    assert [row["sample"] for row in found.rows] == ["10_left", "10_right", "7_left"]


def test_of_two_files_with_one_name_the_first_is_meant(tmp_path: Path) -> None:
    found = kaggle(tmp_path, files=(*EYES, "a/10_left.jpeg"))
    assert found.files[0] == "a/10_left.jpeg"
    assert faults(found) == [("10_left.jpeg", "", TWICE)]


def test_the_published_test_set_is_a_split(tmp_path: Path) -> None:
    content = dict.fromkeys(EYES, b"x")
    content["trainLabels.csv"] = b"image,level\n10_left,0\n10_right,2\n"
    content["retinopathy_solution.csv"] = b"image,level,Usage\n7_left,4,Private\n"
    source = make_source(tmp_path, "kaggle-dr", content, split_column="usage")
    found = list_photographs(source)
    assert [row["published"] for row in found.rows] == ["private", "train", "train"]


def test_a_table_names_its_own_columns(tmp_path: Path) -> None:
    content = {
        "a/1.png": b"1",
        "b/1.png": b"2",
        "b/2.png": b"3",
        "t.csv": b"file,eye,level,patient\na/1.png,right,3,p\nb/1.png,OS,0,p\nb/3.png,OS,0,p\n",
    }
    found = list_photographs(make_source(tmp_path, "dr-table", content))
    assert found.rows == [
        {"sample": "a/1.png", "subject": "p", "laterality": "OD", "grade": 3},
        {"sample": "b/1.png", "subject": "p", "laterality": "OS", "grade": 0},
    ]
    assert faults(found) == [("t.csv", "row 4", NO_IMAGE), ("2.png", "", NO_ROW)]


@pytest.mark.parametrize("path", PATH.aliases)
@pytest.mark.parametrize("grade", [GRADE.name, *GRADE.aliases])
def test_published_tables_keep_their_columns(tmp_path: Path, path: str, grade: str) -> None:
    table = f"{path.title()},{grade.upper()},Risk of macular edema ,,\na1,2,x,,\n b.c.png,4,x,,\n"
    content = {"t.csv": table.encode(), "train_images/a1.png": b"1", "x/b.c.png": b"2"}
    found = list_photographs(make_source(tmp_path, "dr-table", content))
    assert found.faults == []
    assert found.files == ["train_images/a1.png", "x/b.c.png"]
    assert [(row["sample"], row["grade"]) for row in found.rows] == [("a1", 2), ("b.c", 4)]


@pytest.mark.parametrize(
    ("header", "field"),
    [("image,id_code,level", "path"), ("path,Diagnosis,level", "grade")],
)
def test_of_two_columns_that_could_be_meant_none_is_chosen(
    tmp_path: Path, header: str, field: str
) -> None:
    content = {"t.csv": f"{header}\na,a,1\n".encode(), "a.png": b"1"}
    with pytest.raises(DataError, match=f"could both be the {field}") as error:
        list_photographs(make_source(tmp_path, "dr-table", content))
    first = header.split(",")[0] if field == "path" else "level"
    assert error.value.hint == f"say which it is: --columns {field}={first}"


def test_the_user_or_the_own_name_settles_which_column_is_meant(tmp_path: Path) -> None:
    content = {"t.csv": b"image,id_code,grade,level\nz,a,1,3\n", "a.png": b"1"}
    source = make_source(tmp_path, "dr-table", content, columns={"path": "id_code"})
    found = list_photographs(source)
    assert [(row["sample"], row["grade"]) for row in found.rows] == [("a", 1)]


def test_a_name_of_several_files_is_none(tmp_path: Path) -> None:
    content = {"t.csv": b"image,level\na,1\nx/a,2\n"} | dict.fromkeys(("x/a.png", "y/a.jpg"), b"1")
    found = list_photographs(make_source(tmp_path, "dr-table", content))
    assert found.files == ["x/a.png"]
    assert faults(found) == [("t.csv", "row 2", BAD_ROW), ("a.jpg", "", NO_ROW)]
    assert found.faults[0].detail == "image 'a' is each of x/a.png and y/a.jpg"


def test_folders_are_grades_and_names_may_tell_the_patient(tmp_path: Path) -> None:
    content = {
        "0/p1_a.jpg": b"1",
        "No DR/x.jpg": b"2",
        "Mild_DR/p2_a.jpg": b"3",
        "notes/z.jpg": b"4",
    }
    found = list_photographs(make_source(tmp_path, "dr-class-folders", content))
    assert [(row["sample"], row["grade"]) for row in found.rows] == [
        ("0/p1_a.jpg", 0), ("Mild_DR/p2_a.jpg", 1), ("No DR/x.jpg", 0),
    ]  # fmt: skip
    named = make_source(tmp_path, "dr-class-folders", content, filename="{subject}_{}.jpg")
    found = list_photographs(named)
    assert [row["subject"] for row in found.rows] == ["p1", "p2"]
    assert faults(found) == [("x.jpg", "", BAD_ROW), ("z.jpg", "", BAD_ROW)]


def test_what_lies_in_no_folder_of_a_grade_is_named(tmp_path: Path) -> None:
    files = ("-1/6.jpg", "0/1.jpg", "2/2.jpg", "2/extra/8.jpg", "9.jpg", "notes.txt")
    found = list_photographs(
        make_source(tmp_path, "dr-class-folders", {name: name.encode() for name in files})
    )
    assert [(row["sample"], row["grade"]) for row in found.rows] == [("0/1.jpg", 0), ("2/2.jpg", 2)]
    assert [(fault.file, fault.reason, fault.detail) for fault in found.faults] == [
        ("-1/6.jpg", NO_GRADE, "grade -1 is none of 0 to 4"),
        ("2/extra/8.jpg", NO_GRADE, "grade extra is none of 0 to 4"),
        ("9.jpg", NO_GRADE, "no folder tells its grade"),
    ]


def test_what_is_no_source_of_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not one of dr"):
        list_photographs(make_source(tmp_path / "a", "eye-crops", {"left/1_2.bmp": b"x"}))
    with pytest.raises(DataError, match="no photographs found"):
        list_photographs(make_source(tmp_path / "b", "dr-class-folders", {"notes.txt": b"x"}))
    with pytest.raises(UsageError, match="--columns"):
        kaggle(tmp_path / "c", columns={"grade": "level"})
