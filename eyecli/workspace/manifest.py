"""What an artifact says about itself: contents, lineage, parameters, provenance."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from eyecli.errors import DataError

SCHEMA = 1
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
MAKERS = {
    "source": "eyecli fetch path FOLDER",
    "weights": "eyecli fetch weights {task}",
    "prepared": "eyecli preprocess {task}",
    "split": "eyecli preprocess {task}",
    "fold": "eyecli train {task}",
    "model": "eyecli train {task}",
    "predictions": "eyecli train {task}",
    "head": "eyecli calibrate user",
    "coreml": "eyecli export coreml",
    "ane": "eyecli check-ane",
    "report": "eyecli evaluate",
    "comparison": "eyecli compare",
}
T = TypeVar("T")
# What decoding raises on bytes that are not the JSON they should be.
DAMAGED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class FileEntry(msgspec.Struct, frozen=True):
    """One file of an artifact."""

    sha256: str
    size: int


class Input(msgspec.Struct, frozen=True):
    """One artifact or file that this one was made from."""

    role: str
    ref: str
    digest: str


class Manifest(msgspec.Struct, kw_only=True, frozen=True):
    """The manifest of an artifact; the fields are documented in the README.

    ``digest`` covers content, kind, task and schema, not time or host: the same content has the
    same digest wherever and whenever it was made.
    """

    schema: int
    kind: str
    task: str
    name: str | None
    digest: str
    files: dict[str, FileEntry]
    inputs: list[Input]
    stage: str
    params: dict[str, Any]
    seed: int | None
    code: dict[str, str | None]
    libraries: dict[str, str]
    started: str
    ended: str
    summary: dict[str, Any]
    flags: dict[str, Any]
    licences: list[str]


def canonical(value: object) -> bytes:
    """Serialise to JSON with sorted keys, so that equal values have equal bytes."""
    return msgspec.json.encode(value, order="deterministic")


def content_digest(kind: str, task: str, files: dict[str, FileEntry]) -> str:
    """Digest of an artifact: its kind, task, schema and the sha256 of every file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    rows = [[path, entry.sha256, entry.size] for path, entry in sorted(files.items())]
    return hashlib.sha256(canonical([SCHEMA, kind, task, rows])).hexdigest()


def sums(files: dict[str, FileEntry], manifest_sha256: str) -> bytes:
    """Content of ``SHA256SUMS``: all files and the manifest, as ``sha256sum`` writes it."""
    listed = {path: entry.sha256 for path, entry in files.items()} | {MANIFEST: manifest_sha256}
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(listed.items())).encode()


def sha256_file(path: Path) -> str:
    """Hash one file without reading it into memory whole."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path: Path, type: type[T], what: str) -> T:
    """Read a JSON file of an artifact.

    Parameters
    ----------
    path, type
        The file, and what it must hold.
    what
        What to call it in the message.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=type)
    except (OSError, *DAMAGED) as error:
        raise DataError(f"{path}: damaged {what}: {error}", "eyecli workspace verify") from error


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the artifact in `folder`.

    Raises
    ------
    DataError
        If it is missing, damaged (the field is named) or of a newer schema.
    """
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise DataError(f"{folder} is no artifact: {path.name} cannot be read") from error
    except DAMAGED as error:
        raise DataError(f"{path}: damaged manifest: {error}", _way_out(folder)) from error
    if manifest.schema > SCHEMA:
        raise DataError(
            f"{path}: schema {manifest.schema} is newer than this eyecli reads ({SCHEMA})",
            "update eyecli",
        )
    return manifest


def maker(kind: str, task: str | None) -> str:
    """Return the command that makes artifacts of a kind; TASK stands for a task not known."""
    return MAKERS.get(kind, "eyecli").format(task=task or "TASK")


def removal(folders: Iterable[Path]) -> str:
    """Return the line that deletes folders of artifacts."""
    return shlex.join(["rm", "-rf", *map(str, folders)])


def _way_out(folder: Path) -> str:
    """Say how to get rid of a damaged artifact, and of what command it may be."""
    places = (i for i, part in enumerate(folder.parts[:-1]) if part in MAKERS)
    at = max(places, default=None)
    command = maker(*folder.parts[at : at + 2]) if at is not None else "eyecli"
    return f"restore the file, or delete it all and run `{command}` again: {removal([folder])}"
