"""From a source of fundus photographs to samples: what names and tables say, then the pixels."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.arrays import Arrays
from eyecli.data.contact_sheet import MOST_LEFT_OUT
from eyecli.data.prepared import DOUBTFUL
from eyecli.data.raw import Raw, Read
from eyecli.errors import DataError
from eyecli.machine import usable_cores
from eyecli.processes import in_processes
from eyecli.progress import track_piles
from eyecli.sources.source import Source
from eyecli.tasks.dr.extraction import CONTRADICTS, Extracted, Photograph, Pile, extract, specs
from eyecli.tasks.dr.photographs import Fault, Photographs, list_photographs
from eyecli.tasks.dr.settings import DrPreprocess

log = logging.getLogger(__name__)

# Photographs that a process is given at once: enough to be worth its start, few enough to share
# out, and their crops few enough to be held.
PILE = 64
# Faults of a kind that are named before those of other kinds.
NAMED = 5
WORST = "worst"
OTHER_EYE = "laterality contradicts the optic disc"


def read_raw(source: Source, settings: DrPreprocess) -> Raw:
    """Find the photographs of a source; their pixels are decoded by `Raw.extract`.

    Raises
    ------
    DataError
        If the layout is another task's, or there is no photograph.
    UsageError
        If the user's names of columns are none of the layout.
    """
    found = list_photographs(source)

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        raise AssertionError("photographs are extracted first")

    return Raw(
        table=_with_worst(found.rows),
        files=[[path] for path in found.files],
        specs=specs(settings.size),
        convert=convert,
        setup=_setup(settings),
        problems=_problems(found.faults, settings),
        strata=WORST,
        targets=("grade",),
        identifying=("pixels",),
        where=found.where,
        extract=lambda scratch: _extracted(source, found, settings, scratch),
        restrict=lambda positions: read_raw_of(source, found, positions, settings),
    )


def read_raw_of(
    source: Source, found: Photographs, positions: Sequence[int], settings: DrPreprocess
) -> Raw:
    """Return the samples of some of the photographs that were found."""
    some = Photographs(
        [found.rows[i] for i in positions],
        [found.files[i] for i in positions],
        [found.where[i] for i in positions],
    )
    return replace(
        read_raw(source, settings),
        table=_with_worst(some.rows),
        files=[[path] for path in some.files],
        problems=[],
        where=some.where,
        extract=lambda scratch: _extracted(source, some, settings, scratch),
        restrict=None,
    )


def _setup(settings: DrPreprocess) -> dict[str, Any]:
    return {"size": settings.size, "enhance": settings.enhance, "grades": 5}


def _with_worst(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the grade of the worse eye: every part of a split gets its share of each."""
    worst: dict[str, int] = {}
    for row in rows:
        worst[row["subject"]] = max(worst.get(row["subject"], 0), row["grade"])
    return [
        {**row, WORST: worst[row["subject"]] if row["subject"] else row["grade"]} for row in rows
    ]


def _problems(faults: Sequence[Fault], settings: DrPreprocess) -> list[str]:
    """Say what is wrong, unless it is to be left out; some of each kind come first."""
    if settings.on_error == "skip":
        return []
    named: Counter[str] = Counter()
    first: list[str] = []
    rest: list[str] = []
    for fault in faults:
        named[fault.reason] += 1
        (first if named[fault.reason] <= NAMED else rest).append(_said(fault))
    return first + rest


def _said(fault: Fault) -> str:
    place = f": {fault.place}" if fault.place else ""
    return f"{fault.file}{place}: {fault.detail}; --on-error skip goes on without it"


def _extracted(source: Source, found: Photographs, settings: DrPreprocess, scratch: Path) -> Raw:
    """Decode all photographs in several processes; what is no sample is counted and named."""
    photographs = [
        Photograph(path, where, row)
        for path, where, row in zip(found.files, found.where, found.rows, strict=True)
    ]
    piles = [
        Pile(
            # A process is told only of the files that it reads.
            replace(source, digests={one.file: source.digests[one.file] for one in pile}),
            pile, scratch / f"{start:08d}", settings.size, settings.enhance, settings.min_quality,
        )
        for start in range(0, len(photographs), PILE)
        for pile in [photographs[start : start + PILE]]
    ]  # fmt: skip
    processes = settings.processes or usable_cores()
    made: list[Extracted] = []
    exhibits: list[tuple[str, np.ndarray]] = []
    with closing(in_processes(extract, piles, processes)) as results:
        for _ in track_piles(len(photographs), PILE, "photographs"):
            one = next(results)
            exhibits += one.exhibits
            # Pictures are held only as far as they are shown.
            exhibits = exhibits[:: 1 if len(exhibits) <= 2 * MOST_LEFT_OUT else 2]
            made.append(replace(one, exhibits=[]))
    return _raw(source, found, made, exhibits, settings)


def _raw(
    source: Source,
    found: Photographs,
    made: Sequence[Extracted],
    exhibits: Sequence[tuple[str, np.ndarray]],
    settings: DrPreprocess,
) -> Raw:
    """Sum up what became of the piles; their crops are given in order, once, and then deleted."""
    broken = [fault for one in made for fault in one.broken]
    poor = [fault for one in made for fault in one.poor]
    faults = [*found.faults, *broken]
    dropped = Counter(fault.reason for fault in (*faults, *poor))
    rows = [row for one in made for row in one.rows]
    problems = _problems(broken, settings)
    if not rows and not problems:
        said = ", ".join(f"{n} {reason}" for reason, n in sorted(dropped.items()))
        raise DataError(
            f"{source.folder}: no photograph is left: {said or 'there are none'}",
            "lower --min-quality, or have what is unreadable named with --on-error stop",
        )
    for reason, count in sorted(dropped.items()):
        log.info("left out: %d %s", count, reason)
    doubtful = _doubtful(made)
    if doubtful:
        checked = sum(bool(row["laterality_check"]) for row in rows)
        log.warning(
            "%d of %d photographs show the optic disc on the side of the other eye: mirrored or "
            "inverted pictures, or wrong names; %s lists them", len(doubtful), checked, DOUBTFUL,
        )  # fmt: skip
    owners = [(one.folder, place) for one in made for place in range(len(one.rows))]
    stores: dict[Path, Arrays] = {}

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        folder, place = owners[position]
        if folder not in stores:
            # On disk no crop shall lie twice: what was given is written elsewhere.
            given = list(stores)
            stores.clear()
            for former in given:
                shutil.rmtree(former)
            stores[folder] = Arrays(folder)
        return {name: stores[folder].take(name, [place])[0] for name in stores[folder].names}

    return Raw(
        table=_with_worst(rows),
        files=[[path] for one in made for path in one.files],
        specs=specs(settings.size),
        convert=convert,
        setup=_setup(settings),
        problems=problems,
        strata=WORST,
        targets=("grade",),
        identifying=("pixels",),
        dropped=dict(dropped),
        where=[where for one in made for where in one.where],
        exhibits=exhibits,
        left_out=[
            (fault.file, fault.place, f"{fault.reason}: {fault.detail}")
            for fault in (*faults, *poor)
        ],
        doubtful=doubtful,
    )


def _doubtful(made: Sequence[Extracted]) -> list[tuple[str, str, str]]:
    """Photographs whose disc contradicts the eye that they are said to be of."""
    return [
        (
            path,
            where,
            f"{OTHER_EYE}: {row['laterality']}, but the disc is on the {row['disc_side']}",
        )
        for one in made
        for row, path, where in zip(one.rows, one.files, one.where, strict=True)
        if row["laterality_check"] == CONTRADICTS
    ]
