"""Video files to frames, each with the time at which it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.errors import DataError

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")
# Frames that a header may promise beyond those that are there: some writers count one too many.
SPARE = 2


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
    """Return how long a video is by its header, without decoding it.

    Raises
    ------
    DataError
        If it is no video, or has no frames.
    """
    import cv2

    with _open(path) as capture:
        if not capture.grab():
            raise _no_frames(path)
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
        If it is no video, has no frames, or breaks off before its end.
    """
    import cv2

    with _open(path) as capture:
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
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
            raise _no_frames(path)
        if number < promised - SPARE:
            raise DataError(
                f"{path}: only {number} of {promised:.0f} frames can be read",
                "copy it again, it is damaged or cut short",
            )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise DataError(f"{path}: not a readable video", "drop it, or copy it again")
        yield capture
    finally:
        capture.release()


def _no_frames(path: Path) -> DataError:
    return DataError(f"{path}: the video has no frames", "drop it, or copy it again")
