"""What a user's own table is, and how it names things."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eyecli.data.filenames import compile_pattern
from eyecli.errors import DataError, UsageError, suggest
from eyecli.settings import setting
from eyecli.sources.source import Source
from eyecli.workspace.manifest import sha256_file

SUFFIXES = re.compile(r"\.(csv|tsv|txt)$", re.I)


@dataclass(frozen=True)
class TableSettings:
    """What a user's own table is and how it names things; the same for every task."""

    table: str = setting("", "Table of the source: a CSV in its folder, or anywhere else.")
    columns: str = setting(
        "", "Its names of columns, such as subject=monkey_id,target_x=gx (see eyecli schema)."
    )
    filename: str = setting(
        "", "Fields in file names, such as '{subject}_{point}_{eye}.png'; {} is not kept."
    )


def parse_columns(text: str) -> dict[str, str]:
    """Read ``ours=theirs,...``; an item with a comma in it is quoted as in a CSV.

    Raises
    ------
    UsageError
        If it is anything else, or one of ours is there twice.
    """
    hint = "write ours=theirs,..., such as subject=monkey_id,target_x=gx"
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise UsageError(f"--columns '{text}': {error}", hint) from None
    columns: dict[str, str] = {}
    for item in (item for row in rows for item in row):
        ours, equals, theirs = (part.strip() for part in item.partition("="))
        if not (ours and equals and theirs):
            raise UsageError(f"--columns: '{item}' is no pair of names", hint)
        if ours in columns:
            raise UsageError(f"--columns: '{ours}' is there twice", "keep one")
        columns[ours] = theirs
    return columns


def format_columns(columns: Mapping[str, str]) -> str:
    """Write a mapping of columns as `parse_columns` reads it, sorted."""
    text = io.StringIO()
    if columns:
        # What is in the line's end is quoted elsewhere.
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([f"{ours}={theirs}" for ours, theirs in sorted(columns.items())])
    return text.getvalue().removesuffix("\r\n")


def with_table(source: Source, settings: TableSettings) -> Source:
    """Return a source that knows its table; one elsewhere becomes one of its files.

    Raises
    ------
    UsageError
        If the settings cannot be read.
    DataError
        If there is no such table.
    """
    if settings.filename:
        compile_pattern(settings.filename)
    columns = parse_columns(settings.columns)
    source = replace(source, columns=columns, filename=settings.filename)
    if not settings.table:
        return source
    path = Path(settings.table)
    for inside in (source.folder / path, path.absolute()):
        if inside.is_relative_to(source.folder):
            name = inside.relative_to(source.folder).as_posix()
            if name in source.digests:
                return replace(source, table=name)
    path = path.absolute()
    if not path.is_file():
        raise DataError(
            f"--table {settings.table}: no such file, in {source.folder} or from here",
            suggest(settings.table, filter(SUFFIXES.search, source.digests)),
        )
    try:
        digests = {**source.digests, str(path): sha256_file(path)}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return replace(source, table=str(path), digests=dict(sorted(digests.items())))


def table_params(source: Source) -> dict[str, Any]:
    """Parameters of a manifest: the settings that were given, resolved."""
    given = {
        "table": source.table,
        "columns": format_columns(source.columns),
        "filename": source.filename,
    }
    return {name: value for name, value in given.items() if value}


def table_input(source: Source) -> dict[str, tuple[str, str]]:
    """Return the table as an input of the work where it is not one of the files fetched."""
    name = source.table
    return {"table": (name, source.digests[name])} if name and Path(name).is_absolute() else {}
