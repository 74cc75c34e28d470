"""Weights in the workspace: ``weights/NAME``, one file each; training reads them from here."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eyecli.errors import DataError, MissingError, UsageError
from eyecli.weights.registry import Entry, registry
from eyecli.weights.sources import Expected, Say, obtain
from eyecli.workspace.lease import lease
from eyecli.workspace.manifest import sha256_file
from eyecli.workspace.memo import Work
from eyecli.workspace.references import resolve
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact, versions
from eyecli.workspace.verify import require_whole

KIND = "weights"
STAGE = "fetch weights"


def open_weights(root: Path, name: str) -> tuple[Artifact, Path]:
    """Return weights that were fetched, checked against their manifest. Never downloads.

    Parameters
    ----------
    root
        The workspace.
    name
        ``NAME``, ``NAME@v1`` or ``weights/NAME@v1``.

    Returns
    -------
    Artifact
        For lineage.
    Path
        The file.

    Raises
    ------
    MissingError
        If they are not there, with the command that fetches them.
    DataError
        If they are damaged, or there is no such version.
    """
    reference = name if name.startswith(f"{KIND}/") else f"{KIND}/{name}"
    task = reference.split("/", 1)[1].split("@")[0]
    if not versions(root, f"{KIND}/{task}"):
        # A name that no file could have is not looked up in the registry either.
        word = task if task in registry() else "./FILE --name " + task
        raise MissingError(
            f"weights '{task}' are not in {root}",
            f"eyecli fetch weights {word} (on a machine with a network, e.g. the login node)",
        )
    artifact = resolve(root, reference, KIND)
    require_whole(artifact)
    return artifact, _file(artifact)


def fetch_weights(
    root: Path, entry: Entry, *, mirror: Path | None, force: bool, say: Say
) -> Outcome:
    """Bring a file of the registry into the workspace; at once where it is there and whole.

    Parameters
    ----------
    root, entry
        The workspace, and what to fetch.
    mirror
        A folder that is looked into first.
    force
        Fetch it even if it is there.
    say
        Told how it goes, a line at a time.

    Raises
    ------
    DataError, MissingError, RetryError
        As `obtain`. Where no digest is known, what was fetched first is what it must be.
    """
    folder = root / "downloads" / KIND / entry.name
    # Who comes second finds what the first has fetched.
    with lease(folder, f"fetching {entry.name}", wait=True):
        before = _before(root, entry.name)
        if before and not force and _is_whole(before, entry, say):
            return Outcome(before, cached=True)
        outcome = _fetch(root, entry, before, folder, mirror, say)
        for used in folder.iterdir():
            if used.is_dir():
                shutil.rmtree(used)
    return outcome


def _fetch(
    root: Path, entry: Entry, before: Artifact | None, folder: Path, mirror: Path | None, say: Say
) -> Outcome:
    first = before.manifest.summary["sha256"] if before and entry.trust == "first use" else None
    expected = Expected(entry.sha256 or first, entry.md5, entry.size)
    path, source = obtain(entry, expected, folder, mirror, say)
    if entry.trust == "first use":
        say(f"{entry.name}: no digest of it is known: trusted on first use, and recorded")
    params = {
        "weights": entry.name, "sha256": entry.sha256, "md5": entry.md5,
        "digest_from": entry.digest_from, "licence": entry.licence,
    }  # fmt: skip
    facts = {"net": entry.net, "format": entry.format, "citation": entry.citation,
             "source": source, "trust": entry.trust}  # fmt: skip
    return _publish(root, entry.name, path, params, facts, move=True)


def fetch_file(root: Path, path: Path, name: str, licence: str, *, force: bool) -> Outcome:
    """Copy weights of the user's own into the workspace, recorded by digest.

    Raises
    ------
    UsageError
        If the name is one of the registry.
    DataError
        If the file is no weights, or holds more than tensors.
    """
    if name in registry():
        raise UsageError(f"--name {name} is in the registry", "choose another name")
    kind = check_file(path)
    digest = sha256_file(path)
    before = _before(root, name)
    if before and not force and before.manifest.summary["sha256"] == digest:
        require_whole(before)
        return Outcome(before, cached=True)
    params = {"weights": str(path), "name": name, "sha256": digest, "licence": licence}
    facts = {"format": kind, "source": str(path), "trust": "own file"}
    return _publish(root, name, path, params, facts)


def check_file(path: Path) -> str:
    """Return the format of a file of weights.

    Raises
    ------
    DataError
        If it is none, or holds more than tensors.
    """
    try:
        # Of a pipe or a device, reading might never end.
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: not a regular file")
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if head == b"\x89HDF\r\n\x1a\n":
        import h5py

        try:
            with h5py.File(path) as file:
                empty = not len(file)
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError(f"{path}: damaged: {error}", "fetch or copy it again") from error
        if empty:
            raise DataError(f"{path}: a HDF5 file with nothing in it", "save the weights again")
        return "keras-h5"
    from eyecli.weights.checkpoint import read_checkpoint

    read_checkpoint(path)
    return "torch or safetensors"


def _before(root: Path, name: str) -> Artifact | None:
    """Return the latest version of weights, if there is one that can be read."""
    try:
        return resolve(root, f"{KIND}/{name}", KIND)
    except DataError:
        return None


def _is_whole(artifact: Artifact, entry: Entry, say: Say) -> bool:
    try:
        require_whole(artifact)
    except DataError as error:
        say(f"{error.message}: fetching it again")
        return False
    return entry.sha256 in (None, artifact.manifest.summary["sha256"])


def _file(artifact: Artifact) -> Path:
    [name] = artifact.manifest.files
    return artifact.path / name


def _publish(
    root: Path, name: str, path: Path, params: Mapping[str, Any], facts: Mapping[str, Any],
    *, move: bool = False,
) -> Outcome:  # fmt: skip
    def build(staged: Path) -> Built:
        target = staged / path.name
        (_link if move else shutil.copyfile)(path, target)
        digest, size = sha256_file(target), target.stat().st_size
        return Built(
            summary={**facts, "file": path.name, "sha256": digest, "bytes": size},
            licences=[params["licence"]],
        )

    # Whether it is there was found above, and more exactly: by content.
    return run_stage(root, Work(STAGE, KIND, name, None, params), build, force=True)


def _link(path: Path, target: Path) -> None:
    """Put a download into an artifact without a second copy where the file system can."""
    try:
        target.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, target)
