"""Fundus photographs as they are published are recognised, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_cases import recognised

from eyecli.data.fields import example, parse_cell
from eyecli.errors import DataError
from eyecli.tasks.dr.fields import GRADE, KAGGLE_FIELDS, LAYOUTS, SIDE, grade_of

EYES = {f"train/{n}_{side}.jpeg": "" for n in range(10, 13) for side in ("left", "right")}
SOLUTION = "image,level,Usage\n10_left,0,Private\n"


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({**EYES, "trainLabels.csv": "image,level\n10_left,0\n"}, "kaggle-dr"),
        ({**EYES, "retinopathy_solution.csv": SOLUTION}, "kaggle-dr"),
        ({**EYES, "labels/trainLabels.csv": "image,level\n"}, "kaggle-dr"),
        ({"10_left.png": "", "10_right.png": "", "any.csv": "image,level\n"}, "kaggle-dr"),
        ({"images/a.jpg": "", "labels.csv": "path,grade,dme_risk\n"}, "dr-table"),
        ({"train_images/0a.png": "", "train.csv": "id_code,diagnosis\n"}, "dr-table"),
        (
            {"a.jpg": "", "x.csv": "Image name,Retinopathy grade,,\n"},
            "dr-table",
        ),
        ({"a.jpg": "", "x.csv": "\ufefffile;level;patient\n"}, "dr-table"),
        (["train/0/a.png", "train/1/b.png", "test/0/c.png", "test/4/d.png"], "dr-class-folders"),
        (["No_DR/a.png", "Mild/b.png", "Proliferate_DR/c.png", "README.txt"], "dr-class-folders"),
        (["0/a.png", "2/b.png", "4/c.png", "-1/d.png", "2/deep/e.png"], "dr-class-folders"),
        (["0/a.png", "2/b.png", "4/c.png", "d.png"], "dr-class-folders"),
    ],
)
def test_what_is_published_is_recognised(
    tmp_path: Path, files: dict[str, str], layout: str
) -> None:
    found = recognised(tmp_path, files)
    assert (found.task, found.layout) == ("dr", layout)
    assert list(found.unused) == (["README.txt"] if "README.txt" in files else [])


@pytest.mark.parametrize(
    "files",
    [
        list(EYES), ["1/a.png", "2/b.png"], ["0/a.png"], {"a.jpg": "", "0/x.txt": ""},
        ["0/a.png", "1/b.png", "x/c.png", "y/d.png"], ["0/a.png", "-1/b.png"],
    ],
)  # fmt: skip
def test_without_labels_it_is_not(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(DataError, match="none of the known layouts"):
        recognised(tmp_path, files)


@pytest.mark.parametrize(
    ("folder", "grade"),
    [
        ("0", "0"), ("4", "4"), (" No DR ", "0"), ("Mild_DR", "1"), ("proliferate-dr", "4"),
        ("-1", None), ("1-", None), ("_2", None), ("(3)", None), ("5", None), ("0.1", None),
        ("ungradable", None), ("", None),
    ],
)  # fmt: skip
def test_a_folder_is_a_grade_in_plain_words_only(folder: str, grade: str | None) -> None:
    assert grade_of(f"train/{folder}/a.jpg" if folder else "a.jpg") == grade


def test_left_is_os_and_a_grade_is_0_to_4() -> None:
    assert [parse_cell(side, SIDE, "x") for side in ("left", "RIGHT", "os", "R")] == [
        "OS", "OD", "OS", "OD"
    ]  # fmt: skip
    assert parse_cell("4", GRADE, "x") == 4
    with pytest.raises(DataError, match=r"out of range \(0 to 4\)"):
        parse_cell("5", GRADE, "x")
    (usage,) = (field for field in KAGGLE_FIELDS if field.name == "usage")
    assert parse_cell("Private", usage, "Usage") == "private"


def test_every_example_is_recognised_as_itself(tmp_path: Path) -> None:
    assert "10_left,0" in example(LAYOUTS["kaggle-dr"])
    table = {"x.csv": example(LAYOUTS["dr-table"]), "images/p01.jpg": ""}
    assert recognised(tmp_path / "a", table).layout == "dr-table"
    folders = example(LAYOUTS["dr-class-folders"]).splitlines()
    assert recognised(tmp_path / "b", folders).layout == "dr-class-folders"
