"""``eyecli fetch``: raw data into the workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group, published
from eyecli.errors import DataError, UsageError, suggest

app = group("Bring raw data into the workspace.")
Name = Annotated[str | None, typer.Option(help="Third part of the reference.")]
SAMPLES = ("gaze",)


@command(app, "path")
def path(
    shell: Shell,
    folder: Annotated[Path, typer.Argument(help="Folder with the data; hashed, not copied.")],
    layout: Annotated[
        str | None,
        typer.Option(help="face-sessions, image-table or eye-crops; recognised by default."),
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
    if task not in SAMPLES:
        raise UsageError(f"no sample for '{task}'", suggest(task, SAMPLES))
    target = folder or shell.workspace / "samples" / f"{task}-{subjects}-{points}-{frames}-{seed}"
    if shell.dry_run:
        line = f"{subjects * points * frames} samples would be written to {target}"
        return Result([line], {"samples": subjects * points * frames, "folder": str(target)})
    shell.open(create=True)
    _render(target, subjects, points, frames, seed)
    return fetch_folder(shell, target, "image-table", name, "CC0-1.0", synthetic=True)


def _render(target: Path, subjects: int, points: int, frames: int, seed: int) -> None:
    """Write the sample, whole or not at all, unless it is there."""
    from eyecli.synthesis.gaze_table import write_gaze_table

    wanted = {"subjects": subjects, "points": points, "frames": frames}
    if _holds(target, wanted, seed):
        return
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(
            f"{target} is not empty and does not hold this sample", "name another --folder"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".sample-", dir=target.parent) as temporary:
        write_gaze_table(Path(temporary, "data"), subjects, points, frames, seed)
        try:
            Path(temporary, "data").replace(target)
        except OSError:
            # Another job was faster, with the same sample.
            if not _holds(target, wanted, seed):
                raise


def _holds(target: Path, wanted: dict[str, int], seed: int) -> bool:
    """Say whether a folder holds the sample of these parameters."""
    try:
        found = json.loads((target / "provenance.json").read_bytes())
        return bool(found["seed"] == seed and wanted.items() <= found["parameters"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def fetch_folder(
    shell: Shell, folder: Path, layout: str | None, name: str | None, licence: str, synthetic: bool
) -> Result:
    """Fetch a folder, or with ``--dry-run`` say what it is."""
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
            force=shell.force,
        )
    return published(outcome)


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
