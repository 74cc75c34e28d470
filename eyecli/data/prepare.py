"""The preprocess stage: raw files to arrays, an index and an audited split."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from eyecli.data.arrays import Arrays, ArrayWriter
from eyecli.data.audit import PARENT, audit_split, refuse_leaks
from eyecli.data.card import write_dataset_card
from eyecli.data.extend import Earlier
from eyecli.data.lookalikes import (
    Lookalike,
    find_lookalikes,
    read_lookalikes,
    write_lookalikes,
)
from eyecli.data.plan import SplitSettings, like_earlier, plan_split, refuse_problems
from eyecli.data.prepared import (
    ARRAYS,
    INDEX,
    SETUP,
    SPLIT,
    files_of_groups,
    groups_and_parts,
    open_prepared,
    read_split,
    write_table,
)
from eyecli.data.published import PUBLISHED, read_parts
from eyecli.data.raw import RawReader
from eyecli.data.split import group_ids
from eyecli.data.split_card import split_card
from eyecli.data.table_settings import TableSettings, table_input, table_params, with_table
from eyecli.data.unite import STRATA, Found, UniteSettings, find_samples, in_order
from eyecli.errors import DataError, EyecliError, UsageError, suggest
from eyecli.progress import track
from eyecli.sources.source import Source, open_source
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work
from eyecli.workspace.references import resolve
from eyecli.workspace.splits import choose_split
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

SHOWN = 20
# A split is audited several times: notices are for the last.
SILENT = logging.Logger("silent", logging.CRITICAL)
NO_TABLE = TableSettings()
SPLIT_CARD = "card.md"
# Columns that hold classes where a task names no strata; the split's card counts them.
LABELS = ("label", "grade")


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
    params = asdict(settings) | table_params(first)
    if split.split_column is not None:
        params["split_column"] = split.split_column
    if more:
        params |= {"sources": list(artifacts), **asdict(unite)}
    work = Work("preprocess", "prepared", task, None, params, {**roles, **table_input(first)})

    def build(folder: Path) -> Built:
        found = _find(sources, read_raw, settings, split, unite)
        refuse_problems(found.problems)
        # The split is audited before the slow part: what will be refused is refused at once.
        _plan(found, split, earlier, notices=SILENT)
        _write(folder, found)
        # Again, with what only the pixels tell: nothing is published then either.
        pairs = find_lookalikes(Arrays(folder / ARRAYS), found.column("subject"))
        _plan(found, split, earlier, pairs, notices=SILENT)
        write_lookalikes(folder, found.column("sample"), pairs)
        write_dataset_card(
            folder, task, list(artifacts.values()),
            targets=found.targets, identifying=found.identifying, dropped=found.dropped,
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
    """Read and decode everything, write nothing (``--dry-run``).

    Returns
    -------
    list of str
        Lines that say what was found, then the first problems.
    """
    earlier = open_earlier(root, artifact.manifest.task, split)
    split = like_earlier(split, earlier)
    sources = _open(root, in_order([artifact, *more]), split, table)
    found = _find(sources, read_raw, settings, split, unite or UniteSettings())
    problems = list(found.problems)
    if not problems:
        for position in track(range(len(found.table)), "checking"):
            try:
                found.convert(position)
            except DataError as error:
                problems.append(error.message)
        try:
            _plan(found, split, earlier)
        except EyecliError as error:
            problems.append(error.message)
    row_bytes = sum(
        int(np.prod(s.shape)) * np.dtype(s.dtype).itemsize for s in found.specs.values()
    )
    layouts = ", ".join(dict.fromkeys(source.layout for source in sources.values()))
    files = sum(len(source.digests) for source in sources.values())
    lines = [
        f"layout {layouts}: {len(found.table)} samples, {_count(found)} subjects, "
        f"{files} files; arrays {', '.join(found.specs)} of "
        f"{row_bytes * len(found.table) / 1e6:.1f} MB",
        f"{len(problems)} problems",
    ]
    return lines + problems[:SHOWN]


def split_prepared(
    root: Path, prepared: Artifact, settings: SplitSettings, *, force: bool = False
) -> Outcome:
    """Make an audited split of a prepared artifact without reading the raw data again."""
    task = prepared.manifest.task
    inputs = {"prepared": prepared}
    earlier = open_earlier(root, task, settings)
    if earlier:
        settings = like_earlier(settings, earlier)
        inputs["earlier"] = resolve(root, earlier.ref, "split", task)
    params = asdict(settings)
    work = Work("preprocess", "split", task, None, params, inputs, settings.seed)

    def build(folder: Path) -> Built:
        data = open_prepared(prepared)
        columns = {str(name): [str(value) for value in data.index[name]] for name in data.index}
        strata = columns.get(data.setup.get(STRATA, ""))
        digests = [files.split() for files in columns["files"]]
        split = plan_split(
            columns["sample"], columns["subject"], digests, settings,
            read_lookalikes(prepared.path, columns["sample"]), parents=columns.get(PARENT, ()),
            published=columns.get(PUBLISHED), earlier=earlier, strata=strata,
        )  # fmt: skip
        (folder / SPLIT).write_bytes(msgspec.json.encode(split, order="deterministic") + b"\n")
        groups = group_ids(columns["sample"], columns["subject"], split.group_by)
        labels = strata or next((columns[name] for name in LABELS if name in columns), None)
        card = split_card(split, groups, labels, earlier.ref if earlier else None)
        (folder / SPLIT_CARD).write_text(card, encoding="utf-8")
        return Built(
            summary={
                "scheme": split.scheme,
                "groups": len(split.groups),
                "partitions": len(split.partitions),
                "reason": split.reason,
            },
            flags={"subject_independent": split.subject_independent},
        )

    return run_stage(root, work, build, force=force)


def open_earlier(root: Path, task: str, settings: SplitSettings) -> Earlier | None:
    """Read the split that ``--split-from`` names, if it does."""
    if settings.split_from is None:
        return None
    artifact = resolve(root, settings.split_from, "split", task)
    split = read_split(artifact)

    def files() -> dict[str, set[str]]:
        return files_of_groups(open_prepared(input_of(root, artifact, "prepared")), split)

    return Earlier(artifact.ref, split, files)


def require_fit(prepared: Artifact, split: Artifact) -> None:
    """Check that a split made for other data knows every group of these, and audit it.

    Raises
    ------
    DataError
        If there are groups that it does not know.
    CheckError
        If it leaks on these data, unless it is not subject-independent anyway.
    """
    if any(entry.digest == prepared.manifest.digest for entry in split.manifest.inputs):
        return
    plan, data = read_split(split), open_prepared(prepared)
    groups_and_parts(data, plan, 0)
    if plan.subject_independent:
        refuse_leaks(audit_split(data, plan))


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
    _, problems = read_parts(found.column("sample"), found.column(PUBLISHED), column)
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
    (folder / SETUP).write_bytes(msgspec.json.encode(found.setup, order="deterministic") + b"\n")


def _count(found: Found) -> int:
    return len(set(found.column("subject")) - {""})
