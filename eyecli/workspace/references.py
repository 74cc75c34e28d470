"""References: ``kind/task[/name][@vN|@latest|@alias]``, a digest prefix, or a path."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from eyecli.errors import DataError, UsageError, suggest
from eyecli.workspace.aliases import read_alias
from eyecli.workspace.manifest import MANIFEST, maker, read_manifest
from eyecli.workspace.removed import removed
from eyecli.workspace.store import KINDS, Artifact, artifacts, families, load, versions

REFERENCE = re.compile(
    r"(?P<family>[a-z]{1,32}/[a-z0-9_-]{1,64}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?)?"
    r"(?:@(?P<selector>[A-Za-z0-9._-]{1,64}))?"
)
DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def resolve(
    root: Path, text: str | None, kind: str | None = None, task: str | None = None
) -> Artifact:
    """Find the artifact that `text` names.

    Parameters
    ----------
    root
        The workspace.
    text
        A reference; ``@latest``, ``@v3`` and aliases alone take `kind` and `task` from the
        caller; None means ``@latest``.
    kind, task
        What the caller needs; another kind or task is refused.

    Raises
    ------
    UsageError
        If the text is no reference, or without a task several tasks would do.
    DataError
        If there is no such artifact, or it is of another kind or task.
    """
    artifact = _find(root, "@latest" if text is None else text, kind, task)
    manifest = artifact.manifest
    if (kind and manifest.kind != kind) or (task and manifest.task != task):
        raise DataError(
            f"{artifact.ref} is a {manifest.kind}/{manifest.task}; "
            f"a {kind or manifest.kind}/{task or '<task>'} is needed here"
        )
    return artifact


def _find(root: Path, text: str, kind: str | None, task: str | None) -> Artifact:
    if not text:
        # `eyecli train gaze "$P"` after a preprocess that failed must not take something else.
        raise UsageError("an empty reference", "did the command before it fail? use `set -e`")
    folder = Path(text)
    if _is_artifact(folder):
        return _from_path(root, folder)
    match = DIGEST.fullmatch(text)
    if match:
        return _from_digest(root, match[1])
    match = REFERENCE.fullmatch(text)
    there = match and match["family"] and versions(root, match["family"])
    if kind == "source" and not there and _is_folder(folder):
        raise UsageError(
            f"{text} is a folder, which must be fetched first",
            f"eyecli fetch path {shlex.quote(text)}, then name what it prints",
        )
    if not match or not text:
        raise UsageError(
            f"'{text}' is no reference", "write kind/task[@vN|@latest|@alias], a digest or a path"
        )
    return select(root, match["family"] or _default_family(root, kind, task), match["selector"])


def _is_artifact(folder: Path) -> bool:
    try:
        return (folder / MANIFEST).is_file()
    except OSError:  # longer than any file name
        return False


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # longer than any file name
        return False


def _default_family(root: Path, kind: str | None, task: str | None) -> str:
    if kind is None:
        raise UsageError("a version alone is no reference here", "write kind/task@version")
    if task:
        return f"{kind}/{task}"
    tasks = [ref for ref in families(root) if ref.startswith(f"{kind}/") and ref.count("/") == 1]
    if len(tasks) > 1:
        raise UsageError(f"several could be meant: {', '.join(tasks)}", "name one of them")
    if not tasks:
        raise DataError(f"no {kind} in {root}", f"make one with `{maker(kind, _only_task(root))}`")
    return tasks[0]


def _only_task(root: Path) -> str | None:
    tasks = {ref.split("/")[1] for ref in families(root)}
    return tasks.pop() if len(tasks) == 1 else None


def select(root: Path, family_ref: str, selector: str | None) -> Artifact:
    """Find one version of ``kind/task[/name]`` by ``vN``, ``latest`` or an alias."""
    known = versions(root, family_ref)
    if not known:
        kind = family_ref.split("/")[0]
        alike = [ref for ref in families(root) if ref.startswith(f"{kind}/")]
        hint = suggest(family_ref, alike)
        if kind not in KINDS:
            hint = suggest(kind, KINDS)
        elif not hint:
            hint = f"make one with `{maker(kind, family_ref.split('/')[1])}`"
        raise DataError(f"no artifact {family_ref} in {root}", hint)
    if selector in (None, "latest"):
        return load(root, family_ref, known[-1])
    assert selector is not None
    number = re.fullmatch(r"v0*(\d+)", selector)
    if number:
        if int(number[1]) not in known:
            gone = removed(root, family_ref, int(number[1]))
            why = f": removed by `workspace gc` on {gone.at[:10]}" if gone else ""
            raise DataError(
                f"no version {selector} of {family_ref}{why}",
                f"the latest is {family_ref}@v{known[-1]}",
            )
        return load(root, family_ref, int(number[1]))
    return load(root, family_ref, read_alias(root, family_ref, selector))


def _from_digest(root: Path, prefix: str) -> Artifact:
    found = {a.manifest.digest: a for a in artifacts(root) if a.manifest.digest.startswith(prefix)}
    if not found:
        raise DataError(f"no artifact with digest {prefix} in {root}", "see `eyecli workspace ls`")
    if len(found) > 1:
        raise UsageError(f"digest prefix {prefix} fits {len(found)} artifacts", "write more digits")
    return next(iter(found.values()))


def _from_path(root: Path, folder: Path) -> Artifact:
    path = folder.resolve()
    manifest = read_manifest(path)
    version = re.fullmatch(r"v0*(\d+)", path.name)
    if path.is_relative_to(root.resolve()) and version:
        family_ref = path.parent.relative_to(root.resolve()).as_posix()
        return Artifact(f"{family_ref}@v{version[1]}", path, manifest)
    return Artifact(str(path), path, manifest)


def check_name(name: str, field: str) -> str:
    """Return `name` if it can be part of a reference.

    Raises
    ------
    UsageError
        If it is longer than 64 characters, holds anything but letters, digits, dots, dashes and
        underscores, or could be taken for a version.
    """
    if not NAME.fullmatch(name) or re.fullmatch(r"v\d+", name):
        raise UsageError(
            f"{field} '{name}' cannot be used in a reference",
            "use up to 64 letters, digits, '.', '_' and '-', not starting with a sign, not like v1",
        )
    return name
