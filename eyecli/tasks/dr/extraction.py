"""A pile of photographs to crops around the fundus, and why some are left out: one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.arrays import ArraySpec, ArrayWriter
from eyecli.errors import DataError
from eyecli.imaging.decode import resize_square
from eyecli.imaging.disc import SURE, disc_side
from eyecli.imaging.enhance import clahe, graham
from eyecli.imaging.fundus import read_fundus
from eyecli.imaging.quality import quality
from eyecli.sources.source import Source
from eyecli.tasks.dr.photographs import Fault

UNREADABLE, NO_FUNDUS, POOR = "unreadable image", "no fundus found", "poor quality"
# The disc of a right eye is on the right, unless the picture is mirrored or inverted.
DISC_OF = {"OD": "right", "OS": "left"}
AGREES, CONTRADICTS = "agrees", "contradicts"
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
    return {"pixels": ArraySpec((size, size, 3), "uint8")}


def extract(pile: Pile) -> Extracted:
    """Find the fundus in every photograph of a pile, cut it, and judge what it shows."""
    writer = ArrayWriter(pile.folder, specs(pile.size))
    made = Extracted(pile.folder)
    for one in pile.photographs:
        path = pile.source.folder / one.file
        try:
            content = pile.source.read(one.file)
            reading = read_fundus(content, f"{path} ({one.where})", pile.size)
        except DataError as error:
            detail = error.message.removeprefix(f"{path} ({one.where}): ")
            made.broken.append(Fault(one.file, one.where, UNREADABLE, detail))
            continue
        fundus = reading.fundus
        judged = quality(reading.crop, fundus)
        if fundus is None or judged.score < pile.min_quality:
            reason = NO_FUNDUS if fundus is None else POOR
            detail = f"{judged.score:.2f}, {', '.join(judged.reasons)}"
            made.poor.append(Fault(one.file, one.where, reason, detail))
            if len(made.exhibits) < SHOWN:
                small = resize_square(reading.crop, THUMBNAIL)
                made.exhibits.append((f"{reason} {detail}", small))
            continue
        side = disc_side(reading.crop)
        disc = "" if abs(side) < SURE else "right" if side > 0 else "left"
        made.rows.append(
            {
                **one.columns,
                "width": reading.width,
                "height": reading.height,
                "bytes": len(content),
                "fundus_x": round(fundus.x, 2),
                "fundus_y": round(fundus.y, 2),
                "fundus_radius": round(fundus.radius, 2),
                "cut": " ".join(fundus.cut),
                "quality": round(judged.score, 4),
                "reasons": ", ".join(judged.reasons),
                "disc_side": disc,
                "laterality_check": _checked(one.columns["laterality"], disc),
            }
        )
        made.files.append(one.file)
        made.where.append(one.where)
        writer.append({"pixels": enhance(reading.crop, pile.enhance)})
    writer.close()
    return made


def _checked(laterality: str, disc: str) -> str:
    """Whether the disc is on the side of this eye; nothing where one of them is not known."""
    if not laterality or not disc:
        return ""
    return AGREES if DISC_OF[laterality] == disc else CONTRADICTS


def enhance(crop: np.ndarray, how: str) -> np.ndarray:
    """Change a crop as ``--enhance`` says."""
    if how == "none":
        return crop
    if how == "clahe":
        return clahe(crop)
    return graham(crop, fast=how == "graham-fast")
