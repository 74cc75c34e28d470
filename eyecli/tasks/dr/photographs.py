"""Photographs and their grades, as the raw layouts tell of them; no pixel is decoded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from eyecli.data.classes import LATERALITY, images
from eyecli.data.fields import Field
from eyecli.data.published import PUBLISHED
from eyecli.data.tables import (
    Line,
    Table,
    convert_lines,
    find_table,
    read_names,
    read_table,
    refuse_settings,
)
from eyecli.errors import DataError, suggest
from eyecli.sources.source import Source
from eyecli.tasks.dr.fields import (
    EYE,
    FOLDER_FIELDS,
    IMAGE_NAME,
    KAGGLE_FIELDS,
    LABELS,
    LAYOUTS,
    TABLE_FIELDS,
    grade_of,
)

NO_IMAGE, NO_ROW, TWICE, BAD_ROW, NO_GRADE = (
    "row without its image", "image without its row", "a second one of the same id", "bad row",
    "image in no folder of a grade",
)  # fmt: skip
# The column of the published test set; the labels of the train part have none.
USAGE = "usage"
SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Fault:
    """What could have been a photograph with a grade, and why it is none.

    Attributes
    ----------
    file, place
        Where it is: a file of the source, and the row if that is a table.
    reason
        Its kind, one of few: they are counted.
    detail
        What is wrong with this one.
    """

    file: str
    place: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Photographs:
    """What a source holds.

    Attributes
    ----------
    rows
        One dict a photograph: ``sample``, ``subject``, ``laterality``, ``grade`` and what else the
        layout tells.
    files, where
        Its file in the source, and where a person finds it.
    faults
        What is none.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def list_photographs(source: Source) -> Photographs:
    """Find the photographs of a source, and their grades.

    Raises
    ------
    DataError
        If the layout is another task's, the table is no CSV or lacks a column, or there is no
        photograph.
    UsageError
        If the user's names of columns are none of the layout.
    """
    readers = {"kaggle-dr": _kaggle, "dr-table": _table, "dr-class-folders": _folders}
    if source.layout not in readers:
        raise DataError(f"layout {source.layout} is not one of dr", suggest("", LAYOUTS))
    found = _unique(readers[source.layout](source))
    if not found.rows and not found.faults:
        raise DataError(f"{source.folder}: no photographs found", "see `eyecli schema`")
    return found


def _kaggle(source: Source) -> Photographs:
    """``10_left.jpeg`` and the tables that grade it; each says which part its images are of."""
    refuse_settings(source, "kaggle-dr")
    pattern = re.compile(EYE, re.I)
    files = {path: PurePosixPath(path).stem for path in source.digests if pattern.fullmatch(path)}
    by_stem = {stem: path for path, stem in sorted(files.items(), reverse=True)}
    names = [path for path in source.digests if re.fullmatch(LABELS, path, re.I)]
    names = names or [name for name in [find_table(source.digests)] if name]
    found = Photographs()
    fields = [entry for entry in KAGGLE_FIELDS if not entry.named]
    for name in names:
        table = read_table(replace(source, table=name, split_column=None), fields)
        for where, values in _converted(table, fields, source, found.faults):
            stem = str(values[IMAGE_NAME.name])
            if stem not in by_stem:
                found.faults.append(
                    Fault(table.path, _place(where), NO_IMAGE, f"no image '{stem}'")
                )
                continue
            subject, _, side = stem.rpartition("_")
            row = {
                "sample": stem,
                "subject": subject,
                "laterality": LATERALITY[side.lower()],
                "grade": int(values["grade"]),
            }
            if source.split_column == USAGE:
                row[PUBLISHED] = values.get(USAGE, "train")
            found.rows.append(row)
            found.files.append(by_stem[stem])
            found.where.append(where)
    found.faults.extend(_without_row(files, found.files, by_stem))
    return found


def _table(source: Source) -> Photographs:
    """A row a photograph."""
    table = read_table(source, TABLE_FIELDS, single=("path", "grade"))
    table = replace(table, lines=_with_paths(table, source))
    found = Photographs()
    stems = Counter(PurePosixPath(path).stem for path in images(source.digests))
    for where, values in _converted(table, TABLE_FIELDS, source, found.faults):
        path = str(values["path"])
        stem = PurePosixPath(path).stem
        row = {
            "sample": stem if stems[stem] == 1 else path,
            "subject": str(values.get("subject", "")),
            "laterality": str(values.get("laterality", "")),
            "grade": int(values["grade"]),
        }
        if PUBLISHED in values:
            row[PUBLISHED] = values[PUBLISHED]
        found.rows.append(row)
        found.files.append(path)
        found.where.append(where)
    found.faults.extend(_without_row(images(source.digests), found.files, {}))
    return found


def _with_paths(table: Table, source: Source) -> list[Line]:
    """Put paths in the place of names, which tables give without folder or ending."""
    called: dict[str, set[str]] = {}
    for path in images(source.digests):
        place = PurePosixPath(path)
        for name in (str(place.with_suffix("")), place.name, place.stem):
            called.setdefault(name, set()).add(path)
    lines = []
    for line in table.lines:
        name = line.cells.get("path", "").strip()
        paths = [] if name in source.digests else sorted(called.get(name, ()))
        if len(paths) == 1:
            line = replace(line, cells={**line.cells, "path": paths[0]})
        elif paths:
            said = f"{table.names['path']} '{name}' is each of {' and '.join(paths[:2])}"
            line = replace(line, problem=line.problem or said)
        lines.append(line)
    return lines


def _folders(source: Source) -> Photographs:
    """The folder is the grade; file names may tell the subject, if the user says how."""
    found = Photographs()
    if source.table or source.columns:
        refuse_settings(source, "dr-class-folders")
    told: dict[str, str] = {}
    if source.filename:
        for path, line, _ in read_names(source, FOLDER_FIELDS, SUFFIXES):
            if line.problem:
                found.faults.append(Fault(path, "", BAD_ROW, line.problem))
            else:
                told[path] = line.cells.get("subject", "")
    faulty = {fault.file for fault in found.faults}
    for path in images(source.digests):
        if path in faulty:
            continue
        grade = grade_of(path)
        if grade is None:
            folder = PurePosixPath(path).parent.name
            said = f"grade {folder} is none of 0 to 4" if folder else "no folder tells its grade"
            found.faults.append(Fault(path, "", NO_GRADE, said))
            continue
        found.rows.append(
            {
                "sample": path,
                "subject": told.get(path, ""),
                "laterality": "",
                "grade": int(grade),
            }
        )
        found.files.append(path)
        found.where.append(str(source.folder / path))
    return found


def _converted(
    table: Table, fields: Sequence[Field], source: Source, faults: list[Fault]
) -> list[tuple[str, dict[str, Any]]]:
    """Return where each row is, and its values; rows that are wrong become faults."""
    where = {line.sample: line.where for line in table.lines}

    def convert(sample: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if not float(values["grade"]).is_integer():
            raise DataError(f"{table.names['grade']} {values['grade']:g} is no whole number")
        return where[sample], values

    converted, problems = convert_lines(table, fields, source, convert)
    lacking = f" is not in {source.folder}"
    for problem in problems:
        place, _, detail = problem.removeprefix(f"{table.path}: ").partition(": ")
        reason = NO_IMAGE if detail.endswith(lacking) else BAD_ROW
        faults.append(Fault(table.path, place, reason, detail))
    return converted


def _place(where: str) -> str:
    """Return the row of a place in a table; nothing of a file."""
    return found[1] if (found := re.search(r": (row \d+)$", where)) else ""


def _without_row(
    files: Iterable[str], used: Sequence[str], by_stem: Mapping[str, str]
) -> list[Fault]:
    """Images that no row names; of two with one name only the first can be meant."""
    known = set(used)
    faults = []
    for path in sorted(files):
        if path in known:
            continue
        first = by_stem.get(PurePosixPath(path).stem)
        if first in known:
            faults.append(Fault(path, "", TWICE, f"the same name as {first}"))
        else:
            faults.append(Fault(path, "", NO_ROW, "no row names it"))
    return faults


def _unique(found: Photographs) -> Photographs:
    """Keep the first photograph of an id, and of a file."""
    kept = Photographs(faults=list(found.faults))
    seen: dict[tuple[str, str], str] = {}
    for row, path, where in zip(found.rows, found.files, found.where, strict=True):
        keys = (("id", row["sample"]), ("file", path))
        first = next((seen[key] for key in keys if key in seen), None)
        if first is not None:
            kept.faults.append(Fault(path, _place(where), TWICE, f"as {row['sample']} in {first}"))
            continue
        seen.update(dict.fromkeys(keys, where))
        kept.rows.append(row)
        kept.files.append(path)
        kept.where.append(where)
    return kept
