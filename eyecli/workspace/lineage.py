"""Where an artifact comes from: its inputs, their inputs, and so on."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from eyecli.errors import EyecliError
from eyecli.workspace.manifest import Input
from eyecli.workspace.references import resolve
from eyecli.workspace.store import Artifact, artifacts

Find = Callable[[Input], Artifact | None]
PUBLISHED = re.compile(r".*@v\d+")


def finder(root: Path) -> Find:
    """Return a function that finds the artifact of an input; None for files and what is gone.

    The digest counts, the reference only says where to look first: in another workspace the same
    artifact may have another version.
    """

    @functools.cache
    def by_digest() -> dict[str, Artifact]:
        return {artifact.manifest.digest: artifact for artifact in artifacts(root)}

    def find(entry: Input) -> Artifact | None:
        try:
            artifact = resolve(root, entry.ref)
        except EyecliError:
            artifact = None
        if artifact and artifact.manifest.digest == entry.digest:
            return artifact
        return by_digest().get(entry.digest) if PUBLISHED.fullmatch(entry.ref) else None

    return find


def lineage(root: Path, artifact: Artifact) -> dict[str, Any]:
    """Return the tree of inputs below an artifact.

    Returns
    -------
    dict
        ``ref``, ``digest``, ``stage``, ``params`` and ``inputs``, a list of such trees with their
        ``role``; an input that is gone or no artifact has only ``role``, ``ref`` and ``digest``.
    """
    return _tree(artifact, finder(root), ())


def _tree(artifact: Artifact, find: Find, above: tuple[str, ...]) -> dict[str, Any]:
    manifest = artifact.manifest
    above = (*above, artifact.ref)
    return {
        "ref": artifact.ref,
        "digest": manifest.digest,
        "stage": manifest.stage,
        "params": manifest.params,
        "inputs": [_input(entry, find, above) for entry in manifest.inputs],
    }


def _input(entry: Input, find: Find, above: tuple[str, ...]) -> dict[str, Any]:
    artifact = find(entry)
    # Where an input is gone, its digest may be that of an artifact made from it.
    if artifact is None or artifact.ref in above:
        return {"role": entry.role, "ref": entry.ref, "digest": entry.digest}
    return {"role": entry.role, **_tree(artifact, find, above)}


def closure(root: Path, chosen: Iterable[Artifact]) -> list[Artifact]:
    """Return artifacts and all that they were made from, as far as it is there, inputs first."""
    find, seen, found = finder(root), set[str](), list[Artifact]()

    def visit(artifact: Artifact) -> None:
        if artifact.ref in seen:
            return
        seen.add(artifact.ref)
        for entry in artifact.manifest.inputs:
            source = find(entry)
            if source:
                visit(source)
        found.append(artifact)

    for artifact in chosen:
        visit(artifact)
    return found


def input_of(root: Path, artifact: Artifact, role: str) -> Artifact:
    """Return the artifact that `artifact` was made from in a given role.

    Raises
    ------
    DataError
        If it is no longer in the workspace, or not the same content.
    """
    entry = next(entry for entry in artifact.manifest.inputs if entry.role == role)
    return finder(root)(entry) or resolve(root, entry.digest)
