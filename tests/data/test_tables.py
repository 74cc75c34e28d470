"""Tables under their owners' names, for a layout of no task."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.fields import Field
from eyecli.data.tables import (
    convert_lines,
    find_table,
    names_suffice,
    read_names,
    read_table,
    refuse_settings,
)
from eyecli.errors import DataError, EyecliError, UsageError
from eyecli.sources.source import Source

FIELDS = (
    Field("subject", "text", "who", "ann", needed=True),
    Field("grade", "number", "how bad", "2", needed=True, span=(0, 4)),
    Field("image", "path", "picture", "a.png", needed=True, aliases=("photo",)),
    Field("second", "path", "another", "b.png"),
    Field("note", "text", "remark", "fine"),
    Field("eye", "choice", "side", "l", choices={"l": "left", "r": "right"}, named=True),
)
FILES = ("1_ann.png", "2_ann.png", "deep/1_bob.png", "readme.txt")


def source(folder: Path, text: str | bytes, **more: Any) -> Source:
    folder.mkdir(exist_ok=True)
    content = text.encode() if isinstance(text, str) else text
    (folder / "t.csv").write_bytes(content)
    digests = dict.fromkeys(FILES, "") | {"t.csv": hashlib.sha256(content).hexdigest()}
    return Source(folder, "pictures", dict(sorted(digests.items())), **more)


def read(found: Source) -> tuple[list[dict[str, Any]], list[str]]:
    table = read_table(found, FIELDS)
    return convert_lines(table, FIELDS, found, lambda sample, values: {"id": sample} | values)


def test_columns_are_read_under_their_owners_names(tmp_path: Path) -> None:
    found = source(
        tmp_path,
        "Monkey ID,how bad (0-4),file\nann,2,1_ann.png\nbob,3,deep/1_bob.png\n",
        columns={"subject": "Monkey ID", "grade": "how bad (0-4)", "image": "file"},
    )
    assert read(found) == (
        [
            {"id": "row000002", "subject": "ann", "grade": 2.0, "image": "1_ann.png"},
            {"id": "row000003", "subject": "bob", "grade": 3.0, "image": "deep/1_bob.png"},
        ],
        [],
    )


def test_names_may_be_swapped_and_an_own_name_gives_way(tmp_path: Path) -> None:
    text = "note,subject,grade,photo\nann,x,2,1_ann.png\n"
    swapped = {"note": "subject", "subject": "note"}
    ((row,), _) = read(source(tmp_path, text, columns=swapped))
    assert (row["subject"], row["note"]) == ("ann", "x")
    ((row,), _) = read(source(tmp_path, text, columns={"subject": "note"}))
    assert row["subject"] == "ann" and "note" not in row, "no column is taken twice"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"subject": "image"}, "'image' is taken for subject and for image"),
        ({"note": "grade"}, "'grade' is taken for note and for grade"),
        ({"note": "a", "subject": "a"}, "'a' is taken for subject and for note"),
    ],
)
def test_a_column_is_not_taken_for_two_fields(
    tmp_path: Path, columns: dict[str, str], message: str
) -> None:
    found = source(tmp_path, "subject,grade,image,a\nann,1,1_ann.png,x\n", columns=columns)
    with pytest.raises(UsageError, match=message):
        read(found)


def test_a_column_of_paths_is_no_column_of_ids(tmp_path: Path) -> None:
    text = "subject,grade,image,file\nann,1,1_ann.png,1_ann.png\nbob,2,2_ann.png, 2_ann.png\n"
    with pytest.raises(DataError, match=r"t\.csv: file holds paths of files, no subject"):
        read(source(tmp_path, text, columns={"subject": "file"}))
    mixed = text.replace(", 2_ann", ",other 2_ann")
    assert read(source(tmp_path, mixed, columns={"subject": "file"}))[1] == []


def test_ids_are_one_unicode_form_and_paths_are_left_alone(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    text = f"subject,grade,image\n{composed},1,1_ann.png\n{decomposed},1,{decomposed}.png\n"
    found = source(tmp_path, text)
    found = replace(found, digests={**found.digests, f"{decomposed}.png": ""})
    rows, problems = read(found)
    assert [row["subject"] for row in rows] == [composed, composed] and problems == []
    assert rows[1]["image"] == f"{decomposed}.png"


def test_problems_are_told_in_the_owners_names(tmp_path: Path) -> None:
    text = "who,sev,photo\nann,9,1_ann.png\n ,1,1_ann.png\nann,x,1_ann.png\nann,1,gone.png\nann,1\n"
    _, problems = read(source(tmp_path, text, columns={"subject": "who", "grade": "sev"}))
    path = tmp_path / "t.csv"
    assert problems == [
        f"{path}: row 2: sev 9 is out of range (0 to 4)",
        f"{path}: row 3: who is empty",
        f"{path}: row 4: sev 'x' is not a number",
        f"{path}: row 5: photo 'gone.png' is not in {tmp_path}",
        f"{path}: row 6: 2 cells, the header has 3",
    ]


@pytest.mark.parametrize(
    ("columns", "error", "message", "hint"),
    [
        ({"subjekt": "who"}, UsageError, "'subjekt' is no field of", "did you mean 'subject'?"),
        ({"eye": "who"}, UsageError, "'eye' is no field of", None),
        ({"subject": "woh"}, DataError, r"t\.csv: no column 'woh' \(--columns subject=woh\)",
         "did you mean 'who'?"),
        ({"subject": "zzz"}, DataError, "no column 'zzz'", "known: grade, image, who"),
        ({}, DataError, "column 'subject' is missing",
         "known: grade, image, who; say which it is: --columns subject=NAME"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_exist_is_refused(
    tmp_path: Path,
    columns: Mapping[str, str],
    error: type[EyecliError],
    message: str,
    hint: str | None,
) -> None:
    with pytest.raises(error, match=message) as caught:
        read(source(tmp_path, "who,grade,image\n", columns=columns))
    assert hint is None or caught.value.hint == hint


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_and_byte_order_marks(tmp_path: Path, separator: str, mark: str) -> None:
    rows = [["subject", " grade ", "image", "note"], ["Šárka", "1", "1_ann.png", "a, b; c\td"]]
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator="\r\n", quoting=csv.QUOTE_ALL
               ).writerows(rows)  # fmt: skip
    _, problems = read(source(tmp_path, mark + stream.getvalue()))
    assert problems == [f"{tmp_path / 't.csv'}: row 2: note has control characters"]
    found = source(tmp_path, mark + stream.getvalue().replace("\td", " d"))
    ((row,), _) = read(found)
    assert (row["subject"], row["grade"], row["note"]) == ("Šárka", 1.0, "a, b; c d")


CELLS = st.text(alphabet=st.characters(categories=["L", "N", "P"]) | st.just(" "), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from(",;\t"), CELLS)
def test_what_a_csv_writer_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], separator: str, own: str
) -> None:
    own = own.strip() or "own"
    if own in {"grade", "photo", "note"}:
        return
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerow([own, "grade", "photo", "note"])
    writer.writerows([f"s{a}", n % 5, "1_ann.png", b] for n, (a, b) in enumerate(cells))
    found = source(tmp_path_factory.getbasetemp(), stream.getvalue(), columns={"subject": own})
    rows, problems = read(found)
    assert not problems
    assert [(row["subject"], row["note"]) for row in rows] == [
        (normalize("NFC", f"s{a}".strip()), normalize("NFC", b.strip())) for a, b in cells
    ]


@settings(deadline=None)
@given(st.binary(max_size=100), st.sampled_from(["", "{subject}_{}.png", "{note}_{}.png"]))
def test_any_bytes_are_a_table_or_an_error_in_our_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, filename: str
) -> None:
    for text in (content, b"subject,grade,image\n" + content, b"grade;photo\n" + content):
        found = source(tmp_path_factory.getbasetemp(), text, filename=filename)
        try:
            rows, problems = read(found)
        except (DataError, UsageError):
            continue
        assert len(rows) + len(problems) <= text.count(b"\n") + text.count(b"\r") + 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "column 'subject' is missing"),
        (b",,\n1,2,3\n", "column 'subject' is missing"),
        (b"subject,grade,image,note,note\n", "column 'note' is there twice"),
        (b"subject,grade,image, note,note\n", "column 'note' is there twice"),
        ("subject,grade,image\nann,1,é.png".encode("latin-1"), r"not UTF-8 text \(byte 26\)"),
        ("subject,grade,image\n".encode("utf-16"), r"not UTF-8 text \(byte 0\)"),
        ("subject,grade,image\n".encode("utf-16-le"), r"not UTF-8 text \(byte 1 is zero\)"),
        (b'subject,grade,image\n"ann,1,a.png\nbob,1,b.png\n', r"row 3: not a CSV"),
        (b'subject,"grade,image\nann,1,a.png\n', r"row 2: not a CSV"),
        (b"subject,grade,image\n" + b"x" * 200_000, "row 2: not a CSV: field larger"),
    ],
)
def test_what_is_no_table_is_refused_with_its_file(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(source(tmp_path, content))
    assert str(tmp_path / "t.csv") in caught.value.message


def test_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    """A data frame's index has none, and spreadsheets end rows with separators."""
    rows, problems = read(source(tmp_path, ",subject,grade,image,,\n0,ann,1,1_ann.png,,\n"))
    assert not problems and rows[0]["subject"] == "ann"


def test_the_table_is_the_one_named_or_the_only_one() -> None:
    assert find_table(["b.csv", "table.csv"]) == "table.csv"
    assert find_table(["b.CSV", "deep/c.csv"]) == "b.CSV"
    assert find_table(["b.csv", "c.csv"]) is None and find_table(["t.tsv"]) is None


# File names


def test_fields_that_the_table_lacks_come_from_the_names(tmp_path: Path) -> None:
    text = "grade,image\n1,1_ann.png\n2,deep/1_bob.png\n3,readme.txt\n"
    found = source(tmp_path, text, filename="{note}_{subject}.png")
    rows, problems = read(found)
    assert [(row["subject"], row["note"]) for row in rows] == [("ann", "1"), ("bob", "1")]
    assert problems == [
        f"{tmp_path / 't.csv'}: row 4: 'readme.txt' is not like --filename {{note}}_{{subject}}.png"
    ]


def test_the_files_of_a_row_must_agree(tmp_path: Path) -> None:
    text = "grade,image,second\n1,1_ann.png,2_ann.png\n2,1_ann.png,deep/1_bob.png\n"
    rows, problems = read(source(tmp_path, text, filename="{}_{subject}.png"))
    assert [row["subject"] for row in rows] == ["ann"]
    assert problems == [
        f"{tmp_path / 't.csv'}: row 3: subject is not the same in the names of its files"
    ]


def test_a_value_from_a_name_is_checked_as_a_cell_is(tmp_path: Path) -> None:
    _, problems = read(source(tmp_path, "subject,image\nx,1_ann.png\n", filename="{}_{grade}.png"))
    assert problems == [f"{tmp_path / 't.csv'}: row 2: {{grade}} 'ann' is not a number"]


@pytest.mark.parametrize(
    ("filename", "error", "message"),
    [
        ("{subjekt}.png", UsageError, "reads no field 'subjekt' from names"),
        ("{image}.png", UsageError, "reads no field 'image' from names"),
        ("{eye}_{}.png", UsageError, "reads no field 'eye' from names beside a table"),
        ("{grade}_{subject}.png", UsageError, "'grade' is a column .* and a field of --filename"),
        ("{note}.png", DataError, "column 'subject' is missing"),
    ],
)  # fmt: skip
def test_file_names_give_what_the_layout_and_the_table_leave(
    tmp_path: Path, filename: str, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        read(source(tmp_path, "grade,image\n1,1_ann.png\n", filename=filename))


def test_without_files_in_the_table_names_tell_nothing(tmp_path: Path) -> None:
    fields = [entry for entry in FIELDS if entry.kind != "path"]
    with pytest.raises(DataError, match="no column of files"):
        read_table(source(tmp_path, "grade\n1\n", filename="{subject}.png"), fields)


def test_names_alone_suffice_where_they_tell_all_and_no_table_is_named(tmp_path: Path) -> None:
    found = source(tmp_path, "", filename="{grade}_{subject}.png")
    assert names_suffice(found, FIELDS)
    for other in (
        replace(found, filename=""), replace(found, filename="{subject}.png"),
        replace(found, table="t.csv"), replace(found, columns={"note": "x"}),
    ):  # fmt: skip
        assert not names_suffice(other, FIELDS)


def test_names_are_read_and_others_are_problems(tmp_path: Path) -> None:
    found = source(tmp_path, "", filename="{grade}_{subject}.png")
    found = replace(found, digests={**found.digests, "x.jpg": "", "y.PNG": ""})
    named = list(read_names(found, FIELDS, (".jpg",)))
    assert [(path, dict(line.cells), rest) for path, line, rest in named] == [
        ("1_ann.png", {"grade": "1", "subject": "ann"}, ("",)),
        ("2_ann.png", {"grade": "2", "subject": "ann"}, ("",)),
        ("deep/1_bob.png", {"grade": "1", "subject": "bob"}, ("deep",)),
        ("x.jpg", {}, ()),
        ("y.PNG", {}, ()),
    ]
    assert named[3][1].problem == "the name is not like --filename {grade}_{subject}.png"
    assert named[3][1].where == str(tmp_path / "x.jpg") and not named[0][1].problem


def test_no_table_and_too_little_in_the_names(tmp_path: Path) -> None:
    found = replace(source(tmp_path, ""), digests={"a.png": ""})
    with pytest.raises(DataError, match=r"no table\.csv and no single CSV$") as caught:
        read(found)
    assert "--table" in str(caught.value.hint)
    with pytest.raises(DataError, match=r"no single CSV, and --filename has no \{grade\}$"):
        read(replace(found, filename="{subject}.png"))


@pytest.mark.parametrize("given", [{"table": "t"}, {"columns": {"a": "b"}}, {"filename": "{a}"}])
def test_a_layout_without_a_table_takes_none(tmp_path: Path, given: dict[str, Any]) -> None:
    found = Source(tmp_path, "fixed", {})
    refuse_settings(found, "fixed")
    with pytest.raises(UsageError, match=f"--{next(iter(given))}: layout fixed has no table"):
        refuse_settings(replace(found, **given), "fixed")
