"""The preprocess stage: raw files to arrays and an index, and their first split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from eyecli.data.arrays import Arrays, ArrayWriter
from eyecli.data.audit import PARENT
from eyecli.data.card import CLASSES, write_dataset_card
from eyecli.data.comparable import not_judged, thumbnail_specs, thumbnails
from eyecli.data.contact_sheet import write_contact_sheet
from eyecli.data.extend import Earlier
from eyecli.data.lookalikes import Lookalike, find_lookalikes, write_lookalikes
from eyecli.data.plan import SplitSettings, like_earlier, plan_split, refuse_problems
from eyecli.data.prepared import (
    ARRAYS,
    CONTACT_SHEET,
    DOUBTFUL,
    INDEX,
    LEFT_OUT,
    SESSIONS,
    SETUP,
    write_table,
)
from eyecli.data.published import PUBLISHED, read_parts
from eyecli.data.raw import RawReader
from eyecli.data.split_stage import open_earlier, split_prepared
from eyecli.data.table_settings import TableSettings, table_input, table_params, with_table
from eyecli.data.unite import STRATA, Found, UniteSettings, find_samples, in_order
from eyecli.errors import DataError, EyecliError, UsageError, suggest
from eyecli.progress import track
from eyecli.sources.source import Source, open_source
from eyecli.workspace.memo import Work
from eyecli.workspace.splits import choose_split
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact, staging

log = logging.getLogger(__name__)

SHOWN = 20
# How the work is shared out, not what comes of it.
WITHOUT_EFFECT = ("processes",)
# A split is audited several times: notices are for the last.
SILENT = logging.Logger("silent", logging.CRITICAL)
NO_TABLE = TableSettings()


def prepare(
    root: Path,
    task: str,
    artifact: Artifact,
    read_raw: RawReader,
    settings: Any,
    split: SplitSettings,
    *,
    more: Sequence[Artifact] = (),
    unite: UniteSettings | None = None,
    table: TableSettings = NO_TABLE,
    force: bool = False,
) -> tuple[Outcome, Outcome]:
    """Make the prepared artifact of one source, or of several united, and its split.

    Parameters
    ----------
    root, task
        The workspace and the task's name.
    artifact
        The source.
    read_raw
        The task's reader.
    settings
        The task's settings, a dataclass.
    split
        How to split.
    more
        Further sources.
    unite
        What equal subject ids in several sources mean.
    table
        The sources' own names of columns and fields; a table of its own only for a single source.

    Returns
    -------
    prepared, split : Outcome

    Raises
    ------
    DataError
        If anything in a source is wrong, the first problem is named; or sources do not go together.
    CheckError
        If groups are unknown, may be mixed up, or the split leaks: then nothing is published.
    """
    earlier = open_earlier(root, task, split)
    split = like_earlier(split, earlier)
    unite = unite or UniteSettings()
    artifacts = in_order([artifact, *more])
    sources = _open(root, artifacts, split, table)
    roles = {f"source-{n}" if n > 1 else "source": a for n, a in enumerate(artifacts.values(), 1)}
    first = next(iter(sources.values()))
    params = result_params(settings) | table_params(first)
    if split.split_column is not None:
        params["split_column"] = split.split_column
    if more:
        params |= {"sources": list(artifacts), **asdict(unite)}
    work = Work("preprocess", "prepared", task, None, params, {**roles, **table_input(first)})

    def build(folder: Path) -> Built:
        found = _find(sources, read_raw, settings, split, unite)
        refuse_problems(found.problems)
        # The split is audited before the slow part: what will be refused is refused at once.
        if not found.extract or split.group == "subject":
            _plan(found, split, earlier, notices=SILENT)
        with staging(root) as scratch:
            found = _extracted(found, scratch)
            refuse_problems(found.problems)
            _write(folder, found)
        # Again, with what only the pixels tell: nothing is published then either.
        pairs = find_lookalikes(Arrays(folder / ARRAYS), found.column("subject"), _distinct(found))
        _plan(found, split, earlier, pairs, notices=SILENT)
        write_lookalikes(folder, found.column("sample"), pairs)
        write_dataset_card(
            folder, task, list(artifacts.values()),
            targets=found.targets, identifying=found.identifying, dropped=found.dropped,
            doubtful=_kinds(found.doubtful),
        )  # fmt: skip
        return Built(summary={"samples": len(found.table), "subjects": _count(found)})

    prepared = run_stage(root, work, build, force=force)
    made = split_prepared(root, prepared.artifact, split, force=force)
    choose_split(root, prepared.artifact, made.artifact)
    return prepared, made


def check_source(
    root: Path,
    artifact: Artifact,
    read_raw: RawReader,
    settings: Any,
    split: SplitSettings,
    *,
    more: Sequence[Artifact] = (),
    unite: UniteSettings | None = None,
    table: TableSettings = NO_TABLE,
) -> list[str]:
    """Read and decode everything, look for near-duplicates, keep nothing (``--dry-run``).

    Returns
    -------
    list of str
        Lines that say what was found, then the first problems.
    """
    earlier = open_earlier(root, artifact.manifest.task, split)
    split = like_earlier(split, earlier)
    sources = _open(root, in_order([artifact, *more]), split, table)
    found = _find(sources, read_raw, settings, split, unite or UniteSettings())
    listed, problems = found.problems, []
    if note := not_judged(found.specs):
        log.warning(note)
    # What a table lacks hides nothing of its other rows.
    if not listed or (found.extract and found.table and len(sources) == 1):
        wanted = thumbnail_specs(found.specs)
        with TemporaryDirectory() as folder, TemporaryDirectory() as scratch:
            found = _extracted(found, Path(scratch))
            problems += found.problems
            writer = ArrayWriter(Path(folder), wanted)
            for position in track(range(len(found.table)), "checking"):
                try:
                    writer.append(thumbnails(found.convert(position), wanted))
                except DataError as error:
                    problems.append(error.message)
            writer.close()
            # Rows are those of the table only if none is missing.
            whole = not listed and not problems
            pairs = (
                find_lookalikes(Arrays(Path(folder)), found.column("subject"), _distinct(found))
                if whole
                else []
            )
        try:
            if not listed:
                _plan(found, split, earlier, pairs)
        except EyecliError as error:
            problems.append(error.message)
    row_bytes = sum(
        int(np.prod(s.shape)) * np.dtype(s.dtype).itemsize for s in found.specs.values()
    )
    layouts = ", ".join(dict.fromkeys(source.layout for source in sources.values()))
    files = sum(len(source.digests) for source in sources.values())
    lines = [
        f"layout {layouts}: {len(found.table)} samples, {_count(found)} subjects, "
        f"{files} files; {_class_counts(found)}arrays {', '.join(found.specs)} of "
        f"{row_bytes * len(found.table) / 1e6:.1f} MB"
        + "".join(f"; {n} left out: {reason}" for reason, n in sorted(found.dropped.items()))
        + "".join(f"; {n} doubtful: {reason}" for reason, n in _kinds(found.doubtful).items()),
        f"{len(listed) + len(problems)} problems",
    ]
    # Of neither kind is all shown where that hides the other.
    first = listed[: max(SHOWN // 2, SHOWN - len(problems))]
    return lines + (first + problems)[:SHOWN]


def result_params(settings: Any) -> dict[str, Any]:
    """Return the settings of a task that can change what a preparation gives."""
    return {key: value for key, value in asdict(settings).items() if key not in WITHOUT_EFFECT}


def _extracted(found: Found, scratch: Path) -> Found:
    """Do the slow work that tells which samples there are, where there is some."""
    return found.extract(scratch) if found.extract else found


def _distinct(found: Found) -> list[int]:
    """Rows that could show one picture twice: of a video one frame for each stimulus shown."""
    rows: dict[Hashable, int] = {}
    for number, row in enumerate(found.table):
        shown = (row["subject"], row["session"], row["stimulus"]) if "stimulus" in row else number
        rows.setdefault(shown, number)
    return list(rows.values())


def _open(
    root: Path, artifacts: dict[str, Artifact], split: SplitSettings, table: TableSettings
) -> dict[str, Source]:
    if table.table and len(artifacts) > 1:
        raise UsageError(
            "--table is for a single source", "preprocess them with their own table.csv"
        )
    return {
        label: replace(
            with_table(open_source(root, artifact), table), split_column=split.split_column
        )
        for label, artifact in artifacts.items()
    }


def _find(
    sources: dict[str, Source],
    read_raw: RawReader,
    settings: Any,
    split: SplitSettings,
    unite: UniteSettings,
) -> Found:
    """Find the samples, with the published split in a column of its own."""
    found = find_samples(sources, read_raw, settings, unite)
    column = split.split_column
    if column is None or found.problems:
        return found
    if PUBLISHED not in found.table[0]:
        # The layout has no table of the user's, but may know the split itself.
        if column not in found.table[0]:
            raise DataError(
                f"--split-column {column}: there is no such column",
                suggest(column, found.table[0]),
            )
        found = replace(found, table=[{**row, PUBLISHED: row[column]} for row in found.table])
    _, problems = read_parts(found.where, found.column(PUBLISHED), column)
    return replace(found, problems=problems)


def _plan(
    found: Found,
    split: SplitSettings,
    earlier: Earlier | None,
    pairs: Sequence[Lookalike] = (),
    **more: logging.Logger,
) -> None:
    strata = found.setup.get(STRATA)
    plan_split(
        found.column("sample"), found.column("subject"), found.digests, split, pairs,
        parents=found.column(PARENT) if PARENT in found.table[0] else (),
        published=None if split.split_column is None else found.column(PUBLISHED),
        earlier=earlier,
        strata=found.column(strata) if strata else None,
        where=found.where,
        sources=found.column("source") if "source" in found.table[0] else (),
        **more,
    )  # fmt: skip


def _write(folder: Path, found: Found) -> None:
    import pandas as pd

    table = pd.DataFrame([dict(row) for row in found.table])
    table["files"] = [" ".join(digests) for digests in found.digests]
    writer = ArrayWriter(folder / ARRAYS, dict(found.specs))
    for position in track(range(len(table)), "preprocess"):
        writer.append(found.convert(position))
    writer.close()
    write_table(folder / INDEX, table)
    if found.sessions:
        write_table(folder / SESSIONS, pd.DataFrame([dict(row) for row in found.sessions]))
    for name, entries in ((LEFT_OUT, found.left_out), (DOUBTFUL, found.doubtful)):
        if entries:
            columns = ["file", "place", "reason"]
            write_table(folder / name, pd.DataFrame(entries, columns=columns))
    if found.exhibits or found.sessions:
        write_contact_sheet(folder / CONTACT_SHEET, found, Arrays(folder / ARRAYS))
    (folder / SETUP).write_bytes(msgspec.json.encode(found.setup, order="deterministic") + b"\n")


def _count(found: Found) -> int:
    return len(set(found.column("subject")) - {""})


def _class_counts(found: Found) -> str:
    """How many samples, and of how many subjects, are of each class; nothing without classes."""
    said = ""
    for column in (name for name in CLASSES if found.table and name in found.table[0]):
        owners: dict[Any, list[str]] = {}
        for row in found.table:
            owners.setdefault(row[column], []).append(str(row["subject"]))
        for value, subjects in sorted(owners.items()):
            of = f" of {len(set(subjects))} subjects" if all(subjects) else ""
            said += f"{column} {value}: {len(subjects)} samples{of}; "
    return said


def _kinds(entries: Sequence[tuple[str, str, str]]) -> Mapping[str, int]:
    """Reason, without its details, to number."""
    return Counter(reason.partition(": ")[0] for _, _, reason in entries)
