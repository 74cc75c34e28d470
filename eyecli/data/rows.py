"""Rows as text, one after the other as they come: CSV, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

Form = Literal["csv", "jsonl"]


def lines_of(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: Form
) -> Iterator[str]:
    """Yield rows as lines of text, without their ends.

    Parameters
    ----------
    rows
        Column to value; a column may be missing.
    columns
        All of them, in order.
    form
        A CSV begins with its header and has nothing where a value is missing; JSON lines have
        null.
    """
    if form == "jsonl":
        for row in filled(rows, columns):
            yield json.dumps(row, ensure_ascii=False)
        return
    yield _cells(columns)
    for row in filled(rows, columns):
        yield _cells([*row.values()])


def filled(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield rows with all columns, in order; None where a value is missing."""
    for row in rows:
        yield {name: row.get(name) for name in columns}


def _cells(values: Sequence[Any]) -> str:
    text = io.StringIO()
    # What is in the line's end is quoted elsewhere.
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue().removesuffix("\r\n")
