"""What differs between two artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from eyecli.workspace.manifest import Manifest, canonical
from eyecli.workspace.store import Artifact

# Compared as they are; when something was made does not count.
PLAIN = ("kind", "task", "name", "stage", "seed", "licences", "code", "libraries")


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that two artifacts do not share; a side that has nothing of the name is unset."""

    section: str
    key: str
    old: Any = msgspec.UNSET
    new: Any = msgspec.UNSET

    def __str__(self) -> str:
        """Return ``section.key: old -> new``, with ``-`` for nothing."""
        name = f"{self.section}.{self.key}" if self.key else self.section
        return f"{name}: {_text(self.old)} -> {_text(self.new)}"


def differences(old: Artifact, new: Artifact) -> list[Difference]:
    """Compare two artifacts: parameters, inputs, files, code and libraries, flags, summary.

    Returns
    -------
    list of Difference
        By section, then by name; empty if nothing but the time they were made differs. Files are
        given by size and the first 12 digits of their sha256.
    """
    before, after = _facts(old.manifest), _facts(new.manifest)
    return [
        Difference(section, key, before[section].get(key, msgspec.UNSET),
                   after[section].get(key, msgspec.UNSET))
        for section in before
        for key in sorted(before[section].keys() | after[section].keys())
        if not _same(before[section], after[section], key)
    ]  # fmt: skip


def _same(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> bool:
    # As JSON: 1 and true, or 1 and 1.0, are not the same.
    return key in before and key in after and canonical(before[key]) == canonical(after[key])


def _facts(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Section to name to value."""
    return {
        "params": dict(_flat(manifest.params)),
        "inputs": {e.role: f"{e.ref} {e.digest[:12]}" for e in manifest.inputs},
        "files": {p: f"{e.size} bytes {e.sha256[:12]}" for p, e in manifest.files.items()},
        **{name: dict(_flat(getattr(manifest, name))) for name in PLAIN},
        "flags": dict(_flat(manifest.flags)),
        "summary": dict(_flat(manifest.summary)),
    }


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) of nested tables."""
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))


def _text(value: Any) -> str:
    if value is msgspec.UNSET:
        return "-"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
