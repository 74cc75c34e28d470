"""Tables of gaze over time: recognised where somebody takes one for a table of images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from eyecli.data.fields import NUMBER
from eyecli.errors import DataError

SUFFIXES = (".csv", ".tsv", ".txt")
SEPARATOR = re.compile(r"[,;\t]")
# A file's start is enough to tell by.
LINES, BYTES = 6, 4096
LOOKED_AT = 5


def refuse_gaze_samples(names: Iterable[str], start: Callable[[str], bytes]) -> None:
    """Refuse a table of gaze samples: it belongs to another task.

    Parameters
    ----------
    names
        Files; the first few tables among them are looked at.
    start
        Gives the first bytes of a file.

    Raises
    ------
    DataError
        If it is one.
    """
    tables = (name for name in names if name.lower().endswith(SUFFIXES))
    for name in islice(tables, LOOKED_AT):
        if is_gaze_samples(start(name)):
            raise DataError(
                f"{name}: gaze samples over time, not images: they are for the task scanpath",
                "the task gaze takes videos or images: see `eyecli schema`",
            )


def start_of(name: str) -> bytes:
    """Return the first bytes of a file."""
    with Path(name).open("rb") as stream:
        return stream.read(BYTES)


def is_gaze_samples(start: bytes) -> bool:
    """Say whether a table's rows are of numbers: time, x, y and perhaps more, and no file names.

    Parameters
    ----------
    start
        The first bytes of the file.
    """
    lines = start[:BYTES].decode("utf-8-sig", "replace").splitlines()
    rows = [SEPARATOR.split(line) for line in lines[1:LINES] if line.strip()]
    if len(start) >= BYTES:
        rows = rows[:-1] or rows
    return bool(rows) and all(
        sum(bool(NUMBER.fullmatch(cell.strip())) for cell in row) >= 3
        and not any(re.search(r"\.[A-Za-z]{3,4}$", cell.strip()) for cell in row)
        for row in rows
    )
