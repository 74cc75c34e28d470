"""Aliases such as ``production``: names for versions, with their history.

Every setting of an alias is a file of its own, numbered, created by link(2), which never replaces:
the newest counts, the others are the history, and two jobs at once lose none.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from eyecli.errors import DataError, UsageError, suggest
from eyecli.workspace.manifest import DAMAGED, canonical
from eyecli.workspace.store import owned_name


class Setting(msgspec.Struct, frozen=True):
    """One setting of an alias."""

    version: int
    digest: str
    at: str


def _folder(root: Path, family_ref: str) -> Path:
    return root / "aliases" / family_ref


def list_aliases(root: Path, family_ref: str) -> dict[str, int]:
    """Aliases of ``kind/task[/name]`` and the version each stands for."""
    folder = _folder(root, family_ref)
    if not folder.is_dir():
        return {}
    names = sorted(path.name for path in folder.iterdir() if any(path.glob("[0-9]*.json")))
    return {name: read_alias(root, family_ref, name) for name in names}


def alias_history(root: Path, family_ref: str, alias: str) -> list[Setting]:
    """All settings of an alias, oldest first.

    Raises
    ------
    DataError
        If one is damaged.
    """
    paths = sorted((_folder(root, family_ref) / alias).glob("[0-9]*.json"))
    return [_read(path) for path in paths]


def _read(path: Path) -> Setting:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Setting)
    except DAMAGED as error:
        raise DataError(f"{path}: damaged alias: {error}", "delete it, set it again") from error


def read_alias(root: Path, family_ref: str, alias: str) -> int:
    """Return the version that an alias stands for.

    Raises
    ------
    DataError
        If there is no such alias.
    """
    history = alias_history(root, family_ref, alias)
    if not history:
        names = [*list_aliases(root, family_ref), "latest"]
        raise DataError(f"no alias '{alias}' of {family_ref}", suggest(alias, names))
    return history[-1].version


def reserved(name: str) -> bool:
    """Say whether a name has a meaning of its own in references: ``latest``, ``v1``..."""
    return name == "latest" or (name[:1] == "v" and name[1:].isdigit())


def set_alias(root: Path, family_ref: str, alias: str, version: int, digest: str) -> None:
    """Let an alias stand for a version from now on.

    Raises
    ------
    UsageError
        If the name is reserved (``latest``, ``v1``...).
    """
    if reserved(alias):
        raise UsageError(f"'{alias}' cannot be an alias: it has a meaning of its own")
    folder = _folder(root, family_ref) / alias
    folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(version, digest, datetime.now(UTC).isoformat(timespec="seconds"))
    temporary = root / "tmp" / owned_name()
    try:
        with temporary.open("wb") as stream:
            stream.write(canonical(setting) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        number = len(alias_history(root, family_ref, alias)) + 1
        while True:
            try:
                (folder / f"{number:06d}.json").hardlink_to(temporary)
                return
            except FileExistsError:
                number += 1
    finally:
        temporary.unlink(missing_ok=True)
