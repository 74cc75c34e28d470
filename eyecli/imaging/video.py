"""Video files to frames, each with the time at which it is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.errors import DataError

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")
HINT = "drop it, or copy it again"
# What is wrong with a file is said once, by us. OpenCV looks at this when it is first imported.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Attributes
    ----------
    number
        Its place in the video, 0 for the first.
    time_ms
        Its presentation time, counted from that of the first frame.
    pixels
        (height, width, 3) uint8, RGB, upright: the rotation flag is applied.
    """

    number: int
    time_ms: float
    pixels: np.ndarray


def duration_ms(path: Path) -> float:
    """Return how long a video is by its header, without decoding it; at most, if it was trimmed.

    Raises
    ------
    DataError
        If it is no video, or has no frames.
    """
    import cv2

    with _open(path) as capture:
        if not capture.grab():
            raise DataError(f"{path}: the video has no frames", HINT)
        rate, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        # Files written as a stream say nothing of their length.
        while not frames > 0 and capture.grab():
            pass
        if not (rate > 0 and frames > 0):
            return float(capture.get(cv2.CAP_PROP_POS_MSEC))
        return float(frames / rate * 1000)


def read_frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a video, timed by presentation timestamp: its rate may vary.

    Raises
    ------
    DataError
        If it is no video, or has no frames. Where it breaks off early, the frames end there.
    """
    import cv2

    with _open(path) as capture:
        number, start = 0, 0.0
        while capture.grab():
            time = float(capture.get(cv2.CAP_PROP_POS_MSEC))
            done, pixels = capture.retrieve()
            if not done:
                break
            if number == 0:
                start = time
            yield Frame(number, time - start, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            number += 1
        if number == 0:
            raise DataError(f"{path}: the video has no frames", HINT)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import cv2

    cv2.setLogLevel(0)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise DataError(f"{path}: not a readable video, or without frames", HINT)
        # Phones write what the sensor sees, and how to turn it.
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        yield capture
    finally:
        capture.release()
