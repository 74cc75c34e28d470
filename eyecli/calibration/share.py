"""Users whose images are in a source: each one's samples, and their digest."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eyecli.calibration.candidate import Base, Candidate, origin_of, require_unit
from eyecli.calibration.images import Network, look, point_id, rows_of_users
from eyecli.calibration.samples import Samples
from eyecli.calibration.users import Part
from eyecli.data.plan import refuse_problems
from eyecli.data.raw import Raw
from eyecli.errors import DataError
from eyecli.sources.source import Source
from eyecli.sources.tree import hash_tree
from eyecli.workspace.manifest import canonical

Reader = Callable[[Source], Raw]


@dataclass(frozen=True)
class Imaging:
    """What it takes to calibrate from images.

    Attributes
    ----------
    read_raw
        From a source to samples as the model sees them.
    network
        Loads the network; it is heavy, and wanted once.
    trained
        Returns the sha256 of every file that the network was trained on.
    """

    read_raw: Reader
    network: Callable[[], Network]
    trained: Callable[[], set[str]]


def from_images(
    root: Path, part: Part, base: Base, imaging: Imaging
) -> tuple[list[Candidate], list[DataError]]:
    """Find the users in images; nothing is decoded.

    Returns
    -------
    candidates, refused
        The users, and what is wrong with data that are not theirs.

    Raises
    ------
    DataError
        If there is no sample, the unit is not the model's, or something is wrong that may be
        anybody's.
    """
    source, raw = open_images(root, part, imaging.read_raw)
    require_unit(raw.setup["unit"], base, part.place)
    users = rows_of_users(raw)
    # Where everybody has files of his own, those are read again by themselves.
    apart = raw.extract is not None and raw.restrict is None and len(users) > 1
    problems = _of_nobody(source, raw, users.values(), imaging) if apart else raw.problems
    refused: list[DataError] = []
    try:
        refuse_problems(problems)
    except DataError as error:
        if not apart:
            raise
        refused.append(error)

    def read(user: str, rows: Sequence[int]) -> tuple[Samples, int]:
        own, listed = raw_of_user(source, raw, rows, imaging.read_raw)
        samples, final = look(root, own, listed, imaging.network())
        if samples is None:
            why = ", ".join(f"{n} {reason}" for reason, n in final.dropped.items())
            raise DataError(f"{part.place}: no usable sample of {user or 'the user'}: {why}")
        known = imaging.trained()
        seen = sum(any(own.digests[file] in known for file in files) for files in final.files)
        return replace(samples, user=user or None), seen

    return [
        Candidate(
            name or None, part.place, origin_of(part, digest_of_user(source, raw, rows), base),
            raw.setup["unit"], base.network, len(rows),
            len({point_id(raw.table[i]) for i in rows}), functools.partial(read, name, rows),
        )
        for user, rows in users.items()
        for name in [user or part.name or ""]
    ], refused  # fmt: skip


def _of_nobody(
    source: Source, raw: Raw, users: Iterable[Sequence[int]], imaging: Imaging
) -> list[str]:
    """Return the problems that no user's own files have: those are said when it is his turn."""
    if not raw.problems:
        return []
    own = {
        problem
        for rows in users
        for problem in raw_of_user(source, raw, rows, imaging.read_raw)[1].problems
    }
    return [problem for problem in raw.problems if problem not in own]


def open_images(root: Path, part: Part, read_raw: Reader) -> tuple[Source, Raw]:
    """Find the images of a part; nothing is decoded.

    Parameters
    ----------
    root
        The workspace, which remembers what was hashed.
    part
        Where they are.
    read_raw
        The task's reader.

    Raises
    ------
    DataError
        If the folder is empty, or not of that layout.
    """
    folder = (part.table.parent if part.table else part.place).absolute()
    digests = {name: state.sha256 for name, state in hash_tree(root, folder).items()}
    source = Source(folder, part.layout, digests, table=part.table.name if part.table else None)
    return source, read_raw(source)


def digest_of_user(source: Source, raw: Raw, rows: Sequence[int]) -> str:
    """Digest of what a user's samples are made of, and of nothing that is other people's.

    Parameters
    ----------
    source, raw
        The images, and what the task found in them.
    rows
        The user's positions in the table.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    said = raw.details or [{k: v for k, v in row.items() if k != "sample"} for row in raw.table]
    own = [[said[i], [source.digests[name] for name in raw.files[i]]] for i in rows]
    # A file that no sample names, a table for instance, may matter to all of them.
    of_all = source.digests.keys() - {name for files in raw.files for name in files}
    shared = [] if raw.details else [[name, source.digests[name]] for name in sorted(of_all)]
    return hashlib.sha256(canonical([source.layout, own, shared])).hexdigest()


def raw_of_user(
    source: Source, raw: Raw, rows: Sequence[int], read_raw: Reader
) -> tuple[Source, Raw]:
    """Return what a source holds of one user.

    Parameters
    ----------
    source, raw, rows
        As for `digest_of_user`.
    read_raw
        The task's reader.
    """
    if raw.restrict:
        return source, raw.restrict(rows)
    if raw.extract:
        # What is extracted is what was listed: the slow work is to see the user's files only.
        files = {name for i in rows for name in raw.files[i]}
        own = replace(source, digests={k: v for k, v in source.digests.items() if k in files})
        return own, read_raw(own)

    def pick(values: Sequence[Any]) -> list[Any]:
        return [values[i] for i in rows] if values else []

    return source, replace(
        raw, table=pick(raw.table), files=pick(raw.files), where=pick(raw.where),
        details=pick(raw.details), convert=lambda position, read: raw.convert(rows[position], read),
    )  # fmt: skip
