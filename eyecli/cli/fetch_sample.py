"""``eyecli fetch sample``: small data of every task, made here."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eyecli.cli.contract import Result, Shell
from eyecli.cli.folders import Name, fetch_folder
from eyecli.cli.samples import make_sample
from eyecli.errors import UsageError, suggest

if TYPE_CHECKING:
    from eyecli.synthesis.gaze_videos import GazeVideos


@dataclass(frozen=True)
class Sample:
    """A sample: what writes it, how it lies, and how much of what it has by default.

    The function takes the folder, the counts in their order, and the seed.
    """

    module: str
    function: str
    layout: str
    counts: dict[str, int]


SAMPLES = {
    "gaze-eyes": Sample(
        "eyecli.synthesis.gaze_table", "write_gaze_table", "image-table",
        {"subjects": 8, "points": 25, "frames": 4},
    ),
    "dr": Sample("eyecli.synthesis.fundus", "write_fundus", "kaggle-dr", {"subjects": 40}),
    "oct": Sample(
        "eyecli.synthesis.bscans", "write_bscans", "kermany", {"subjects": 24, "scans": 6}
    ),
    "icp": Sample(
        "eyecli.synthesis.volumes", "write_volumes", "oct-volumes", {"subjects": 8, "scans": 12}
    ),
    "scanpath": Sample(
        "eyecli.synthesis.scanpaths", "write_scanpaths", "scanpath-csv",
        {"subjects": 18, "scans": 6},
    ),
}  # fmt: skip
VIDEOS = "gaze"


def sample(
    shell: Shell,
    task: Annotated[
        str,
        typer.Argument(
            help="gaze: face videos; gaze-eyes: rendered eye crops, in seconds; dr: fundus "
            "photographs; oct: B-scans; icp: volumes; scanpath: recordings of gaze."
        ),
    ],
    folder: Annotated[
        Path | None, typer.Option(help="Where the files go; samples/ in the workspace by default.")
    ] = None,
    subjects: Annotated[
        int | None, typer.Option(help="People: 8 by default, more where they have one label each.")
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(help="Targets a person looks at: 13 by default, 25 for gaze-eyes."),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Frames a target, for gaze-eyes: 4 by default.")
    ] = None,
    scans: Annotated[
        int | None,
        typer.Option(help="Scans or recordings of each, for oct, icp and scanpath: 6 to 12."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the people and all they do.")] = 0,
    name: Name = None,
) -> Result:
    """Small generated data to try a task with: made here, without a network.

    They show that a chain works; what is learned from them is true of no patient.
    """
    if task not in (VIDEOS, *SAMPLES):
        raise UsageError(f"no sample for '{task}'", suggest(task, (VIDEOS, *SAMPLES)))
    if name:
        from eyecli.workspace.references import check_name

        check_name(name, "--name")
    asked = {"subjects": subjects, "points": points, "frames": frames, "scans": scans}
    given = {key: value for key, value in asked.items() if value is not None}
    if task == VIDEOS:
        _require_known(task, given, ("subjects", "points"))
        from eyecli.synthesis.gaze_videos import GazeVideos

        people, targets = given.get("subjects", 8), given.get("points", 13)
        plan = GazeVideos(subjects=people, points=targets, seed=seed)
        return fetch_videos(shell, plan, folder, name)
    made = SAMPLES[task]
    _require_known(task, given, tuple(made.counts))
    counts = made.counts | given
    label = "-".join(map(str, (task, *counts.values(), seed)))
    target = folder or shell.workspace / "samples" / label
    if shell.dry_run:
        total = math.prod(counts.values())
        line = f"{total} samples would be written to {target}"
        return Result([line], {"samples": total, "folder": str(target)})
    shell.open(create=True)
    write = getattr(importlib.import_module(made.module), made.function)
    make_sample(target, counts, seed, lambda data: write(data, *counts.values(), seed))
    return fetch_folder(shell, target, made.layout, name, "CC0-1.0", synthetic=True)


def _require_known(task: str, given: dict[str, int], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise UsageError(
                f"--{key} is not for the sample of {task}",
                "it has "
                + " and ".join(f"--{name}" for name in known)
                + ("; `eyecli synthesize gaze` has more" if task == VIDEOS else ""),
            )


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
