"""``eyecli fetch``: raw data into the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group
from eyecli.cli.fetch_drive import drive
from eyecli.cli.fetch_url import url
from eyecli.cli.fetch_weights import weights
from eyecli.cli.folders import Layout, Licence, Name, fetch_folder
from eyecli.cli.samples import make_sample
from eyecli.errors import UsageError, suggest

if TYPE_CHECKING:
    from eyecli.synthesis.gaze_videos import GazeVideos

app = group("Bring raw data into the workspace.")
SAMPLES = ("gaze", "gaze-eyes")
command(app, "url")(url)
command(app, "drive")(drive)
command(app, "weights")(weights)


@command(app, "path")
def path(
    shell: Shell,
    folder: Annotated[Path, typer.Argument(help="Folder with the data; hashed, not copied.")],
    layout: Layout = None,
    name: Name = None,
    licence: Licence = "not stated",
) -> Result:
    """A local folder, by reference: its files are hashed, not copied."""
    return fetch_folder(shell, folder, layout, name, licence, synthetic=False)


@command(app, "sample")
def sample(
    shell: Shell,
    task: Annotated[
        str, typer.Argument(help="gaze: face videos; gaze-eyes: rendered eye crops, in seconds.")
    ],
    folder: Annotated[
        Path | None, typer.Option(help="Where the files go; samples/ in the workspace by default.")
    ] = None,
    subjects: Annotated[int, typer.Option(help="People to render.")] = 8,
    points: Annotated[
        int | None,
        typer.Option(help="Targets a person looks at: 13 by default, 25 for gaze-eyes."),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Frames a target, for gaze-eyes: 4 by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the people and the targets.")] = 0,
    name: Name = None,
) -> Result:
    """Small generated data to try a task with: made here, without a network."""
    if task not in SAMPLES:
        raise UsageError(f"no sample for '{task}'", suggest(task, SAMPLES))
    if task == "gaze":
        if frames is not None:
            raise UsageError(
                "--frames is for gaze-eyes: face videos have 15 frames a second",
                "`eyecli synthesize gaze --stimulus-ms ... --fps ...` makes others",
            )
        from eyecli.synthesis.gaze_videos import GazeVideos

        plan = GazeVideos(subjects=subjects, points=13 if points is None else points, seed=seed)
        return fetch_videos(shell, plan, folder, name)
    points, frames = 25 if points is None else points, 4 if frames is None else frames
    target = folder or shell.workspace / "samples" / f"{task}-{subjects}-{points}-{frames}-{seed}"
    if shell.dry_run:
        line = f"{subjects * points * frames} samples would be written to {target}"
        return Result([line], {"samples": subjects * points * frames, "folder": str(target)})
    shell.open(create=True)
    from eyecli.synthesis.gaze_table import write_gaze_table

    wanted = {"subjects": subjects, "points": points, "frames": frames}
    make_sample(
        target, wanted, seed, lambda data: write_gaze_table(data, subjects, points, frames, seed)
    )
    return fetch_folder(shell, target, "image-table", name, "CC0-1.0", synthetic=True)


def fetch_videos(shell: Shell, plan: GazeVideos, folder: Path | None, name: str | None) -> Result:
    """Make face videos and fetch them, or with ``--dry-run`` say how many."""
    from eyecli.synthesis.gaze_videos import write_gaze_videos
    from eyecli.workspace.references import check_name

    plan.check()
    if name:
        check_name(name, "--name")
    target = folder or shell.workspace / "samples" / f"gaze-videos-{plan.digest()}"
    if shell.dry_run:
        count = plan.subjects * plan.frames()
        line = f"{plan.subjects} videos of {plan.frames()} frames would be written to {target}"
        return Result([line], {"videos": plan.subjects, "frames": count, "folder": str(target)})
    shell.open(create=True)
    make_sample(target, plan.parameters(), plan.seed, lambda data: write_gaze_videos(data, plan))
    return fetch_folder(shell, target, "face-sessions", name, "CC0-1.0", synthetic=True)
