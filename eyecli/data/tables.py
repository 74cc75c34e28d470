"""Reading tables of users under their own names, and fields in file names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar

from eyecli.data.fields import Field, Value, parse_cell
from eyecli.data.filenames import Pattern, compile_pattern
from eyecli.data.published import PUBLISHED
from eyecli.errors import DataError, UsageError, suggest
from eyecli.sources.layouts import Listing
from eyecli.sources.source import Source

TABLE = "table.csv"
SEPARATORS = ",;\t"
# A header is no longer.
HEADER = 2**16
SPLIT = Field(PUBLISHED, "text", "part or fold of a published split", "train")
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """A sample as text: a row of a table, or a file name.

    Attributes
    ----------
    sample
        Its id.
    where
        File and row, for messages.
    cells
        Field to text.
    problem
        Why it cannot be read, if so.
    """

    sample: str
    where: str
    cells: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """Lines, and what their owner calls their fields.

    Attributes
    ----------
    path
        File, for messages.
    names
        Field to the owner's name; only fields that are there.
    lines
        One a sample.
    """

    path: str
    names: Mapping[str, str]
    lines: Sequence[Line]


def find_table(names: Iterable[str]) -> str | None:
    """Return ``table.csv``, or the only CSV at the top."""
    tables = [name for name in names if "/" not in name and name.lower().endswith(".csv")]
    return TABLE if TABLE in tables else tables[0] if len(tables) == 1 else None


def has_columns(listing: Listing, fields: Iterable[Field]) -> bool:
    """Say whether the table of a listing has a column for each of the fields, by any name."""
    table = find_table(listing)
    return table is not None and names_columns(listing, table, fields)


def names_columns(listing: Listing, table: str, fields: Iterable[Field]) -> bool:
    """Say whether a table's header names each of the fields, by any of its names."""
    lines = listing.start(table, HEADER).decode("utf-8-sig", "replace").splitlines()
    header = re.split(f"[{SEPARATORS}]", lines[0].lower()) if lines else []
    found = {cell.strip(' "') for cell in header}
    return all(found & {field.name, *field.aliases} for field in fields)


def read_table(source: Source, fields: Sequence[Field], single: Collection[str] = ()) -> Table:
    """Read the lines of a source's table.

    Cells are separated by commas, semicolons or tabs, whichever gives the header most columns.
    Fields that the table lacks are read from the names of each row's files with `source.filename`.

    Parameters
    ----------
    single
        Fields whose aliases name different things: of two such columns none is chosen.

    Raises
    ------
    DataError
        If there is no table, it is no CSV, or a column is missing, or two could be a field.
    UsageError
        If the columns or the file names are said to hold a field that the layout has not.
    """
    name = source.table or find_table(source.digests)
    pattern = _pattern(source, [entry for entry in fields if name is None or not entry.named])
    if name is None:
        lacking = sorted(_needed_in_names(fields) - set(pattern.fields)) if pattern else []
        raise DataError(
            f"{source.folder}: no {TABLE} and no single CSV"
            + (f", and --filename has no {{{lacking[0]}}}" if lacking else ""),
            f"name it {TABLE}, or say which it is with --table",
        )
    path = str(source.folder / name)
    header, rows = _parse_csv(_decode(source.read(name), path), path)
    places = _map_columns(header, fields, source.columns, path, single)
    if source.split_column is not None:
        if source.split_column not in header:
            near = suggest(source.split_column, filter(None, header))
            raise DataError(f"{path}: column '{source.split_column}' is missing", near)
        places[PUBLISHED] = header.index(source.split_column)
    named = [entry for entry in pattern.fields if entry] if pattern else []
    for entry in named:
        if entry in places:
            raise UsageError(
                f"'{entry}' is a column of {path} and a field of --filename",
                "write {} for it in --filename",
            )
    _require_columns(fields, [*places, *named], header, path)
    files = [entry.name for entry in fields if entry.kind == "path" and entry.name in places]
    if named and not files:
        raise DataError(f"{path}: no column of files, whose names --filename could read")
    lines = []
    for number, row in rows:
        where, problem = f"{path}: row {number}", ""
        cells: dict[str, str] = {}
        if len(row) != len(header):
            problem = f"{len(row)} cells, the header has {len(header)}"
        else:
            cells = {entry: row[place] for entry, place in places.items()}
            if named and pattern:
                found, problem = _name_cells([cells[entry].strip() for entry in files], pattern)
                cells |= found
        lines.append(Line(f"row{number:06d}", where, cells, problem))
    names = {entry: header[place] for entry, place in places.items()}
    return Table(path, names | {entry: f"{{{entry}}}" for entry in named}, lines)


def _name_cells(paths: Iterable[str], pattern: Pattern) -> tuple[dict[str, str], str]:
    """Fields in the names of a row's files, which must agree; or what is wrong with them."""
    cells: dict[str, str] = {}
    for path in paths:
        match = pattern.match(path)
        if match is None:
            return {}, f"'{path}' is not like --filename {pattern.text}"
        for entry, text in match[0].items():
            if cells.setdefault(entry, text) != text:
                return {}, f"{entry} is not the same in the names of its files"
    return cells, ""


def read_names(
    source: Source, fields: Sequence[Field], suffixes: Collection[str]
) -> Iterator[tuple[str, Line, tuple[str, ...]]]:
    """Read fields from the names of a source's files; no table is needed.

    Parameters
    ----------
    suffixes
        In lower case, of the files that are samples; others are left out.

    Yields
    ------
    path, line, rest
        The line has a problem if the name is not like `source.filename`; for `rest` see
        `Pattern.match`.

    Raises
    ------
    UsageError
        If the layout has no such field.
    """
    pattern = _pattern(source, fields)
    if pattern is None:
        return
    suffixes = {*suffixes, PurePosixPath(pattern.text).suffix.lower()}
    for path in source.digests:
        if PurePosixPath(path).suffix.lower() not in suffixes:
            continue
        cells, rest = pattern.match(path) or ({}, ())
        problem = "" if cells else f"the name is not like --filename {pattern.text}"
        yield path, Line(path, str(source.folder / path), cells, problem), rest


def names_suffice(source: Source, fields: Sequence[Field]) -> bool:
    """Whether file names alone tell every needed field, and no table is named."""
    if not source.filename or source.table or source.columns:
        return False
    return _needed_in_names(fields) <= set(compile_pattern(source.filename).fields)


def _needed_in_names(fields: Sequence[Field]) -> set[str]:
    return {entry.name for entry in fields if entry.needed and entry.kind != "path"}


def convert_lines(
    table: Table,
    fields: Sequence[Field],
    source: Source,
    convert: Callable[[str, dict[str, Any]], T],
) -> tuple[list[T], list[str]]:
    """Check every line field by field and convert it.

    Parameters
    ----------
    convert
        From a sample's id and its values to what the task wants; may raise `DataError` too.

    Returns
    -------
    converted, problems
        Each problem names file, row and field, the field as the table's owner does.

    Raises
    ------
    DataError
        If what should be ids is paths of files, row by row.
    """
    converted, problems = [], []
    for entry in fields:
        if entry.kind == "text" and entry.name in table.names:
            found = {line.cells.get(entry.name, "").strip() for line in table.lines} - {""}
            if found and found <= source.digests.keys():
                name = table.names[entry.name]
                raise DataError(
                    f"{table.path}: {name} holds paths of files, no {entry.name}",
                    f"say which column it is: --columns {entry.name}=NAME",
                )
    for line in table.lines:
        try:
            if line.problem:
                raise DataError(line.problem)
            values: dict[str, Value] = {}
            for entry in (*fields, SPLIT):
                if entry.name in table.names:
                    name = table.names[entry.name]
                    values[entry.name] = parse_cell(line.cells[entry.name], entry, name)
                    if entry.kind == "path" and values[entry.name] not in source.digests:
                        raise DataError(f"{name} '{values[entry.name]}' is not in {source.folder}")
            converted.append(convert(line.sample, values))
        except DataError as error:
            problems.append(f"{line.where}: {error.message}")
    return converted, problems


def refuse_settings(source: Source, layout: str) -> None:
    """Raise `UsageError` if a source of a layout without a table is given one."""
    for given, flag in (
        (source.table, "--table"), (source.columns, "--columns"), (source.filename, "--filename")
    ):  # fmt: skip
        if given:
            raise UsageError(
                f"{flag}: layout {layout} has no table, and file names of its own",
                "see `eyecli schema`; fetch it with another --layout",
            )


def _pattern(source: Source, fields: Sequence[Field]) -> Pattern | None:
    if not source.filename:
        return None
    pattern = compile_pattern(source.filename)
    known = [entry.name for entry in fields if entry.kind != "path"]
    for name in pattern.fields:
        if name and name not in known:
            raise UsageError(
                f"--filename: layout {source.layout} reads no field '{name}' from names"
                + (" beside a table" if not any(e.named for e in fields) else ""),
                suggest(name, known),
            )
    return pattern


def _decode(content: bytes, path: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text (byte {error.start})", "save it as UTF-8"
        ) from None
    # UTF-16 without a mark; a zero further down is a problem of its row.
    if "\0" in text.partition("\n")[0]:
        raise DataError(f"{path}: not UTF-8 text (byte {text.index(chr(0))} is zero)",
                        "save it as UTF-8")  # fmt: skip
    return text


def _parse_csv(text: str, path: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and the cells of every row with the line it ends on."""
    # Strict: a forgotten quote would otherwise swallow all rows below it.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_separator(text))
    try:
        (_, first), *rows = [(reader.line_num, row) for row in reader if row] or [(1, [])]
    except csv.Error as error:
        raise DataError(f"{path}: row {reader.line_num}: not a CSV: {error}") from None
    header = [name.strip() for name in first]
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column '{twice}' is there twice", "drop or rename one")
    return header, rows


def _separator(text: str) -> str:
    """The separator that gives the first row most cells."""

    def cells(separator: str) -> int:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
        try:
            return len(next((row for row in reader if row), []))
        except csv.Error:
            # The reader will say so; with the separator that was meant.
            return text.lstrip("\r\n").partition("\n")[0].count(separator) + 1

    return max(SEPARATORS, key=cells)


def _map_columns(
    header: Sequence[str], fields: Sequence[Field], columns: Mapping[str, str], path: str,
    single: Collection[str],
) -> dict[str, int]:  # fmt: skip
    """Field to its place in the header: as the user says, else by its own name or an alias.

    Case does not matter, but where it alone tells two columns apart. A column that the user takes
    for one field is no other: text that may be left out gives way.
    """
    folded = {name.casefold(): name for name in reversed(header)}
    own = [entry for entry in fields if not entry.named]
    for ours, theirs in columns.items():
        if ours not in [entry.name for entry in own]:
            raise UsageError(
                f"--columns: '{ours}' is no field of this layout",
                suggest(ours, [entry.name for entry in own]),
            )
        if theirs not in header:
            raise DataError(
                f"{path}: no column '{theirs}' (--columns {ours}={theirs})", suggest(theirs, header)
            )
    places: dict[str, int] = {}
    for entry in sorted(own, key=lambda entry: entry.name not in columns):
        said = [columns[entry.name]] if entry.name in columns else [entry.name, *entry.aliases]
        found = [name if name in header else folded.get(name.casefold()) for name in said]
        there = list(dict.fromkeys(name for name in found if name is not None))
        if entry.name in single and len(there) > 1 and found[0] is None:
            raise DataError(
                f"{path}: columns '{there[0]}' and '{there[1]}' could both be the {entry.name}",
                f"say which it is: --columns {entry.name}={there[0]}",
            )
        place = header.index(there[0]) if there else None
        taken = next((name for name, other in places.items() if other == place), None)
        if taken is None:
            if place is not None:
                places[entry.name] = place
        elif entry.name in columns or entry.needed or entry.kind != "text":
            raise UsageError(
                f"--columns: '{columns[taken]}' is taken for {taken} and for {entry.name}",
                "say which other column one of them is",
            )
    return places


def _require_columns(
    fields: Sequence[Field], found: Collection[str], header: Sequence[str], path: str
) -> None:
    missing = next((e.name for e in fields if e.needed and e.name not in found), None)
    if missing is None:
        return
    hint = suggest(missing, filter(None, header)) or "the table is empty"
    if hint.startswith("known"):
        hint += f"; say which it is: --columns {missing}=NAME"
    raise DataError(f"{path}: column '{missing}' is missing", hint)
