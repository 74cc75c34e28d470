"""``eyecli synthesize``: data that are made, with exact labels."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, group
from eyecli.cli.fetch_sample import fetch_videos
from eyecli.cli.folders import Name
from eyecli.errors import UsageError

app = group("Make data with exact labels.")


@command(app, "gaze")
def gaze(
    shell: Shell,
    subjects: Annotated[
        int, typer.Option(help="People; each has eyes and looks of their own.")
    ] = 8,
    points: Annotated[int, typer.Option(help="Targets a person looks at.")] = 13,
    stimulus_ms: Annotated[float, typer.Option(help="How long a target is shown.")] = 1200.0,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 15.0,
    size: Annotated[
        str, typer.Option(help="Of a frame, in pixels; turned for devices held upright.")
    ] = "1280x720",
    screen_px: Annotated[
        str, typer.Option(help="Screen in pixels, such as 1366x768; a tablet and a laptop in turn.")
    ] = "",
    screen_cm: Annotated[str, typer.Option(help="Screen in cm, such as 34.4x19.3.")] = "",
    camera_cm: Annotated[
        str,
        typer.Option(
            help="Camera from the screen's top left corner, to the right and up, such as 17.2,0.7; "
            "above the middle of the top edge by default."
        ),
    ] = "",
    distance_cm: Annotated[
        float, typer.Option(help="Eyes to screen; 1.6 times its longer side by default.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Where the files go; samples/ in the workspace by default.")
    ] = None,
    name: Name = None,
) -> Result:
    """Face videos of people who look at targets on a screen.

    Every frame is rendered from one portrait and a geometric model of the eye; what is true of it
    (gaze, head pose, blinks, kappa angle) lies in the JSON beside the video.
    """
    from eyecli.synthesis.devices import DEVICES, Device
    from eyecli.synthesis.gaze_videos import GazeVideos

    devices: Sequence[Device] = DEVICES
    if screen_px or screen_cm:
        if not (screen_px and screen_cm):
            raise UsageError("a screen needs both --screen-px and --screen-cm")
        px, cm = _pair(screen_px, "--screen-px"), _pair(screen_cm, "--screen-cm")
        camera = _pair(camera_cm, "--camera-cm", ",") if camera_cm else (cm[0] / 2, 0.7)
        distance = distance_cm or round(1.6 * max(cm), 1)
        devices = (Device("", (round(px[0]), round(px[1])), cm, camera, distance),)
    elif camera_cm or distance_cm:
        raise UsageError(
            f"{'--camera-cm' if camera_cm else '--distance-cm'} is that of one screen",
            "add --screen-px and --screen-cm",
        )
    width, height = _pair(size, "--size")
    plan = GazeVideos(
        subjects, points, stimulus_ms, fps, (round(width), round(height)), seed, devices
    )
    return fetch_videos(shell, plan, folder, name)


def _pair(text: str, flag: str, between: str = "x") -> tuple[float, float]:
    """Read two numbers."""
    try:
        first, second = (float(part) for part in text.lower().split(between))
        if not (isfinite(first) and isfinite(second)):
            raise ValueError
    except ValueError:
        example = f"1366{between}768" if between == "x" else f"17.2{between}0.7"
        raise UsageError(f"{flag} '{text}' is no pair of numbers", f"such as {example}") from None
    return first, second
