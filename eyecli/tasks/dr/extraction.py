"""A pile of photographs to crops around the fundus, and why some are left out: one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.arrays import ArraySpec, ArrayWriter
from eyecli.errors import DataError
from eyecli.sources.source import Source
from eyecli.tasks.dr.photographs import Fault

UNREADABLE, NO_FUNDUS, POOR = "unreadable image", "no fundus found", "poor quality"
# Of what a pile leaves out, this many are shown on the contact sheet.
SHOWN = 4
THUMBNAIL = 128


@dataclass(frozen=True)
class Photograph:
    """A file of the source, where a person finds it, and the columns of its sample."""

    file: str
    where: str
    columns: dict[str, Any]


@dataclass(frozen=True)
class Pile:
    """What one process is given.

    Attributes
    ----------
    source
        Where the photographs are.
    photographs
        Which.
    folder
        Where crops go.
    size, enhance, min_quality
        See `DrPreprocess`.
    """

    source: Source
    photographs: Sequence[Photograph]
    folder: Path
    size: int
    enhance: str
    min_quality: float


@dataclass(frozen=True)
class Extracted:
    """What became of a pile.

    Attributes
    ----------
    folder
        Holds the arrays, a row a sample.
    rows, files, where
        Of the samples: columns, file, and where a person finds it.
    broken, poor
        What cannot be read, and what shows too little.
    exhibits
        Caption and picture of some of the latter.
    """

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    broken: list[Fault] = field(default_factory=list)
    poor: list[Fault] = field(default_factory=list)
    exhibits: list[tuple[str, np.ndarray]] = field(default_factory=list)


def specs(size: int) -> dict[str, ArraySpec]:
    """Return the arrays of prepared photographs."""
    return {"image": ArraySpec((size, size, 3), "uint8")}
