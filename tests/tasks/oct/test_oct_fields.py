"""B-scans as they are published are recognised, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_cases import recognised

from eyecli.data.fields import example
from eyecli.errors import DataError
from eyecli.tasks.oct.fields import LAYOUTS

CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")
KERMANY = [f"{part}/{c}/{c}-{n}-{n}.jpeg" for part in ("train", "test", "val") for c in CLASSES
           for n in (1016042, 7)]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (KERMANY, "kermany"),
        # As Kaggle has it: twice, under a name that ends in a space.
        ([f"{top}/{name}" for top in ("OCT2017 ", "oct2017/OCT2017 ") for name in KERMANY],
         "kermany"),
        (["NORMAL/NORMAL-1-1.jpeg"], "kermany"),
        ([f"{c}/{c} ({n}).jpeg" for c in ("AMRD", "CSR", "DR", "MH", "NORMAL") for n in (1, 2)],
         "octid"),
        ({"images/1_OD.jpg": "", "labels.csv": "path,label,dr,patient,eye\n"}, "oct-table"),
        (["CNV/a.png", "DME/b.png", "NORMAL/c.png"], "oct-class-folders"),
        (["data/train/amd/a.tif", "data/train/normal/b.tif"], "oct-class-folders"),
    ],
)  # fmt: skip
def test_what_is_published_is_recognised(tmp_path: Path, files: list[str], layout: str) -> None:
    found = recognised(tmp_path, files)
    assert (found.task, found.layout, list(found.unused)) == ("oct", layout, [])


@pytest.mark.parametrize(
    "files", [["cats/a.png", "dogs/b.png"], ["CNV/a.png"], ["a.png"], ["CNV/a.txt", "DME/b.txt"]]
)
def test_other_folders_are_not(tmp_path: Path, files: list[str]) -> None:
    with pytest.raises(DataError, match="none of the known layouts"):
        recognised(tmp_path, files)


def test_what_is_no_part_is_listed(tmp_path: Path) -> None:
    found = recognised(tmp_path, [*KERMANY, "train/CNV/CNV-1-1 copy.jpeg", "train/README.txt"])
    assert list(found.unused) == ["train/CNV/CNV-1-1 copy.jpeg", "train/README.txt"]


def test_a_table_of_grades_and_labels_is_for_the_user_to_name(tmp_path: Path) -> None:
    files = {"a.png": "", "t.csv": "path,label,grade\n"}
    with pytest.raises(DataError, match="could be dr-table, oct-table") as caught:
        recognised(tmp_path, files)
    assert caught.value.hint == "say which with --layout"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_example_is_recognised_as_itself(tmp_path: Path, layout: str) -> None:
    text = example(LAYOUTS[layout])
    table = {"x.csv": text, "images/p01.png": ""}
    files = table if layout == "oct-table" else dict.fromkeys(text.splitlines(), "")
    if layout == "octid":
        files["CSR/CSR (1).jpeg"] = ""
    assert recognised(tmp_path, files).layout == layout
