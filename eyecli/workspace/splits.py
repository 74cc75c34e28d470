"""Which split belongs to a prepared artifact."""

from __future__ import annotations

from pathlib import Path

from eyecli.errors import DataError
from eyecli.workspace.aliases import list_aliases, set_alias
from eyecli.workspace.store import Artifact, load

PREFIX = "of-"


def _alias(prepared: Artifact) -> str:
    return f"{PREFIX}{prepared.manifest.digest[:12]}"


def belongs_to_data(alias: str) -> bool:
    """Say whether an alias names the split of some prepared data, not what a user chose."""
    return alias.startswith(PREFIX)


def choose_split(root: Path, prepared: Artifact, split: Artifact) -> None:
    """Let a split be that of a prepared artifact, until `preprocess` makes another.

    An alias, since the same `preprocess` again finds its earlier split and publishes none.
    """
    family_ref, version = split.ref.rsplit("@v", 1)
    alias = _alias(prepared)
    if list_aliases(root, family_ref).get(alias) != int(version):
        set_alias(root, family_ref, alias, int(version), split.manifest.digest)


def chosen_split(root: Path, prepared: Artifact) -> Artifact:
    """Return the split that the last `preprocess` of these data made or found.

    Raises
    ------
    DataError
        If there is none.
    """
    family_ref = f"split/{prepared.manifest.task}"
    version = list_aliases(root, family_ref).get(_alias(prepared))
    if version is None:
        raise DataError(f"no split of {prepared.ref}", "run the same `eyecli preprocess` again")
    return load(root, family_ref, version)
