"""Several sources as one set of samples, whose ids say the same thing in all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.arrays import ArraySpec
from eyecli.data.raw import Raw, RawReader
from eyecli.data.spellings import spelling_key
from eyecli.errors import CheckError, DataError, UsageError
from eyecli.settings import setting
from eyecli.sources.source import Source
from eyecli.workspace.store import Artifact

# The strata column is named in the setup, where every later split finds it.
STRATA = "strata"


@dataclass(frozen=True)
class UniteSettings:
    """What equal subject ids in several sources mean."""

    same_subjects: bool = setting(
        False, "Of several sources: equal subject ids are the same person.", "--same-subjects"
    )
    distinct_subjects: bool = setting(
        False,
        "Of several sources: equal subject ids are different people; every id gets its source's "
        "name.",
        "--distinct-subjects",
    )

    def __post_init__(self) -> None:
        if self.same_subjects and self.distinct_subjects:
            raise UsageError("--same-subjects and --distinct-subjects contradict each other")


@dataclass(frozen=True)
class Found:
    """All samples, before a pixel is decoded.

    Attributes
    ----------
    table
        One dict a sample.
    digests
        For every sample the sha256 of each of its files.
    specs, setup, problems
        See `Raw`; the setup names the strata column, if there is one.
    convert
        From a sample's position to its row of every array.
    targets, identifying, dropped
        See `Raw`.
    where
        For every sample where a person finds it: its id, if the task does not say.
    sessions, exhibits, left_out, doubtful
        See `Raw`.
    extract
        Where slow work tells which samples there are: makes the final ones, keeping arrays in
        the folder it is given.
    """

    table: Sequence[Mapping[str, Any]]
    digests: list[list[str]]
    specs: Mapping[str, ArraySpec]
    setup: dict[str, Any]
    problems: list[str]
    convert: Callable[[int], dict[str, np.ndarray]]
    targets: Sequence[str]
    identifying: Sequence[str]
    dropped: Mapping[str, int]
    where: list[str]
    sessions: Sequence[Mapping[str, Any]] = ()
    exhibits: Sequence[tuple[str, np.ndarray]] = ()
    left_out: Sequence[tuple[str, str, str]] = ()
    doubtful: Sequence[tuple[str, str, str]] = ()
    extract: Callable[[Path], Found] | None = None

    def column(self, name: str) -> list[str]:
        """One column as text."""
        return [str(row[name]) for row in self.table]


def in_order(sources: Sequence[Artifact]) -> dict[str, Artifact]:
    """Sort sources by content, so that their order on the command line changes nothing.

    Returns
    -------
    dict
        Label to source; the label is the source's name, or the start of its digest.

    Raises
    ------
    UsageError
        If one is named twice.
    """
    ordered = sorted(sources, key=lambda source: source.manifest.digest)
    for one, other in pairwise(ordered):
        if one.manifest.digest == other.manifest.digest:
            raise UsageError(f"{one.ref} and {other.ref} are the same data", "name it once")
    names = Counter(source.manifest.name for source in ordered)
    return {_label(source, names[source.manifest.name]): source for source in ordered}


def _label(source: Artifact, namesakes: int) -> str:
    name, digest = source.manifest.name, source.manifest.digest[:8]
    if name is None:
        return digest
    return name if namesakes == 1 else f"{name}-{digest}"


def find_samples(
    sources: Mapping[str, Source], read_raw: RawReader, settings: Any, unite: UniteSettings
) -> Found:
    """Read the samples of one source as they are, of several as one set.

    Parameters
    ----------
    sources
        Label to source.
    read_raw, settings
        The task's reader and settings.
    unite
        What equal subject ids mean.

    Returns
    -------
    Found
        Of several sources with a column ``source``. Where two have the same sample id, all
        samples get their source's label as a prefix, ``label/id``.

    Raises
    ------
    DataError
        If the sources differ in arrays, columns or setup; the field is named.
    CheckError
        If a subject id occurs in several and nobody said what that means.
    """
    return _as_one(
        {label: read_raw(source, settings) for label, source in sources.items()}, sources, unite
    )


def _as_one(raws: Mapping[str, Raw], sources: Mapping[str, Source], unite: UniteSettings) -> Found:
    tables: list[Sequence[Mapping[str, Any]]] = [raw.table for raw in raws.values()]
    sessions: list[Sequence[Mapping[str, Any]]] = [raw.sessions for raw in raws.values()]
    # What is wrong within a source is said first.
    if len(raws) > 1 and not any(raw.problems for raw in raws.values()):
        _require_alike(raws)
        tables, sessions = _united(raws, unite)
    first = next(iter(raws.values()))
    ends = list(accumulate(len(table) for table in tables))
    readers = [(raw.convert, sources[label].read) for label, raw in raws.items()]

    def convert(position: int) -> dict[str, np.ndarray]:
        number = bisect_right(ends, position)
        one, read = readers[number]
        return one(position - (ends[number - 1] if number else 0), read)

    def extract(scratch: Path) -> Found:
        final = {
            label: raw.extract(scratch / str(number)) if raw.extract else raw
            for number, (label, raw) in enumerate(raws.items())
        }
        return _as_one(final, sources, unite)

    return Found(
        table=[row for table in tables for row in table],
        digests=[
            [sources[label].digests[path] for path in files]
            for label, raw in raws.items()
            for files in raw.files
        ],
        specs=first.specs,
        setup=first.setup | ({STRATA: first.strata} if first.strata else {}),
        problems=[problem for raw in raws.values() for problem in raw.problems],
        convert=convert,
        targets=first.targets,
        identifying=first.identifying,
        dropped=sum((Counter(raw.dropped) for raw in raws.values()), Counter()),
        where=[
            place
            for raw, table in zip(raws.values(), tables, strict=True)
            for place in raw.where or [str(row["sample"]) for row in table]
        ],
        sessions=[row for rows in sessions for row in rows],
        exhibits=[exhibit for raw in raws.values() for exhibit in raw.exhibits],
        left_out=[entry for raw in raws.values() for entry in raw.left_out],
        doubtful=[entry for raw in raws.values() for entry in raw.doubtful],
        extract=extract if any(raw.extract for raw in raws.values()) else None,
    )


def _require_alike(raws: Mapping[str, Raw]) -> None:
    (label, first), *others = raws.items()
    for name, raw in others:
        for what, here, there in (
            ("array", dict(first.specs), dict(raw.specs)),
            ("setup", first.setup, raw.setup),
            ("column", dict.fromkeys(first.table[0]), dict.fromkeys(raw.table[0])),
        ):
            for field in sorted(here.keys() | there.keys()):
                if field not in here or field not in there:
                    owner = label if field in here else name
                    raise DataError(
                        f"sources {label} and {name} differ: only {owner} has the {what} '{field}'",
                        "preprocess them one by one",
                    )
                if here[field] != there[field]:
                    raise DataError(
                        f"sources {label} and {name} differ in the {what} '{field}': "
                        f"{here[field]} and {there[field]}",
                        "preprocess them one by one",
                    )


def _united(
    raws: Mapping[str, Raw], unite: UniteSettings
) -> tuple[list[Sequence[Mapping[str, Any]]], list[Sequence[Mapping[str, Any]]]]:
    """Return the tables of samples and those of sessions, with ids that are right for all."""
    samples = _occurrences(raws, "sample")
    # s1 and S1 are one person or two, as s1 and s1 are.
    subjects = _occurrences(raws, "subject", spelling_key)
    shared = sum(count > 1 for subject, count in subjects.items() if subject)
    if shared and not (unite.same_subjects or unite.distinct_subjects):
        raise CheckError(
            f"{shared} subject ids occur in more than one of the sources {', '.join(raws)}: the "
            "same people, or not?",
            "say --same-subjects (one person), or --distinct-subjects (ids get the source's name)",
        )
    prefixed = ["sample"] if any(count > 1 for count in samples.values()) else []
    if unite.distinct_subjects:
        prefixed.append("subject")
    elif shared:
        # A recording is of one source: session 1 of one is not session 1 of another.
        prefixed.append("session")

    def rename(label: str, key: str, value: Any) -> Any:
        # A recording without a number is one of its source, too.
        return f"{label}/{value}" if key in prefixed and (value or key == "session") else value

    def renamed(label: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        return [
            {key: rename(label, key, value) for key, value in row.items()} | {"source": label}
            for row in rows
        ]

    return (
        [renamed(label, raw.table) for label, raw in raws.items()],
        [renamed(label, raw.sessions) for label, raw in raws.items()],
    )


def _occurrences(
    raws: Mapping[str, Raw], column: str, key: Callable[[str], str] = str
) -> Counter[str]:
    """In how many sources every id of a column occurs, in the spelling of `key`."""
    return Counter(
        name for raw in raws.values() for name in {key(str(row[column])) for row in raw.table}
    )
