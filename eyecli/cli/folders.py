"""What all commands that end in a folder of raw data share: flags, and making it a source."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyecli.cli.contract import Result, Shell, published
from eyecli.errors import UsageError, suggest

if TYPE_CHECKING:
    from eyecli.sources.source import Origin

Name = Annotated[str | None, typer.Option(help="Third part of the reference.")]
Layout = Annotated[
    str | None,
    typer.Option(help="How the data lie, see `eyecli schema`; recognised by default."),
]
Licence = Annotated[
    str, typer.Option(help="Licence or terms of the data, kept with all that is made of it.")
]
Folder = Annotated[
    Path | None,
    typer.Option(help="Where the files go; downloads/ in the workspace by default."),
]

# Longer the system cannot wait for a connection, or nobody does.
A_DAY = 86400.0


def a_number(seconds: float) -> float:
    """Refuse nan, which no range does."""
    if isnan(seconds):
        raise typer.BadParameter("not a number of seconds")
    return seconds


Timeout = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=A_DAY,
        callback=a_number,
        help="Seconds without a byte after which to give up.",
    ),
]


def download_folder(shell: Shell, folder: Path | None, label: str) -> Path:
    """Return where downloaded files go; a download that was cut goes on there.

    Raises
    ------
    UsageError
        If a file is in the place of the folder, or of one above it.
    """
    for place in (folder, *folder.parents) if folder else ():
        if place.exists() and not place.is_dir():
            raise UsageError(f"--folder {folder}: {place} is not a folder", "name another --folder")
    return folder or shell.workspace / "downloads" / label


def fetch_folder(
    shell: Shell,
    folder: Path,
    layout: str | None,
    name: str | None,
    licence: str,
    *,
    synthetic: bool = False,
    origin: Origin | None = None,
    copy: bool = False,
) -> Result:
    """Fetch a folder or an archive, or with ``--dry-run`` say what it is.

    `origin` says where its files were downloaded from, None where they are the user's own; with
    `copy` they are copied, or unpacked, into the workspace first.
    """
    from eyecli.sources.contents import check_place
    from eyecli.sources.copy import copy_place
    from eyecli.sources.layouts import find_layout
    from eyecli.sources.source import fetch_path
    from eyecli.tasks.base import all_layouts

    check_labels(layout, name)
    layouts, place = all_layouts(), check_place(folder)
    if shell.dry_run:
        if copy:
            return _tell_copy(place, shell.workspace.absolute())
        found = find_layout(place, layouts, shell.workspace.absolute(), layout)
        return Result(
            [f"{len(found.names)} files, layout {found.layout}"],
            {"files": len(found.names), "layout": found.layout, "task": found.task},
        )
    root = shell.open(create=True)
    outcome = fetch_path(
        root,
        copy_place(root, place, layouts, layout) if copy else place,
        layouts,
        layout=layout,
        name=name,
        licence=licence,
        synthetic=synthetic,
        origin=origin,
        copy_of=place if copy else None,
        force=shell.force,
    )
    return published(outcome)


def words_again(
    words: Sequence[str],
    folder: Path | None,
    layout: str | None,
    name: str | None,
    licence: str | None,
) -> tuple[str, ...]:
    """Return the words of a command line with the shared flags that were given."""
    flags = {"--folder": folder and folder.absolute(), "--layout": layout, "--name": name,
             "--licence": licence if licence != "not stated" else None}  # fmt: skip
    given = [(flag, str(value)) for flag, value in flags.items() if value]
    return (*words, *(word for pair in given for word in pair))


def check_labels(layout: str | None, name: str | None) -> None:
    """Refuse a layout or name that cannot be, before hours of downloading.

    Raises
    ------
    UsageError
        If there is no such layout, or the name cannot be part of a reference.
    """
    from eyecli.tasks.base import all_layouts
    from eyecli.workspace.references import check_name

    if name:
        check_name(name, "--name")
    if layout and layout not in (layouts := all_layouts()):
        raise UsageError(f"unknown layout '{layout}'", suggest(layout, layouts))


def _tell_copy(place: Path, workspace: Path) -> Result:
    """Say what would be copied, and where to."""
    from eyecli.sources.contents import list_files
    from eyecli.sources.names import readable

    files = list_files(place, workspace)
    size = sum(entry.size for entry in files.values())
    line = f"{len(files)} files, {readable(size)}, would be copied or unpacked"
    return Result([line], {"files": len(files), "bytes": size})
