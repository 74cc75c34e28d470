"""Where an artifact comes from: its inputs, their inputs, and so on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eyecli.errors import EyecliError
from eyecli.workspace.manifest import Input
from eyecli.workspace.references import resolve
from eyecli.workspace.store import Artifact


def lineage(root: Path, artifact: Artifact) -> dict[str, Any]:
    """Return the tree of inputs below an artifact.

    Returns
    -------
    dict
        ``ref``, ``digest``, ``stage``, ``params`` and ``inputs``, a list of such trees with their
        ``role``; an input that is gone or no artifact has only ``role``, ``ref`` and ``digest``.
    """
    manifest = artifact.manifest
    return {
        "ref": artifact.ref,
        "digest": manifest.digest,
        "stage": manifest.stage,
        "params": manifest.params,
        "inputs": [_input(root, entry) for entry in manifest.inputs],
    }


def _input(root: Path, entry: Input) -> dict[str, Any]:
    leaf = {"role": entry.role, "ref": entry.ref, "digest": entry.digest}
    try:
        artifact = resolve(root, entry.ref)
    except EyecliError:
        return leaf
    if artifact.manifest.digest != entry.digest:
        return leaf
    return {"role": entry.role, **lineage(root, artifact)}


def input_of(root: Path, artifact: Artifact, role: str) -> Artifact:
    """Return the artifact that `artifact` was made from in a given role.

    Raises
    ------
    DataError
        If it is no longer in the workspace, or not the same content.
    """
    entry = next(entry for entry in artifact.manifest.inputs if entry.role == role)
    return resolve(root, entry.digest)
