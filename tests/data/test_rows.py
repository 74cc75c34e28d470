"""Rows as text: what is read back is what was written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from eyecli.data.rows import lines_of

COLUMNS = ("file", "why", "p")
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(',"\r\n'))
ROW = st.fixed_dictionaries({"file": TEXT}, optional={"why": TEXT, "p": st.floats(0, 1)})


@given(st.lists(ROW))
def test_csv_is_read_back(rows: list[dict[str, object]]) -> None:
    text = "".join(f"{line}\n" for line in lines_of(rows, COLUMNS, "csv"))
    header, *read = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == COLUMNS
    assert read == [[str(row.get(name, "")) for name in COLUMNS] for row in rows]


@given(st.lists(ROW))
def test_json_lines_are_read_back_with_null_for_what_is_missing(
    rows: list[dict[str, object]],
) -> None:
    lines = [*lines_of(rows, COLUMNS, "jsonl")]
    assert all("\n" not in line for line in lines)
    assert [json.loads(line) for line in lines] == [
        {name: row.get(name) for name in COLUMNS} for row in rows
    ]


def test_a_line_is_there_before_the_next_row_is_made() -> None:
    made: list[int] = []

    def rows() -> Iterator[dict[str, object]]:
        for number in range(3):
            made.append(number)
            yield {"file": str(number)}

    lines = lines_of(rows(), COLUMNS, "csv")
    assert next(lines) == "file,why,p" and made == []
    assert next(lines) == "0,," and made == [0]
