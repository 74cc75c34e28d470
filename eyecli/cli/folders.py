"""What all commands that end in a folder of raw data share: flags, and making it a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyecli.cli.contract import Result, Shell, published
from eyecli.errors import DataError

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

Timeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds without a byte after which to give up.")
]


def download_folder(shell: Shell, folder: Path | None, label: str) -> Path:
    """Return where downloaded files go; a download that was cut goes on there."""
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
) -> Result:
    """Fetch a folder, or with ``--dry-run`` say what it is.

    `origin` says where its files were downloaded from, None where they are the user's own.
    """
    from eyecli.sources.source import check_folder, fetch_path, find_layout
    from eyecli.sources.tree import walk
    from eyecli.tasks.base import all_layouts
    from eyecli.workspace.references import check_name

    if name:
        check_name(name, "--name")
    if shell.dry_run:
        check_folder(folder)
        files = [path for path, _ in walk(folder.absolute(), shell.workspace.absolute())]
        if not files:
            raise DataError(f"{folder}: no files", "name a folder with data in it")
        with _gaze_samples_named(folder, layout):
            task, found = find_layout(files, all_layouts(), folder, layout)
        return Result(
            [f"{len(files)} files, layout {found}"],
            {"files": len(files), "layout": found, "task": task},
        )
    with _gaze_samples_named(folder, layout):
        outcome = fetch_path(
            shell.open(create=True),
            folder,
            all_layouts(),
            layout=layout,
            name=name,
            licence=licence,
            synthetic=synthetic,
            origin=origin,
            force=shell.force,
        )
    return published(outcome)


def words_again(
    words: Sequence[str],
    folder: Path | None,
    layout: str | None,
    name: str | None,
    licence: str,
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
    from eyecli.sources.source import find_layout
    from eyecli.tasks.base import all_layouts
    from eyecli.workspace.references import check_name

    if name:
        check_name(name, "--name")
    if layout:
        find_layout((), all_layouts(), Path(), layout)


@contextmanager
def _gaze_samples_named(folder: Path, layout: str | None) -> Iterator[None]:
    """Say of a folder of no known layout whether it holds gaze over time."""
    from eyecli.signals.gaze_samples import refuse_gaze_samples, start_of
    from eyecli.sources.tree import walk

    try:
        yield
    except DataError:
        if layout is None and folder.is_dir():
            refuse_gaze_samples(
                (str(folder / path) for path, _ in walk(folder.absolute())), start_of
            )
        raise
