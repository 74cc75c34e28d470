"""``eyecli fetch weights``: pretrained weights into the workspace, before there is no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, published
from eyecli.cli.folders import Licence
from eyecli.errors import UsageError

if TYPE_CHECKING:
    from eyecli.weights.registry import Entry


def weights(
    shell: Shell,
    weights: Annotated[
        str | None,
        typer.Argument(help="Name in the registry, or the path of a file of yours: ./FILE."),
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(
            help="Folder with such files, looked into first.", envvar="EYECLI_WEIGHTS_MIRROR"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What a file of yours is called: weights/NAME.")
    ] = None,
    licence: Licence = "not stated",
    list: Annotated[
        bool, typer.Option("--list", help="List the registry: name, size, licence, network.")
    ] = False,
) -> Result:
    """Pretrained weights: `train` reads them from the workspace and never downloads.

    Every file is checked against the digest that the registry has of it; where none is known, what
    is fetched first is what it must be from then on.
    """
    from eyecli.weights.artifact import check_file, fetch_file, fetch_weights
    from eyecli.weights.registry import entry, registry

    if list or weights is None:
        entries = [*registry().values()]
        return Result(_table(entries), [_document(each) for each in entries])
    if weights not in registry() and ("/" in weights or Path(weights).is_file()):
        own = _own_name(weights, name)
        if shell.dry_run:
            kind = check_file(Path(weights))
            return Result([f"{weights}: {kind}, would be weights/{own}"],
                          {"file": weights, "format": kind, "name": own})  # fmt: skip
        root = shell.open(create=True)
        return published(fetch_file(root, Path(weights), own, licence, force=shell.force))
    wanted = entry(weights)
    if {"name", "licence"} & shell.typed:
        raise UsageError(f"{weights} is in the registry: --name and --licence are for your files")
    if shell.dry_run:
        return Result(_plan(wanted, mirror), _document(wanted) | {"mirror": mirror})
    root = shell.open(create=True)
    return published(fetch_weights(root, wanted, mirror=mirror, force=shell.force, say=shell.say))


def _own_name(file: str, name: str | None) -> str:
    """Return what a file of the user's own is called: the name given, or that of the file."""
    import re

    own = name or Path(file).name.split(".")[0].lower()
    if not re.fullmatch(r"[a-z0-9_-]{1,64}", own) or re.fullmatch(r"v\d+", own):
        raise UsageError(
            f"'{own}' cannot be a name of weights",
            "--name NAME: up to 64 small letters, digits, '_' and '-'; not like v1",
        )
    return own


def _size(entry: Entry) -> str:
    from eyecli.sources.names import readable

    return readable(entry.size) if entry.size else "size not known"


def _table(entries: list[Entry]) -> list[str]:
    """Return the registry as lines for people."""
    rows = [(each.name, _size(each), each.licence, each.net) for each in entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _plan(entry: Entry, mirror: Path | None) -> list[str]:
    """Say what would be fetched, where from, and what it is checked against."""
    places = [f"mirror {mirror}"] if mirror else []
    places += [str(source) for source in entry.sources]
    return [
        f"{entry.name}: {entry.file}, {_size(entry)}, licence {entry.licence}",
        f"checked against: {entry.trust} ({entry.digest_from})",
        *(f"source {number}: {place}" for number, place in enumerate(places, 1)),
    ]


def _document(entry: Entry) -> dict[str, Any]:
    import msgspec

    places = [str(source) for source in entry.sources]
    return msgspec.to_builtins(entry) | {"trust": entry.trust, "sources": places}
