"""Re-hash artifacts and name every file that changed."""

from __future__ import annotations

import shlex
from pathlib import Path

from eyecli.errors import DataError
from eyecli.workspace.manifest import (
    MANIFEST,
    SUMS,
    Manifest,
    content_digest,
    maker,
    read_manifest,
    sha256_file,
    sums,
)
from eyecli.workspace.store import Artifact


def damages(folder: Path, *, quick: bool = False) -> list[str]:
    """Compare the files of an artifact with its manifest and ``SHA256SUMS``.

    Parameters
    ----------
    folder
        The artifact's.
    quick
        Hash only files that were written after the artifact was published, or have another size:
        a look at each file instead of a read.

    Returns
    -------
    list of str
        One line a damage, each naming the file; empty if the artifact is whole.
    """
    try:
        manifest = read_manifest(folder)
    except DataError as error:
        return [error.message]
    found = []
    if content_digest(manifest.kind, manifest.task, manifest.files) != manifest.digest:
        found.append(f"{folder / MANIFEST}: its file list does not have the digest it states")
    found += _compare_sums(folder, manifest)
    published = (folder / SUMS).stat().st_mtime_ns if (folder / SUMS).is_file() else 0
    for path, entry in sorted(manifest.files.items()):
        if not (folder / path).is_file():
            found.append(f"{folder / path}: missing")
            continue
        now = (folder / path).stat()
        if quick and now.st_size == entry.size and now.st_mtime_ns <= published:
            continue
        if sha256_file(folder / path) != entry.sha256:
            found.append(f"{folder / path}: content changed (sha256 differs)")
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    found += [
        f"{folder / path}: not part of the artifact"
        for path in sorted(present - {*manifest.files, MANIFEST, SUMS})
    ]
    return found


def require_whole(artifact: Artifact, *, quick: bool = False) -> None:
    """Refuse an artifact that is not what was published; `quick` as for `damages`.

    Raises
    ------
    DataError
        Naming the first file that changed.
    """
    found = damages(artifact.path, quick=quick)
    if found:
        manifest = artifact.manifest
        again = f"{maker(manifest.kind, manifest.task)} --force"
        if manifest.kind in ("prepared", "split", "fold", "model"):
            again += f" --config {shlex.quote(str(artifact.path))}"
        raise DataError(found[0], f"{artifact.ref} is damaged: make it again, {again}")


def _compare_sums(folder: Path, manifest: Manifest) -> list[str]:
    path = folder / SUMS
    if not path.is_file():
        return [f"{path}: missing"]
    expected, found = sums(manifest.files, sha256_file(folder / MANIFEST)), path.read_bytes()
    if found == expected:
        return []
    wrong = set(expected.split(b"\n")) ^ set(found.split(b"\n"))
    if wrong and all(line.endswith(b"  " + MANIFEST.encode()) for line in wrong):
        return [f"{folder / MANIFEST}: content changed, or its line in {SUMS}"]
    return [f"{path}: does not agree with {MANIFEST}"]
