"""Splits as artifacts: made of prepared data, read back, and checked against other data."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import msgspec

from eyecli.data.audit import PARENT, audit_split, refuse_leaks
from eyecli.data.comparable import not_judged
from eyecli.data.extend import Earlier
from eyecli.data.lookalikes import read_lookalikes
from eyecli.data.plan import SplitSettings, like_earlier, plan_split
from eyecli.data.prepared import (
    SPLIT,
    files_of_groups,
    groups_and_parts,
    open_prepared,
    read_split,
)
from eyecli.data.published import PUBLISHED
from eyecli.data.split import group_ids
from eyecli.data.split_card import split_card
from eyecli.data.unite import STRATA
from eyecli.workspace.lineage import input_of
from eyecli.workspace.memo import Work
from eyecli.workspace.references import resolve
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

log = logging.getLogger(__name__)

SPLIT_CARD = "card.md"
# Columns that hold classes where a task names no strata; the split's card counts them.
LABELS = ("label", "grade")


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
        note = not_judged(data.arrays.specs)
        if note:
            log.warning(note)
        columns = {str(name): [str(value) for value in data.index[name]] for name in data.index}
        strata = columns.get(data.setup.get(STRATA, ""))
        digests = [files.split() for files in columns["files"]]
        split = plan_split(
            columns["sample"], columns["subject"], digests, settings,
            read_lookalikes(prepared.path, columns["sample"]), parents=columns.get(PARENT, ()),
            published=columns.get(PUBLISHED), earlier=earlier, strata=strata,
            sources=columns.get("source", ()),
        )  # fmt: skip
        (folder / SPLIT).write_bytes(msgspec.json.encode(split, order="deterministic") + b"\n")
        groups = group_ids(columns["sample"], columns["subject"], split.group_by)
        labels = strata or next((columns[name] for name in LABELS if name in columns), None)
        card = split_card(split, groups, labels, earlier.ref if earlier else None, note)
        (folder / SPLIT_CARD).write_text(card, encoding="utf-8")
        return Built(
            summary={
                "scheme": split.scheme,
                "groups": len(split.groups),
                "partitions": len(split.partitions),
                "reason": split.reason,
                **({"note": note} if note else {}),
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
