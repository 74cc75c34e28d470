"""Copying an artifact to a remote of rclone, where it is as immutable as here.

``manifest.json`` goes first and claims the place, ``SHA256SUMS`` last, once all else was compared:
a place without it holds no whole artifact. Nothing is ever deleted there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eyecli.errors import DataError, UsageError
from eyecli.sources.rclone import compared_by, differing, limits
from eyecli.sources.rclone_errors import NO_FILE, NO_FOLDER
from eyecli.sources.rclone_listing import listed
from eyecli.sources.rclone_run import BRIEF, Binary, Finished, rclone, require_done
from eyecli.sources.remotes import Remote, child
from eyecli.workspace.lineage import PUBLISHED
from eyecli.workspace.manifest import MANIFEST, SUMS
from eyecli.workspace.store import Artifact
from eyecli.workspace.verify import require_whole


@dataclass(frozen=True)
class Push:
    """An artifact, and the place at a remote that it goes to.

    Attributes
    ----------
    artifact
        A published one, whole.
    place
        ``REMOTE:PATH/<kind>/<task>/[name]/vNNNN``.
    there
        Whether the place holds all of it already.
    files, bytes
        What the artifact has, ``manifest.json`` and ``SHA256SUMS`` included.
    """

    artifact: Artifact
    place: Remote
    there: bool
    files: int
    bytes: int


def plan_push(binary: Binary, artifact: Artifact, remote: Remote) -> Push:
    """Look at the place where an artifact goes.

    Raises
    ------
    UsageError
        If the artifact is not of a workspace.
    DataError
        If it is damaged, or the place holds something else.
    EyecliError
        As `explain` says.
    """
    if not PUBLISHED.fullmatch(artifact.ref):
        raise UsageError(f"{artifact.ref} is not in this workspace", "see `eyecli workspace ls`")
    require_whole(artifact)
    place = child(remote, f"{artifact.ref.rpartition('@')[0]}/{artifact.path.name}")
    own = [artifact.path / name for name in (*artifact.manifest.files, MANIFEST, SUMS)]
    there = _names(binary, place)
    if there and MANIFEST not in there:
        raise DataError(
            f"{place.shown} holds files of no artifact, such as {min(there)}",
            "name another REMOTE:PATH",
        )
    for name in {MANIFEST, SUMS} & there:
        if _read(binary, child(place, name)) != (artifact.path / name).read_bytes():
            raise DataError(
                f"{place.shown} holds another artifact: its {name} differs",
                "nothing is overwritten: name another REMOTE:PATH",
            )
    names = {path.relative_to(artifact.path).as_posix() for path in own}
    size = sum(path.stat().st_size for path in own)
    return Push(artifact, place, names <= there, len(own), size)


def push(
    binary: Binary, planned: Push, *, bandwidth: str | None = None, transfers: int | None = None
) -> str:
    """Copy an artifact to its place, compare it there, and return by what it was compared.

    Parameters
    ----------
    binary
        From `find_rclone`.
    planned
        From `plan_push`.
    bandwidth, transfers
        Limit, as rclone writes it, and number of files at a time; rclone's own by default.

    Raises
    ------
    DataError
        If a file there is not that of the artifact.
    RetryError
        If the transfer broke off.
    EyecliError
        As `explain` says.
    """
    # A file of ours that was cut is there with another size, and is replaced.
    restrained = limits(bandwidth, transfers)
    how = ["--checksum", *restrained]
    first, rest, last = (
        [f"--filter=+ /{MANIFEST}", "--filter=- **"],
        [f"--filter=- /{MANIFEST}", f"--filter=- /{SUMS}"],
        [f"--filter=+ /{SUMS}", "--filter=- **"],
    )
    if not planned.there:
        _copy(binary, planned, [*how, *first])
        _copy(binary, planned, [*how, *rest], f"push {planned.artifact.ref}")
    compared = _compare(binary, planned, restrained)
    if not planned.there:
        _copy(binary, planned, [*how, *last])
        if _read(binary, child(planned.place, SUMS)) != (planned.artifact.path / SUMS).read_bytes():
            raise _differs(planned, [SUMS], "content")
    return compared


def _copy(binary: Binary, planned: Push, options: Sequence[str], label: str | None = None) -> None:
    places = [str(planned.artifact.path), planned.place.text]
    done = rclone(binary, ["copy", *options], places, planned.place, label=label)
    require_done(binary, done, planned.place, begun=True)


def _compare(binary: Binary, planned: Push, restrained: Sequence[str]) -> str:
    """Compare by checksum; by download where the remote has none of some file."""
    done = _check(binary, planned, [])
    how, unchecked = compared_by(done)
    if unchecked and not differing(done):
        done, how = _check(binary, planned, ["--download", *restrained]), "download"
    if wrong := differing(done):
        raise _differs(planned, wrong, how)
    require_done(binary, done, planned.place, begun=True)
    return how


def _check(binary: Binary, planned: Push, options: Sequence[str]) -> Finished:
    words = ["check", "--one-way", "--combined=-", f"--filter=- /{SUMS}", *options]
    places = [str(planned.artifact.path), planned.place.text]
    return rclone(binary, words, places, planned.place, label=f"check {planned.place.shown}")


def _differs(planned: Push, wrong: Sequence[str], how: str) -> DataError:
    place = child(planned.place, wrong[0])
    return DataError(
        f"{place.shown}: differs from {planned.artifact.ref} by {how} ({len(wrong)} such files)",
        f"delete it there, then push again: `rclone deletefile {place.shown}`",
    )


def _names(binary: Binary, place: Remote) -> set[str]:
    """Return the files at a place that may not be there."""
    words = ["lsjson", "--recursive", "--files-only", "--no-mimetype", *BRIEF]
    done = rclone(binary, words, [place.text], place)
    if done.code in (NO_FOLDER, NO_FILE):
        return set()
    return {row.path for row in listed(require_done(binary, done, place), place)}


def _read(binary: Binary, place: Remote) -> bytes:
    return require_done(binary, rclone(binary, ["cat", *BRIEF], [place.text], place), place).out
