"""The memo: the same work on the same inputs by the same code finds its earlier result."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from eyecli.errors import EyecliError
from eyecli.workspace.manifest import DAMAGED, SCHEMA, canonical
from eyecli.workspace.provenance import code_version
from eyecli.workspace.references import resolve
from eyecli.workspace.store import Artifact, write_atomic


@dataclass(frozen=True)
class Work:
    """What identifies a piece of work, before any of it is done.

    Attributes
    ----------
    stage
        The command, such as ``train``.
    kind, task, name
        Where its artifact goes.
    params
        Every parameter that can change the result, resolved, JSON-serialisable.
    inputs
        Role to artifact, or to (label, digest) for a file outside the workspace.
    seed
        Seed of everything random, None where nothing is.
    """

    stage: str
    kind: str
    task: str
    name: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Artifact | tuple[str, str]] = field(default_factory=dict)
    seed: int | None = None


class _Entry(msgspec.Struct, frozen=True):
    ref: str
    digest: str


def input_digest(source: Artifact | tuple[str, str]) -> str:
    """Digest of an input, be it an artifact or a file."""
    return source.manifest.digest if isinstance(source, Artifact) else source[1]


def memo_key(work: Work) -> str:
    """Hash of stage, code, parameters, input digests and seed (64 hexadecimal digits)."""
    inputs = {role: input_digest(source) for role, source in work.inputs.items()}
    parts = [SCHEMA, work.stage, work.kind, work.task, work.name, code_version()]
    return hashlib.sha256(canonical([*parts, work.params, inputs, work.seed])).hexdigest()


def _path(root: Path, work: Work) -> Path:
    key = memo_key(work)
    return root / "memo" / key[:2] / key[2:]


def recall(root: Path, work: Work) -> Artifact | None:
    """Return the earlier result of the same work if it is still there and unchanged."""
    path = _path(root, work)
    try:
        entry = msgspec.json.decode(path.read_bytes(), type=_Entry)
        artifact = resolve(root, entry.ref, work.kind, work.task)
    except (OSError, EyecliError, *DAMAGED):
        return None
    return artifact if artifact.manifest.digest == entry.digest else None


def remember(root: Path, work: Work, artifact: Artifact) -> None:
    """Note the result of a piece of work."""
    entry = _Entry(artifact.ref, artifact.manifest.digest)
    write_atomic(_path(root, work), canonical(entry) + b"\n")


def dangling(root: Path, doomed: Set[str] = frozenset()) -> Iterator[Path]:
    """Yield every note whose result is gone, replaced, or going to be removed.

    Parameters
    ----------
    root
        The workspace.
    doomed
        References of artifacts that are going to be removed.
    """

    @functools.cache
    def digest_of(ref: str) -> str | None:
        try:
            return resolve(root, ref).manifest.digest
        except EyecliError:
            return None

    for path in sorted((root / "memo").glob("*/[!.]*")):
        try:
            entry = msgspec.json.decode(path.read_bytes(), type=_Entry)
        except FileNotFoundError:
            continue
        except DAMAGED:
            yield path
            continue
        if entry.ref in doomed or digest_of(entry.ref) != entry.digest:
            yield path
