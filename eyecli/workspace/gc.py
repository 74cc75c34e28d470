"""Removing what nothing needs: leftovers always, old versions when asked."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from eyecli.errors import DataError, UsageError
from eyecli.workspace.aliases import list_aliases
from eyecli.workspace.leftovers import (
    Waste,
    Young,
    discard,
    freed,
    leftovers,
    younger_than,
)
from eyecli.workspace.lineage import closure
from eyecli.workspace.manifest import MANIFEST
from eyecli.workspace.removed import mark_removed
from eyecli.workspace.splits import belongs_to_data, chosen_split
from eyecli.workspace.store import Artifact, families, load, versions

log = logging.getLogger(__name__)


def collect_garbage(
    root: Path, grace: float, keep: int | None = None, *, dry_run: bool = False
) -> tuple[list[Waste], list[Waste]]:
    """Remove what nothing needs.

    Parameters
    ----------
    root
        The workspace.
    grace
        Seconds: what is younger stays.
    keep
        Newest versions of each ``kind/task[/name]`` to keep, and of folds that no model holds yet
        of each partition; older ones go unless an alias or the lineage of what is kept needs them.
        None removes no artifact.
    dry_run
        Remove nothing.

    Returns
    -------
    removed, stayed : list of Waste
        What was removed (or would be), and what could not be.

    Raises
    ------
    UsageError
        If `keep` is below 1: the newest version holds the place of the next number.
    DataError
        If an artifact that stays is damaged: what it needs is not known.
    """
    if keep is not None and keep < 1:
        raise UsageError(f"--keep {keep} is below 1", "the newest version always stays")
    young = younger_than(root, grace)
    doomed = {} if keep is None else {a.path: a for a in expendable(root, keep, young)}
    found = [Waste(path, "old version", freed(path)) for path in doomed]
    found += leftovers(root, young, {artifact.ref for artifact in doomed.values()})
    if dry_run:
        return found, []
    removed, stayed = [], []
    for waste in found:
        try:
            if waste.path in doomed:
                mark_removed(root, doomed[waste.path])
            discard(root, waste.path)
        except FileNotFoundError:
            continue  # another gc was faster
        except OSError as error:
            log.warning("%s: %s", waste.path, error.strerror)
            stayed.append(waste)
        else:
            removed.append(waste)
    return removed, stayed


def expendable(root: Path, keep: int, young: Young) -> list[Artifact]:
    """Versions that are not the newest, that no alias names and nothing kept was made from.

    Returns
    -------
    list of Artifact
        Each before its own inputs, so that what is there after a crash has its whole lineage.

    Raises
    ------
    DataError
        If an artifact that stays is damaged.
    """
    roots, rest = [], []
    for family_ref in families(root):
        known = versions(root, family_ref)
        named = {v for name, v in list_aliases(root, family_ref).items()
                 if not belongs_to_data(name)}  # fmt: skip
        newest = {*known[-keep:], *_unmerged(root, family_ref, known, keep)}
        for version in known:
            kept = version in newest or version in named
            folder = root / family_ref / f"v{version:04d}"
            if kept or young(folder / MANIFEST):
                roots.append(_load(root, family_ref, version))
            else:
                rest.append((family_ref, version))
    needed = {artifact.ref for artifact in _with_splits(root, roots)}
    old = {}
    for family_ref, version in rest:
        # One that is damaged stays: perhaps its folder can be restored.
        with suppress(DataError):
            artifact = load(root, family_ref, version)
            if artifact.ref not in needed:
                old[artifact.ref] = artifact
    return [artifact for artifact in reversed(closure(root, old.values())) if artifact.ref in old]


def _unmerged(root: Path, family_ref: str, known: Sequence[int], keep: int) -> list[int]:
    """Return the newest folds of every partition of every split that no model holds yet."""
    kind, _, rest = family_ref.partition("/")
    if kind != "fold":
        return []
    merged = [model.manifest.files.items()
              for version in versions(root, f"model/{rest}")
              for model in _whole(root, f"model/{rest}", version)]  # fmt: skip
    waiting = defaultdict(list)
    for version in known:
        for fold in _whole(root, family_ref, version):
            manifest = fold.manifest
            if not any(manifest.files.items() <= files for files in merged):
                split = [entry.digest for entry in manifest.inputs if entry.role == "split"]
                waiting[str(manifest.params.get("partition")), *split].append(version)
    return [version for found in waiting.values() for version in found[-keep:]]


def _whole(root: Path, family_ref: str, version: int) -> list[Artifact]:
    """Return an artifact, or nothing if its manifest is damaged."""
    with suppress(DataError):
        return [load(root, family_ref, version)]
    return []


def _load(root: Path, family_ref: str, version: int) -> Artifact:
    try:
        return load(root, family_ref, version)
    except DataError as error:
        raise DataError(
            f"{error.message}; what it was made from is not known",
            "delete its folder, or use gc without --keep",
        ) from error


def _with_splits(root: Path, roots: list[Artifact]) -> list[Artifact]:
    """Return the lineage of `roots`, with the chosen split of all prepared data in it."""
    while True:
        found = closure(root, roots)
        known = {artifact.ref for artifact in found}
        splits = []
        for artifact in (a for a in found if a.manifest.kind == "prepared"):
            with suppress(DataError):
                splits.append(chosen_split(root, artifact))
        new = [split for split in splits if split.ref not in known]
        if not new:
            return found
        roots = [*found, *new]
