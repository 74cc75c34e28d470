"""Which split belongs to a prepared artifact."""

from __future__ import annotations

from pathlib import Path

from eyecli.errors import DataError
from eyecli.workspace.store import Artifact, load, versions


def latest_split(root: Path, prepared: Artifact) -> Artifact:
    """Return the newest split made of a prepared artifact.

    Raises
    ------
    DataError
        If there is none.
    """
    family_ref = f"split/{prepared.manifest.task}"
    for version in reversed(versions(root, family_ref)):
        split = load(root, family_ref, version)
        if split.manifest.inputs[0].digest == prepared.manifest.digest:
            return split
    raise DataError(f"no split of {prepared.ref}", "run the same `eyecli preprocess` again")
