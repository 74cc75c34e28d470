"""The raw layouts of fundus photographs with a grade: how they are recognised, and their fields."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from eyecli.data.classes import IMAGE, LATERALITY, images, mostly
from eyecli.data.fields import Field, Layout
from eyecli.data.tables import find_table, has_columns, names_columns
from eyecli.sources.layouts import Listing

EYE = r"(?:.*/)?\d+_(?:left|right)\.(?:jpe?g|png|tiff?)"
LABELS = r"(?:.*/)?(?:trainLabels\w*|retinopathy_solution)\.csv"
# Published names of the grades, with what separates words taken out.
GRADES = {
    "0": "0", "nodr": "0", "normal": "0",
    "1": "1", "mild": "1", "milddr": "1",
    "2": "2", "moderate": "2", "moderatedr": "2",
    "3": "3", "severe": "3", "severedr": "3",
    "4": "4", "proliferative": "4", "proliferativedr": "4", "proliferatedr": "4",
}  # fmt: skip

SUBJECT = Field("subject", "text", "whose eye it is; a person's eyes are never split", "p01",
                aliases=("patient",))  # fmt: skip
SIDE = Field("laterality", "choice", "which eye of its owner", "OS", choices=LATERALITY,
             aliases=("eye",))  # fmt: skip
GRADE = Field(
    "grade", "number", "diabetic retinopathy on the international scale: 0 none, 1 mild, "
    "2 moderate, 3 severe, 4 proliferative", "2", needed=True, span=(0, 4),
    aliases=("level", "diagnosis", "retinopathy grade", "dr_grade", "adjudicated_dr_grade"),
)  # fmt: skip
PATH = Field(
    "path", "path", "photograph; its name, with or without ending, where only one is called so",
    "images/p01.jpg", needed=True,
    aliases=("file", "filename", "image", "image_id", "image name", "image_path", "id_code"),
)  # fmt: skip
TABLE_FIELDS = (
    PATH, GRADE, SUBJECT, SIDE,
    Field("dme_risk", "number", "risk of macular oedema", "1", span=(0, 2)),
)  # fmt: skip
IMAGE_NAME = Field("image", "text", "name of the photograph, without its ending", "10_left",
                   needed=True)  # fmt: skip
KAGGLE_FIELDS = (
    Field("subject", "text", "whose eye it is: the number in the name", "10", needed=True,
          named=True),
    Field("laterality", "choice", "which eye of its owner: left is OS, right is OD", "left",
          needed=True, choices=LATERALITY, named=True),
    IMAGE_NAME,
    GRADE,
    Field("usage", "choice", "part of the published test set, of retinopathy_solution.csv",
          "Private", choices={"public": "public", "private": "private"}, aliases=("Usage",)),
)  # fmt: skip
KAGGLE_EXAMPLE = """\
train/10_left.jpeg
train/10_right.jpeg
trainLabels.csv:
  image,level
  10_left,0
  10_right,2
"""
FOLDER_FIELDS = (
    Field("subject", "text", "whose eye it is, where --filename tells; a person's eyes are never "
          "split", "p01", named=True),
    Field("grade", "choice", "the folder: the grade, or its name", "0", needed=True,
          choices=GRADES, named=True),
    Field("path", "path", "photograph", "a.jpg", needed=True, named=True),
)  # fmt: skip


def is_kaggle_dr(listing: Listing) -> bool:
    """``<id>_left.jpeg``, ``<id>_right.jpeg`` and their labels."""
    if not images(listing) or not mostly(listing, EYE):
        return False
    return any(re.fullmatch(LABELS, name, re.I) for name in listing) or has_columns(
        listing, (IMAGE_NAME, GRADE)
    )


def is_table(listing: Listing) -> bool:
    """A table that names photographs and their grades."""
    if is_kaggle_dr(listing):
        return False
    table = find_table(listing)
    return bool(table and images(listing)) and names_columns(listing, str(table), (PATH, GRADE))


def grade_of(path: str) -> str | None:
    """Return the grade that the folder of a photograph is called, 0 to 4; None if it is none.

    A name may have spaces, hyphens and underscores between its words, and nowhere else: ``-1`` is
    a usual mark for what cannot be graded.
    """
    name = PurePosixPath(path).parent.name.strip().lower()
    plain = re.fullmatch(r"[^\W_]+(?:[ _-]+[^\W_]+)*", name)
    return GRADES.get(re.sub(r"[ _-]", "", name)) if plain else None


def is_class_folders(listing: Listing) -> bool:
    """A folder for each grade, that without a finding among them; most pictures lie in them."""
    found = [grade_of(name) for name in images(listing)]
    grades = set(found) - {None}
    return "0" in grades and len(grades) > 1 and 2 * found.count(None) < len(found)


LAYOUTS = {
    "kaggle-dr": Layout(
        "photographs of both eyes as in Kaggle's diabetic-retinopathy-detection: "
        "<id>_left.jpeg, <id>_right.jpeg, trainLabels.csv or retinopathy_solution.csv",
        is_kaggle_dr,
        KAGGLE_FIELDS,
        sample=KAGGLE_EXAMPLE,
        files=rf"{EYE}|{LABELS}|[^/]+\.csv",
    ),
    "dr-table": Layout(
        "a table with a row a photograph: its path and grade",
        is_table,
        TABLE_FIELDS,
        minimal=("path", "grade"),
        files=rf"[^/]+\.csv|{IMAGE}",
    ),
    "dr-class-folders": Layout(
        "a folder for each grade, 0 to 4 or its name, with photographs",
        is_class_folders,
        FOLDER_FIELDS,
        sample="0/a.jpg\n2/b.jpg\n",
        files=IMAGE,
    ),
}
