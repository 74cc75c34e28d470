"""The preprocess stage: raw files to arrays, an index and an audited split."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from eyecli.data.arrays import ArraySpec, ArrayWriter
from eyecli.data.audit import find_leaks, refuse_leaks
from eyecli.data.card import write_dataset_card
from eyecli.data.prepared import ARRAYS, INDEX, SETUP, SPLIT, open_prepared, write_table
from eyecli.data.split import Split, group_ids, make_split
from eyecli.errors import DataError, EyecliError
from eyecli.progress import track
from eyecli.settings import setting
from eyecli.sources.source import Source, open_source
from eyecli.workspace.memo import Work
from eyecli.workspace.splits import choose_split
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

log = logging.getLogger(__name__)

SHOWN = 20
# Returns the bytes of a source file, checked against its digest.
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class SplitSettings:
    """How to split; the same for every task."""

    split: str = setting(
        "holdout", "holdout[:0.2], kfold:5, kfold:5x3 (drawn 3 times) or leave-one-group-out."
    )
    group: Literal["subject", "none"] = setting(
        "subject", "Keep together: subject, or none (by sample: not subject-independent)."
    )
    seed: int = setting(0, "Seed of the draw.")
    unsafe_split: str = setting("", "Accept leaks, for this REASON, which every report repeats.")


@dataclass(frozen=True)
class Raw:
    """What a task finds in a source before it decodes a pixel.

    Attributes
    ----------
    table
        One dict a sample: ``sample``, ``subject`` ('' if unknown) and the task's columns.
    files
        For every sample the files it is made of, relative to the source.
    specs
        The arrays that will be written.
    convert
        From a sample's position and a reader to its row of every array.
    setup
        What training and export must know: sizes, units, screen.
    problems
        What is wrong, each with file, row and field; empty if all is well.
    targets
        Numeric columns of the table that a model is to predict.
    identifying
        Arrays whose pixels could show who somebody is; the dataset card leaves them out.
    dropped
        Reason to number of samples that were left out.
    """

    table: Sequence[Mapping[str, Any]]
    files: Sequence[Sequence[str]]
    specs: Mapping[str, ArraySpec]
    convert: Callable[[int, Read], dict[str, np.ndarray]]
    setup: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    targets: Sequence[str] = ()
    identifying: Sequence[str] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)


RawReader = Callable[[Source, Any], Raw]


def prepare(
    root: Path,
    task: str,
    artifact: Artifact,
    read_raw: RawReader,
    settings: Any,
    split: SplitSettings,
    *,
    force: bool = False,
) -> tuple[Outcome, Outcome]:
    """Make the prepared artifact of a source, and its split.

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

    Returns
    -------
    prepared, split : Outcome

    Raises
    ------
    DataError
        If anything in the source is wrong; the first problem is named.
    CheckError
        If groups are unknown or the split leaks: then nothing is published.
    """
    source = open_source(root, artifact)
    work = Work("preprocess", "prepared", task, None, asdict(settings), {"source": artifact})

    def build(folder: Path) -> Built:
        raw = read_raw(source, settings)
        refuse_problems(raw.problems)
        # The split is audited before the slow part: what will be refused is refused at once.
        plan_split(
            _ids(raw.table, "sample"), _ids(raw.table, "subject"), _digests(raw, source), split
        )
        _write(folder, raw, source)
        write_dataset_card(
            folder, task, [artifact],
            targets=raw.targets, identifying=raw.identifying, dropped=raw.dropped,
        )  # fmt: skip
        return Built(summary={"samples": len(raw.table), "subjects": _count(raw.table)})

    prepared = run_stage(root, work, build, force=force)
    made = split_prepared(root, prepared.artifact, split, force=force)
    choose_split(root, prepared.artifact, made.artifact)
    return prepared, made


def check_source(
    root: Path, artifact: Artifact, read_raw: RawReader, settings: Any, split: SplitSettings
) -> list[str]:
    """Read and decode everything, write nothing (``--dry-run``).

    Returns
    -------
    list of str
        Lines that say what was found, then the first problems.
    """
    source = open_source(root, artifact)
    raw = read_raw(source, settings)
    problems = list(raw.problems)
    if not problems:
        for position in track(range(len(raw.table)), "checking"):
            try:
                raw.convert(position, source.read)
            except DataError as error:
                problems.append(error.message)
        try:
            plan_split(
                _ids(raw.table, "sample"), _ids(raw.table, "subject"), _digests(raw, source), split
            )
        except EyecliError as error:
            problems.append(error.message)
    row_bytes = sum(int(np.prod(s.shape)) * np.dtype(s.dtype).itemsize for s in raw.specs.values())
    lines = [
        f"layout {source.layout}: {len(raw.table)} samples, {_count(raw.table)} subjects, "
        f"{len(source.digests)} files; arrays {', '.join(raw.specs)} of "
        f"{row_bytes * len(raw.table) / 1e6:.1f} MB",
        f"{len(problems)} problems",
    ]
    return lines + problems[:SHOWN]


def split_prepared(
    root: Path, prepared: Artifact, settings: SplitSettings, *, force: bool = False
) -> Outcome:
    """Make an audited split of a prepared artifact without reading the raw data again."""
    params = asdict(settings)
    work = Work(
        "preprocess", "split", prepared.manifest.task, None, params, {"prepared": prepared},
        settings.seed,
    )  # fmt: skip

    def build(folder: Path) -> Built:
        index = open_prepared(prepared).index
        digests = [files.split() for files in index["files"]]
        split = plan_split(list(index["sample"]), list(index["subject"]), digests, settings)
        (folder / SPLIT).write_bytes(msgspec.json.encode(split, order="deterministic") + b"\n")
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


def plan_split(
    samples: Sequence[str],
    subjects: Sequence[str],
    digests: Sequence[Sequence[str]],
    settings: SplitSettings,
) -> Split:
    """Split and audit.

    Parameters
    ----------
    samples, subjects
        (n,) ids.
    digests
        For every sample the sha256 of its files.
    settings
        How to split, and whether a leak is accepted.

    Raises
    ------
    CheckError
        If groups are unknown, or the split leaks and that was not accepted with a reason.
    """
    # It becomes part of the first line of every report.
    accepted = " ".join(settings.unsafe_split.split())
    groups = group_ids(samples, subjects, settings.group)
    split = make_split(groups, settings.split, settings.seed)
    leaks = find_leaks(samples, groups, digests, split)
    reasons = []
    if settings.group == "none":
        reasons.append("--group none: no subjects are kept apart")
    if leaks and accepted:
        log.warning("%d leaks accepted: %s", len(leaks), accepted)
        reasons.append(f"{len(leaks)} leaks accepted: {accepted}")
    else:
        refuse_leaks(leaks)
    return msgspec.structs.replace(
        split,
        group_by=settings.group,
        subject_independent=not reasons,
        reason="; ".join(reasons) or None,
    )


def refuse_problems(problems: Sequence[str]) -> None:
    """Raise `DataError` with the first problem and the number of all."""
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more, "--dry-run lists the first 20")


def _write(folder: Path, raw: Raw, source: Source) -> None:
    import pandas as pd

    table = pd.DataFrame([dict(row) for row in raw.table])
    table["files"] = [" ".join(digests) for digests in _digests(raw, source)]
    writer = ArrayWriter(folder / ARRAYS, dict(raw.specs))
    for position in track(range(len(table)), "preprocess"):
        writer.append(raw.convert(position, source.read))
    writer.close()
    write_table(folder / INDEX, table)
    (folder / SETUP).write_bytes(msgspec.json.encode(raw.setup, order="deterministic") + b"\n")


def _digests(raw: Raw, source: Source) -> list[list[str]]:
    return [[source.digests[path] for path in files] for files in raw.files]


def _ids(table: Sequence[Mapping[str, Any]], column: str) -> list[str]:
    return [str(row[column]) for row in table]


def _count(table: Sequence[Mapping[str, Any]]) -> int:
    return len(set(_ids(table, "subject")) - {""})
