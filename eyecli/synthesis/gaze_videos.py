"""Face videos of people who look at targets on a screen, with everything that is true of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.errors import EyecliError, UsageError
from eyecli.machine import usable_cores
from eyecli.processes import in_processes
from eyecli.progress import track
from eyecli.synthesis.behaviour import (
    Blink,
    closed_lids,
    draw_blinks,
    gaze_onsets,
    gaze_places,
    head_motion,
)
from eyecli.synthesis.devices import DEVICES, Device, check_device, focal_px
from eyecli.synthesis.eyes import FloatArray
from eyecli.synthesis.frames import Camera, FaceRenderer
from eyecli.synthesis.gaze_table import draw_targets
from eyecli.synthesis.head import Pose, to_view
from eyecli.synthesis.looks import Looks, draw_looks
from eyecli.synthesis.portrait import load_portrait
from eyecli.synthesis.provenance import require_empty, write_provenance

LIMITS = {"subjects": (1, 999), "points": (1, 999), "stimulus_ms": (500, 60_000), "fps": (5, 120),
          "seed": (0, 2**32), "clock_offset_ms": (-2000, 2000)}  # fmt: skip


@dataclass(frozen=True)
class GazeVideos:
    """What videos to make.

    Attributes
    ----------
    subjects, points
        People, and targets for each.
    stimulus_ms
        How long a target is shown.
    fps
        Frames a second.
    size
        Of a frame; turned where the device is held upright.
    seed
        Start of all random streams.
    devices
        The people use them in turn.
    clock_offset_ms
        How much later than the JSON says everything happens in the video, as when the clock of a
        camera runs late.
    """

    subjects: int = 8
    points: int = 13
    stimulus_ms: float = 1200.0
    fps: float = 15.0
    size: tuple[int, int] = (1280, 720)
    seed: int = 0
    devices: Sequence[Device] = field(default=DEVICES)
    clock_offset_ms: float = 0.0

    def check(self) -> None:
        """Raise `UsageError` if a number is out of range or a device does not work."""
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value:g}", f"it must be from {low} to {high}")
        for device in self.devices:
            check_device(device, self.size)

    def frames(self) -> int:
        """Return how many frames a video has: to the end of the last target, however late."""
        seconds = (self.points * self.stimulus_ms + max(0.0, self.clock_offset_ms)) / 1000
        return int(np.ceil(round(seconds * self.fps, 6)))

    def parameters(self) -> dict[str, Any]:
        """Return what decides about the videos, but for the seed, as JSON can hold it."""
        wanted: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        del wanted["seed"]
        return wanted

    def digest(self) -> str:
        """Return a short name for what would be made."""
        text = json.dumps([self.seed, self.parameters()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Session:
    """What one person does before the camera, frame by frame.

    Attributes
    ----------
    starts_ms, onsets_ms
        (n,) when a target comes on by the JSON's clock, and when the eyes begin to move to it by
        the video's.
    targets_px
        (n, 2) pixels of the screen.
    times_ms
        (t,) of the frames.
    gaze_cm
        (t, 2) what the eyes look at, cm from the camera.
    head
        (t, 6) yaw, pitch, roll in degrees, and x, y, z of the shoulders' place in cm: see `Pose`.
    blinks, closed
        The blinks, by the video's clock, and (t,) how far the lids are closed.
    gain
        (t,) exposure.
    """

    starts_ms: FloatArray
    onsets_ms: FloatArray
    targets_px: FloatArray
    times_ms: FloatArray
    gaze_cm: FloatArray
    head: FloatArray
    blinks: list[Blink]
    closed: FloatArray
    gain: FloatArray

    def pose(self, frame: int) -> Pose:
        """Return the pose of the head in a frame, in the camera's view."""
        yaw, pitch, roll, *place = self.head[frame].tolist()
        x, y, z = to_view(np.array(place)).tolist()
        return Pose((x, y, z), yaw, pitch, roll)


def draw_session(rng: np.random.Generator, plan: GazeVideos, device: Device) -> Session:
    """Draw what one person looks at, and how they move meanwhile.

    Parameters
    ----------
    rng
        The person's random stream.
    plan
        What videos to make.
    device
        What they look at.
    """
    targets_px = np.array(draw_targets(rng, plan.points, device.screen_px))
    starts = np.arange(plan.points) * plan.stimulus_ms
    onsets = gaze_onsets(rng, starts) + plan.clock_offset_ms
    times = np.arange(plan.frames()) * 1000 / plan.fps
    middle = device.to_cm(np.array([device.screen_px]) / 2)[0]
    gaze = gaze_places(rng, times, onsets, device.to_cm(targets_px), middle)
    # Heads face a little below the camera: half way to the middle of the screen.
    seat = device.seat()
    towards = (np.append(middle, 0.0) - seat) / 2
    yaw = np.rad2deg(np.arctan2(-towards[0], seat[2]))
    pitch = np.rad2deg(np.arctan2(towards[1], seat[2]))
    head = head_motion(rng, times, seat, np.array([yaw, pitch, 0.0]))
    blinks = draw_blinks(rng, times[-1])
    drift = np.interp(times, np.linspace(0, times[-1] + 1, 6), rng.normal(1, 0.05, 6))
    return Session(
        starts_ms=starts,
        onsets_ms=onsets,
        targets_px=targets_px,
        times_ms=times,
        gaze_cm=gaze,
        head=head,
        blinks=blinks,
        closed=closed_lids(times, blinks),
        gain=drift,
    )


def describe(name: str, plan: GazeVideos, device: Device, session: Session, looks: Looks) -> Any:
    """Return the JSON that lies beside a video: the session's, and under ``truth`` what is true.

    All times of the truth are the video's. Its positions are in cm from the camera, x to the
    viewer's right, y up, z from the screen to the viewer; its angles are in degrees to the image's
    right, up, and clockwise in the image.
    """
    poses = [session.pose(frame) for frame in range(len(session.times_ms))]
    positions = [to_view(pose.position()) for pose in poses]
    return {
        # Of another seed they are other people.
        "subject": f"{name}-{plan.seed}",
        "session": "1",
        "device": device.name,
        "orientation": device.orientation,
        "screen_px": list(device.screen_px),
        "screen_cm": list(device.screen_cm),
        "camera_cm": list(device.camera_cm),
        "distance_cm": device.distance_cm,
        "mirrored": False,
        "unit": "px",
        "stimuli": [
            {
                "start_ms": start,
                "end_ms": start + plan.stimulus_ms,
                "x": x,
                "y": y,
                "point": str(number),
            }
            for number, (start, (x, y)) in enumerate(
                zip(session.starts_ms.tolist(), session.targets_px.tolist(), strict=True), 1
            )
        ],
        "truth": {
            "synthetic": True,
            "clock_offset_ms": plan.clock_offset_ms,
            "focal_px": focal_px(plan.size),
            "kappa_deg": {side: _rounded(angles) for side, angles in looks.kappa.items()},
            "gaze_onsets_ms": _rounded(session.onsets_ms),
            "blinks": [
                {"start_ms": round(b.start_ms, 1), "end_ms": round(b.end_ms, 1)}
                for b in session.blinks
            ],
            "frames": {
                "time_ms": _rounded(session.times_ms),
                "gaze_cm": _rounded(session.gaze_cm),
                "head_cm": _rounded(positions),
                "head_deg": _rounded(session.head[:, :3]),
                "closed": _rounded(session.closed),
            },
        },
    }


def write_video(job: tuple[Path, int, GazeVideos]) -> None:
    """Write one person's video and JSON.

    Parameters
    ----------
    job
        Where to; the number of the person, from 1, with the seed the start of their random
        stream; what videos to make.

    Raises
    ------
    EyecliError
        If OpenCV cannot write the video.
    """
    import cv2

    folder, number, plan = job
    # Streams of one's own, so that longer sessions do not change the person.
    person, acts, pixels = (
        np.random.default_rng([plan.seed, number, stream]) for stream in range(3)
    )
    looks = draw_looks(person)
    device = plan.devices[(number - 1) % len(plan.devices)]
    session = draw_session(acts, plan, device)
    size = device.frame(plan.size)
    camera = Camera(size, focal_px(size), pixels.uniform(0.4, 0.9), pixels.uniform(1, 4),
                    pixels.uniform(60, 95))  # fmt: skip
    renderer = FaceRenderer(load_portrait(), looks, camera, pixels)
    name = f"s{number:03d}"
    video = cv2.VideoWriter(
        str(folder / f"{name}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), plan.fps, size
    )
    if not video.isOpened():
        raise EyecliError(f"OpenCV cannot write {folder / name}.mp4", "`eyecli doctor`")
    try:
        for frame in range(len(session.times_ms)):
            x, y = session.gaze_cm[frame].tolist()
            closed, gain = float(session.closed[frame]), float(session.gain[frame])
            video.write(renderer.frame(session.pose(frame), (x, y, 0.0), closed, gain))
    finally:
        video.release()
    text = json.dumps(describe(name, plan, device, session, looks), indent=None)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def write_gaze_videos(folder: Path, plan: GazeVideos, processes: int | None = None) -> None:
    """Write the videos of all people, their JSONs, and ``provenance.json``.

    The same plan gives the same bytes on one machine, whatever the number of processes, and more
    people do not change the first.

    Parameters
    ----------
    folder
        Where to; new or empty.
    plan
        What videos to make.
    processes
        How many work at once; by default as many as there are cores.

    Raises
    ------
    UsageError
        If a number is out of range.
    DataError
        If the folder already holds something.
    """
    plan.check()
    require_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    work = [(folder, number, plan) for number in range(1, plan.subjects + 1)]
    with closing(in_processes(write_video, work, processes or usable_cores())) as ended:
        for _ in track(work, "synthesize"):
            next(ended)
    write_provenance(folder, __name__, plan.seed, plan.parameters())


def _rounded(values: Any) -> Any:
    """Round to what is worth writing down: ten micrometres, a hundredth of a degree or of a ms."""
    return np.round(np.asarray(values, float), 3).tolist()
