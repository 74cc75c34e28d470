"""One face video to samples: the face in every frame, and what is kept of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.arrays import Arrays, ArrayWriter
from eyecli.errors import DataError
from eyecli.imaging.face_mesh import face_counter, video_finder
from eyecli.imaging.video import read_frames
from eyecli.tasks.gaze.clock import estimate_lag
from eyecli.tasks.gaze.face_geometry import describe_face, eye_outside
from eyecli.tasks.gaze.faces import (
    BLINK,
    LOST,
    NO_FACE,
    NO_STIMULUS,
    SETTLING,
    crop_sizes,
    cut_face,
    face_specs,
)
from eyecli.tasks.gaze.frame_reasons import judge_frames, offset_to_apply
from eyecli.tasks.gaze.session_file import Session, misfit
from eyecli.workspace.manifest import sha256_file

# Shards are read at random afterwards, from several sessions at once.
SHARD_BYTES = 2**26
EXHIBITS = 2
# How often it is looked whether others are in the picture.
COUNT_EVERY_MS = 1000.0


@dataclass(frozen=True)
class VideoJob:
    """What a process is told of a video.

    Attributes
    ----------
    video, digest
        The file and its sha256.
    name, stem
        Its path in the source, and that without the ending: the start of its samples' ids.
    session
        What its JSON says.
    folder
        Where crops go.
    face_size, eye_size
        Sides of the crops.
    settle_ms
        How long after a stimulus' onset frames are left out.
    clock_offset_ms
        By how much the video is late; None to use the estimate.
    """

    video: Path
    digest: str
    name: str
    stem: str
    session: Session
    folder: Path
    face_size: int
    eye_size: int
    settle_ms: float
    clock_offset_ms: float | None


@dataclass(frozen=True)
class Extracted:
    """What a process makes of a video, or of a pile of pictures.

    Attributes
    ----------
    folder
        Holds the crops.
    rows
        A dict a sample: its columns.
    places
        Row of every sample in the folder's arrays.
    where
        Where a person finds every sample.
    dropped
        Reason to number of frames left out.
    facts
        Of a video: times, rate and lag, columns of its row in the table of sessions.
    exhibits
        Caption and picture of some of what was left out.
    left_out
        File, place in it and reason of what was left out though it could have been a sample.
    problems
        What is wrong with the files.
    """

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    exhibits: list[tuple[str, np.ndarray]] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class _Track:
    """What is noted of every frame; NaN where there is no face. `place` is the row of its crops."""

    time: list[float] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    eye_px: list[float] = field(default_factory=list)
    outside: list[bool] = field(default_factory=list)
    openness: list[float] = field(default_factory=list)
    pose: list[tuple[float, float, float]] = field(default_factory=list)
    gaze: list[np.ndarray] = field(default_factory=list)
    exhibits: list[tuple[str, np.ndarray]] = field(default_factory=list)
    counted: int = 0
    crowded: int = 0


def extract_video(job: VideoJob) -> Extracted:
    """Find the face in every frame of a video, and keep the frames that are samples."""
    try:
        same = sha256_file(job.video) == job.digest
    except OSError as error:
        return Extracted(job.folder, problems=[f"{job.video}: {error.strerror}"])
    if not same:
        return Extracted(job.folder, problems=[f"{job.video} changed since it was fetched"])
    try:
        track = _follow(job)
    except DataError as error:
        return Extracted(job.folder, problems=[error.message])
    return _judge(job, track)


def _follow(job: VideoJob) -> _Track:
    track = _Track()
    sizes = crop_sizes(job.face_size, job.eye_size)
    writer = ArrayWriter(job.folder, face_specs(job.face_size, job.eye_size), SHARD_BYTES)
    with video_finder() as find, face_counter() as count:
        for frame in read_frames(job.video):
            pixels = frame.pixels
            if job.session.mirrored:
                pixels = np.ascontiguousarray(pixels[:, ::-1])
            points = find(pixels)
            if frame.time_ms >= COUNT_EVERY_MS * track.counted:
                track.counted += 1
                track.crowded += count(pixels) > 1
            track.time.append(frame.time_ms)
            if points is None:
                track.place.append(-1)
                track.eye_px.append(np.nan)
                track.outside.append(False)
                track.openness.append(np.nan)
                track.pose.append((np.nan,) * 3)
                track.gaze.append(np.full(4, np.nan))
                if len(track.exhibits) < EXHIBITS:
                    caption = f"{NO_FACE}: {job.stem} {frame.time_ms / 1000:.2f} s"
                    track.exhibits.append((caption, thumbnail(pixels)))
                continue
            face = describe_face(points)
            track.place.append(writer.rows)
            track.eye_px.append(face.eye_px)
            track.outside.append(eye_outside(face, pixels.shape[1], pixels.shape[0]))
            track.openness.append(face.openness)
            track.pose.append((face.yaw, face.pitch, face.roll))
            track.gaze.append(face.gaze)
            writer.append(cut_face(pixels, face, sizes))
    writer.close()
    return track


def _judge(job: VideoJob, track: _Track) -> Extracted:
    session = job.session
    time, openness = np.array(track.time), np.array(track.openness)
    seen = np.isfinite(openness)
    lag = estimate_lag(time[seen], np.array(track.gaze)[seen], session.stimuli)
    offset = offset_to_apply(job.clock_offset_ms, lag)
    shown, reasons = judge_frames(
        time - offset,
        openness,
        np.array(track.eye_px),
        np.array(track.outside),
        session,
        job.settle_ms,
    )
    interval = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    kept = [i for i, reason in enumerate(reasons) if not reason]
    dropped = Counter(reason for reason in reasons if reason)
    length = float(time[-1]) + interval
    if problem := misfit(job.video, session, length, job.clock_offset_ms):
        return Extracted(job.folder, problems=[problem])
    facts = {
        "duration_s": round(length / 1000, 3),
        "frames": len(time),
        # The mean: with a variable frame rate the median interval tells no rate.
        "rate_hz": round(1000 * (len(time) - 1) / float(time[-1]), 3) if time[-1] > 0 else None,
        "shown": len(kept) + sum(dropped[reason] for reason in LOST),
        "kept": len(kept),
        **{reason.replace(" ", "_"): dropped[reason] for reason in (*LOST, SETTLING, NO_STIMULUS)},
        "several_faces": int(track.crowded),
        "lag_ms": None if lag is None else round(lag, 1),
        "clock_offset_ms": round(offset, 1),
    }
    rows = [
        {
            "sample": f"{job.stem}/{i:06d}",
            "stimulus": int(shown[i]),
            "point": session.stimuli[shown[i]].point,
            "time_ms": round(float(time[i]), 3),
            "target_x": session.stimuli[shown[i]].x,
            "target_y": session.stimuli[shown[i]].y,
            **measures(track.pose[i], openness[i]),
        }
        for i in kept
    ]
    return Extracted(
        job.folder, rows, [track.place[i] for i in kept],
        [f"{job.video}, {time[i] / 1000:.3f} s" for i in kept], dict(dropped), facts,
        track.exhibits + _blinks(job, track, reasons),
        [
            (job.name, f"{time[i] / 1000:.3f} s", reason)
            for i, reason in enumerate(reasons)
            if reason in LOST
        ],
    )  # fmt: skip


def measures(pose: tuple[float, float, float], openness: float) -> dict[str, float]:
    """Return the columns that say how a face was held."""
    names = ("yaw", "pitch", "roll")
    angles = {name: round(float(angle), 2) for name, angle in zip(names, pose, strict=True)}
    return angles | {"openness": round(float(openness), 4)}


def thumbnail(pixels: np.ndarray, side: int = 128) -> np.ndarray:
    """Shrink a picture so that its longer side is `side`."""
    import cv2

    scale = side / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _blinks(job: VideoJob, track: _Track, reasons: list[str]) -> list[tuple[str, np.ndarray]]:
    frames = [i for i, reason in enumerate(reasons) if reason == BLINK][:EXHIBITS]
    if not frames:
        return []
    crops = Arrays(job.folder).take("face", [track.place[i] for i in frames])
    return [
        (f"{BLINK}: {job.stem} {track.time[i] / 1000:.2f} s", crop)
        for i, crop in zip(frames, crops, strict=True)
    ]
