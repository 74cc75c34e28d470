"""Cells are checked by the field they are of; a layout's example is one of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.data.fields import Field, Layout, describe, document, example, parse_cell
from eyecli.errors import DataError

NUMBER = Field("age", "number", "age", "40", unit="years", needed=True, span=(0, 120))
TEXT = Field("name", "text", "name", "ann", needed=True)
NOTE = Field("note", "text", "note", "fine")
PATH = Field("image", "path", "image", "a.png", aliases=("file",))
EYE = Field("eye", "choice", "eye", "os", choices={"os": "left", "left": "left", "od": "right"},
            named=True)  # fmt: skip
LAYOUT = Layout("people", lambda names: True, (TEXT, NUMBER, PATH), minimal=("name", "age"))


@pytest.mark.parametrize(
    ("entry", "cell", "value"),
    [
        (NUMBER, " 7.5 ", 7.5), (NUMBER, "1e2", 100.0), (NUMBER, "+.5", 0.5),
        (TEXT, " ann ", "ann"), (TEXT, "007", "007"), (NOTE, " ", ""),
        (PATH, " a b.png", "a b.png"), (EYE, "OS", "left"), (EYE, "od ", "right"),
    ],
)  # fmt: skip
def test_a_cell_becomes_its_value(entry: Field, cell: str, value: object) -> None:
    assert parse_cell(cell, entry, "x") == value


@pytest.mark.parametrize(
    ("entry", "cell", "message"),
    [
        (NUMBER, "", "theirs '' is not a number"), (NUMBER, "1_0", "theirs '1_0' is not a number"),
        (NUMBER, "٣", "is not a number"), (NUMBER, "nan", "is not a number"),
        (NUMBER, "1,5", "is not a number"), (NUMBER, "-1", r"out of range \(0 to 120\)"),
        (NUMBER, "1e999", "out of range"), (TEXT, " ", "theirs is empty"),
        (TEXT, "a\x00b", "has control characters"), (NOTE, "a\nb", "has control characters"),
        (PATH, "", "theirs is empty"), (EYE, "", "theirs is empty"),
        (EYE, "both", "theirs 'both' is none of os, left, od"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_refused_under_its_owners_name(
    entry: Field, cell: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        parse_cell(cell, entry, "theirs")


@given(st.text(max_size=10))
def test_a_number_is_finite_or_refused(cell: str) -> None:
    try:
        value = parse_cell(cell, Field("x", "number", "x", "1"), "x")
    except DataError:
        return
    assert math.isfinite(float(value)) and float(value) == float(cell)


def test_the_example_of_a_table_is_its_smallest() -> None:
    assert example(LAYOUT) == "name,age\nann,40\n"


def test_the_example_of_file_names_has_a_file_for_every_choice() -> None:
    layout = Layout("eyes", lambda names: True, (EYE, NUMBER), filename="{eye}/{age}.png")
    assert example(layout) == "left/40.png\nright/40.png\n"
    plain = Layout("ages", lambda names: True, (NUMBER,), filename="{age}.png")
    assert example(plain) == "40.png\n"


def test_a_layout_is_told_to_people_and_machines() -> None:
    lines = describe("gaze", "people", LAYOUT)
    assert lines[0] == "people (gaze): people"
    assert lines[2].split() == ["field", "need", "type", "unit", "example", "meaning"]
    assert lines[4].split() == ["age", "needed", "number", "years", "40", "age"]
    assert lines[5].startswith("image or file  optional")
    assert lines[-3:] == ["example:", "name,age", "ann,40"]
    fields = document(LAYOUT)["fields"]
    assert [(f["name"], f["unit"], f["needed"], f["span"]) for f in fields] == [
        ("name", "", True, None), ("age", "years", True, (0, 120)), ("image", "", False, None)
    ]  # fmt: skip
