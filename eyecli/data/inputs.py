"""What a model is to be applied to: files of a folder or an archive, one file, or those of a table.

Nothing is copied or hashed: a file is read when its turn comes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from eyecli.data.fields import Field, parse_cell
from eyecli.data.tables import Line, read_table
from eyecli.errors import DataError, UsageError
from eyecli.sources.archive import SUFFIXES, kind_of, reading
from eyecli.sources.contents import (
    Entry,
    by_folder,
    check_place,
    list_files,
    open_archives,
    open_entry,
    refuse_closed,
)
from eyecli.sources.source import Source
from eyecli.sources.tree import base_of, walk
from eyecli.workspace.manifest import sha256_file

log = logging.getLogger(__name__)

PATH = "path"


@dataclass(frozen=True)
class Given:
    """One file to apply a model to.

    Attributes
    ----------
    file
        Its path in the folder or archive, or as the table has it.
    read
        Returns its bytes; raises `DataError`.
    carried
        Other cells of its row of the table, which go along.
    """

    file: str
    read: Callable[[], bytes]
    carried: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """All that a model is to be applied to.

    Attributes
    ----------
    files
        In order: sorted, or as the table has them.
    carried
        Fields of the table that go along.
    """

    files: Sequence[Given]
    carried: tuple[str, ...] = ()


def find_inputs(
    place: Path,
    workspace: Path,
    fields: Sequence[Field],
    wanted: Callable[[Iterable[str]], list[str]],
    what: str,
    columns: Mapping[str, str] | None = None,
) -> Inputs:
    """Find the files that a place names.

    Parameters
    ----------
    place
        A folder, looked through with all below it; a zip or a tar; a CSV with a row a file; or
        one file.
    workspace
        Left out where it lies in the folder.
    fields
        Of the table: ``path``, relative to the table, and what goes along.
    wanted
        Returns those of some file names that the task takes.
    what
        What they are called, in the plural, for messages.
    columns
        Field to the table's own name of its column, where that is another.

    Raises
    ------
    DataError
        If there is no such place, nothing in it that is wanted, or the table or the archive
        cannot be read.
    UsageError
        If the archive is compressed as a whole, or columns are named of what is no table.
    """
    is_table = place.is_file() and place.suffix.lower() == ".csv"
    if columns and not is_table:
        raise UsageError(f"--columns: {place} is no CSV", "leave it out")
    if place.is_file() and wanted([place.name]):
        found = Inputs([Given(str(place), partial(_read_file, place))])
    elif is_table:
        found = _listed(place.absolute(), fields, columns or {})
    else:
        if place.is_file() and kind_of(place.name) is None:
            raise DataError(
                f"{place}: none of {what}, no CSV and no archive ({SUFFIXES})",
                "name one of them, or a folder",
            )
        found = _contained(check_place(place), workspace, wanted)
    if not found.files:
        raise DataError(f"{place}: no {what} in it", "name a folder, an archive or a CSV of them")
    return found


def _contained(
    place: Path, workspace: Path, wanted: Callable[[Iterable[str]], list[str]]
) -> Inputs:
    bad: dict[str, DataError] = {}
    if place.is_dir():
        found = [(name, partial(_read_file, place / name))
                 for name, _ in walk(place, workspace, bad.__setitem__)]  # fmt: skip
    else:
        entries, closed = open_archives(place, list_files(place, workspace))
        refuse_closed(place, closed)
        base = base_of(place)
        found = [(name, partial(_read_entry, base, entry)) for name, entry in entries.items()]
    names = set(wanted(name for name, _ in found))
    if 0 < len(names) < len(found):
        log.info("%s: %d other files are left out", place, len(found) - len(names))
    files = [(name, read) for name, read in found if name in names]
    for name, error in bad.items():
        path = place / name
        # A folder that cannot be read may hold files of the kind.
        if wanted([name]) or (path.is_dir() and not path.is_symlink()):
            files.append((name, partial(_fail, error.message)))
        else:
            log.warning("%s: it is left out", error.message)
    return Inputs([Given(_shown(name), read) for name, read in sorted(files, key=by_folder)])


def _shown(name: str) -> str:
    """Return a name as text can hold it, though it may not be UTF-8."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _listed(path: Path, fields: Sequence[Field], columns: Mapping[str, str]) -> Inputs:
    """A row a file; what is wrong with a row is said when its file is to be read."""
    known = {path.name: sha256_file(path)}
    table = read_table(Source(path.parent, "", known, path.name, columns), fields)
    carried = tuple(e.name for e in fields if e.name != PATH and e.name in table.names)
    return Inputs([_of_row(path.parent, line, fields, carried) for line in table.lines], carried)


def _of_row(folder: Path, line: Line, fields: Sequence[Field], carried: tuple[str, ...]) -> Given:
    cells = {name: line.cells.get(name, "").strip() for name in (PATH, *carried)}
    place = cells.pop(PATH)
    try:
        if line.problem:
            raise DataError(line.problem)
        for entry in fields:
            # What goes along may be unknown.
            if entry.name == PATH or cells.get(entry.name):
                parse_cell(line.cells[entry.name], entry, entry.name)
    except DataError as error:
        return Given(place, partial(_fail, f"{line.where}: {error.message}"), cells)
    return Given(place, partial(_read_file, folder / place), cells)


def _fail(message: str) -> bytes:
    raise DataError(message)


def _read_file(path: Path) -> bytes:
    try:
        # Reading a pipe might never end.
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _read_entry(base: Path, entry: Entry) -> bytes:
    assert entry.archive
    with reading(entry.archive, entry.name), open_entry(base, entry) as stream:
        return stream.read()
