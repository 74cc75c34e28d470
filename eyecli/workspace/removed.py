"""Versions that were removed: their numbers are never given to anything else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from eyecli.workspace.manifest import DAMAGED, canonical
from eyecli.workspace.store import Artifact, write_atomic


class Removed(msgspec.Struct, frozen=True):
    """What stays of a removed version."""

    digest: str
    at: str


def _path(root: Path, family_ref: str, version: int) -> Path:
    # No name of a family begins with a dot.
    return root / family_ref / f".v{version:04d}.gone"


def mark_removed(root: Path, artifact: Artifact) -> None:
    """Note that a version will be gone."""
    family_ref, version = artifact.ref.rsplit("@v", 1)
    note = Removed(artifact.manifest.digest, datetime.now(UTC).isoformat(timespec="seconds"))
    write_atomic(_path(root, family_ref, int(version)), canonical(note) + b"\n")


def removed(root: Path, family_ref: str, version: int) -> Removed | None:
    """Return what is noted of a version that was removed; None if it was not."""
    path = _path(root, family_ref, version)
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Removed)
    except DAMAGED:
        return Removed("", "")
