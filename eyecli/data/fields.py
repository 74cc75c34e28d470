"""Raw layouts as data: which fields they have, what each means, and what a cell may hold."""

from __future__ import annotations

import csv
import io
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from eyecli.errors import DataError
from eyecli.sources.layouts import Recogniser

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
Value = str | float


@dataclass(frozen=True)
class Field:
    """A field of a layout: a column of its table, or a part of its file names.

    Attributes
    ----------
    name, meaning, unit
        For people; the unit is empty where there is none.
    kind
        What a cell holds: text, a number, the path of a file of the source, or one of `choices`.
    needed
        Whether there is no sample without it. Another column may be left out; where it is there,
        only text may be blank.
    example
        A cell that is right.
    aliases
        Other names of the column.
    choices
        Spellings in lower case to the values they stand for.
    span
        Least and largest number.
    named
        Whether it is a part of file names only, never a column.
    """

    name: str
    kind: Literal["text", "number", "path", "choice"]
    meaning: str
    example: str
    unit: str = ""
    needed: bool = False
    aliases: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    span: tuple[float, float] = (-sys.float_info.max, sys.float_info.max)
    named: bool = False


@dataclass(frozen=True)
class Layout:
    """How raw data may lie in a folder.

    Attributes
    ----------
    meaning
        In a sentence.
    fits
        Recognises it from file names, and the starts of files where those do not tell.
    fields
        What it tells about a sample.
    minimal
        Names of the fields of its smallest table.
    filename
        Pattern of its file names, where they are given: then there is no table.
    sample
        Its smallest file or folder, where that is no table.
    files
        Regular expression of the paths that it uses; empty if any may matter.
    general
        Whether it is recognised only where no other is.
    by_path
        Whether its files are opened on disk, which those in an archive cannot be.
    """

    meaning: str
    fits: Recogniser
    fields: tuple[Field, ...]
    minimal: tuple[str, ...] = ()
    filename: str = ""
    sample: str = ""
    files: str = ""
    general: bool = False
    by_path: bool = False


def parse_cell(cell: str, entry: Field, name: str) -> Value:
    """Return the value of a cell.

    Parameters
    ----------
    cell
        Its text.
    entry
        The field it is of.
    name
        What its owner calls the field.

    Raises
    ------
    DataError
        If it is not what the field holds.
    """
    text = cell.strip(" \t")
    if entry.kind == "number":
        return _number(cell, entry, name)
    if not text and (entry.needed or entry.kind != "text"):
        raise DataError(f"{name} is empty")
    if not text.isprintable():
        # They would break the tables that ids are written to.
        raise DataError(f"{name} has control characters")
    if entry.kind == "text":
        # Two ways to write é are one id; a path is the bytes that it is.
        return unicodedata.normalize("NFC", text)
    if entry.kind == "path":
        return text
    if text.lower() not in entry.choices:
        raise DataError(f"{name} '{text}' is none of {', '.join(entry.choices)}")
    return entry.choices[text.lower()]


def _number(cell: str, entry: Field, name: str) -> float:
    # float() takes more than a table may hold: 1_000, digits of other scripts, inf.
    if not NUMBER.fullmatch(cell.strip()):
        raise DataError(f"{name} '{cell}' is not a number")
    value = float(cell)
    if not entry.span[0] <= value <= entry.span[1]:
        low, high = entry.span
        raise DataError(f"{name} {cell} is out of range ({low:g} to {high:g})")
    return value


def example(layout: Layout) -> str:
    """Return the smallest table of a layout, or its file, or the names of its smallest folder."""
    if layout.sample:
        return layout.sample
    cells = {entry.name: entry.example for entry in layout.fields}
    if layout.filename:
        choices = {e.name: dict.fromkeys(e.choices.values()) for e in layout.fields if e.choices}
        filled = [cells | {name: value} for name, values in choices.items() for value in values]
        names = [layout.filename.format_map(values) for values in filled or [cells]]
        return "".join(f"{name}\n" for name in dict.fromkeys(names))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(layout.minimal)
    writer.writerow([cells[name] for name in layout.minimal])
    return text.getvalue()


def document(layout: Layout) -> dict[str, Any]:
    """Return a layout as data, ready for JSON."""
    return {
        "meaning": layout.meaning,
        "filename": layout.filename or None,
        "fields": [asdict(entry) | {"span": _span(entry)} for entry in layout.fields],
        "example": example(layout),
    }


def describe(task: str, name: str, layout: Layout) -> list[str]:
    """Return a layout as lines for people: its fields in columns, and its example."""
    rows = [("field", "need", "type", "unit", "example", "meaning")]
    for entry in layout.fields:
        need = "in file names" if entry.named else "needed" if entry.needed else "optional"
        names = " or ".join((entry.name, *entry.aliases))
        kind = "|".join(entry.choices) or entry.kind
        rows.append((names, need, kind, entry.unit, entry.example, entry.meaning))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [f"{name} ({task}): {layout.meaning}", "", *lines, "", "example:",
            *example(layout).splitlines()]  # fmt: skip


def _span(entry: Field) -> tuple[float, float] | None:
    return entry.span if entry.kind == "number" else None
