"""The artifacts of a chain on rendered eyes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eyecli.workspace.store import Artifact


@dataclass(frozen=True)
class Chain:
    """Artifacts of one chain and their workspace."""

    root: Path
    source: Artifact
    prepared: Artifact
    split: Artifact
    model: Artifact
    predictions: Artifact
