"""``eyecli fetch``: raw data into the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.errors import UsageError, suggest

app = group("Bring raw data into the workspace.")
Name = Annotated[str | None, typer.Option(help="Third part of the reference.")]
SAMPLES = ("gaze",)


@command(app, "path")
def path(
    shell: Shell,
    folder: Annotated[Path, typer.Argument(help="Folder with the data; hashed, not copied.")],
    layout: Annotated[
        str | None, typer.Option(help="eye-crops or image-table; recognised by default.")
    ] = None,
    name: Name = None,
    licence: Annotated[
        str, typer.Option(help="Licence or terms of the data, kept with all that is made of it.")
    ] = "not stated",
) -> Result:
    """A local folder, by reference: its files are hashed, not copied."""
    return fetch_folder(shell, folder, layout, name, licence, synthetic=False)


@command(app, "sample")
def sample(
    shell: Shell,
    task: Annotated[str, typer.Argument(help="gaze: rendered eyes of several people.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where the files go; samples/ in the workspace by default.")
    ] = None,
    subjects: Annotated[int, typer.Option(help="People to render.")] = 8,
    points: Annotated[int, typer.Option(help="Targets a person looks at.")] = 25,
    frames: Annotated[int, typer.Option(help="Frames a target.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the people and the targets.")] = 0,
    name: Name = None,
) -> Result:
    """Small generated data to try a task with: made here, without a network."""
    from eyecli.synthesis.gaze_table import write_gaze_table

    if task not in SAMPLES:
        raise UsageError(f"no sample for '{task}'", suggest(task, SAMPLES))
    target = folder or shell.workspace / "samples" / f"{task}-{subjects}-{points}-{frames}-{seed}"
    if shell.dry_run:
        line = f"{subjects * points * frames} samples would be written to {target}"
        return Result([line], {"samples": subjects * points * frames, "folder": str(target)})
    shell.open(create=True)
    if not (target / "provenance.json").is_file():
        write_gaze_table(target, subjects, points, frames, seed)
    return fetch_folder(shell, target, "image-table", name, "CC0-1.0", synthetic=True)


def fetch_folder(
    shell: Shell, folder: Path, layout: str | None, name: str | None, licence: str, synthetic: bool
) -> Result:
    """Fetch a folder, or with ``--dry-run`` say what it is."""
    from eyecli.sources.source import fetch_path, recognise
    from eyecli.sources.tree import walk
    from eyecli.tasks.base import all_layouts
    from eyecli.workspace.references import check_name

    if name:
        check_name(name, "--name")
    if shell.dry_run:
        files = [path for path, _ in walk(folder)]
        if not files:
            raise UsageError(f"{folder}: no files")
        task, found = recognise(files, all_layouts(), folder) if not layout else ("", layout)
        return Result(
            [f"{len(files)} files, layout {found}"],
            {"files": len(files), "layout": found, "task": task},
        )
    outcome = fetch_path(
        shell.open(create=True),
        folder,
        all_layouts(),
        layout=layout,
        name=name,
        licence=licence,
        synthetic=synthetic,
        force=shell.force,
    )
    return published(outcome)
