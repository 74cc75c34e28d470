"""Re-hash artifacts and name every file that changed."""

from __future__ import annotations

from pathlib import Path

from eyecli.errors import DataError
from eyecli.workspace.manifest import MANIFEST, SUMS, content_digest, read_manifest, sha256_file


def damages(folder: Path) -> list[str]:
    """Compare the files of an artifact with its manifest and ``SHA256SUMS``.

    Returns
    -------
    list of str
        One line a damage, each naming the file; empty if the artifact is whole.
    """
    try:
        manifest = read_manifest(folder)
        sums = _read_sums(folder / SUMS)
    except (DataError, OSError, ValueError) as error:
        return [str(error)]
    expected = {path: entry.sha256 for path, entry in manifest.files.items()}
    found = []
    if content_digest(manifest.kind, manifest.task, manifest.files) != manifest.digest:
        found.append(f"{folder / MANIFEST}: its file list does not have the digest it states")
    if {path: digest for path, digest in sums.items() if path != MANIFEST} != expected:
        found.append(f"{folder / SUMS}: does not agree with {MANIFEST}")
    expected[MANIFEST] = sums.get(MANIFEST, "")
    for path, digest in sorted(expected.items()):
        if not (folder / path).is_file():
            found.append(f"{folder / path}: missing")
        elif sha256_file(folder / path) != digest:
            found.append(f"{folder / path}: content changed (sha256 differs)")
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    found += [
        f"{folder / path}: not part of the artifact"
        for path in sorted(present - set(expected) - {SUMS})
    ]
    return found


def _read_sums(path: Path) -> dict[str, str]:
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64:
            raise ValueError(f"{path}: line {number} is damaged")
        sums[name] = digest
    return sums
