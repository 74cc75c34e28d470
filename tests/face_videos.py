"""Small real videos of a face: the portrait that scikit-image ships, moved a little."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data

WIDTH, HEIGHT, RATE = 640, 360, 25
# Of a box, the boxes that hold boxes.
CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


@lru_cache
def face() -> np.ndarray:
    """(360, 640, 3) RGB: a face of about 150 px."""
    part = skimage.data.astronaut()[0:270, 0:480]
    return np.asarray(cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))


def frames(count: int) -> list[np.ndarray]:
    """The face, sliding a few pixels to and fro."""
    return [np.roll(face(), i % 5, axis=1) for i in range(count)]


def write_video(path: Path, pictures: Iterable[np.ndarray], rate: float = RATE) -> Path:
    """Write RGB frames of one size; none at all makes a file without frames."""
    pictures = list(pictures)
    height, width = (pictures or [face()])[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


def write_session(
    folder: Path,
    stem: str = "p01",
    pictures: Sequence[np.ndarray] | None = None,
    **fields: Any,
) -> Path:
    """Write a video of two stimuli of one second each and its JSON; return the video."""
    folder.mkdir(parents=True, exist_ok=True)
    notes: dict[str, Any] = {
        "subject": stem,
        "screen_px": [1000, 500],
        "screen_cm": [20.0, 10.0],
        "camera_cm": [10.0, 0.5],
        "stimuli": [
            {"start_ms": 0, "end_ms": 1000, "x": 100, "y": 100},
            {"start_ms": 1000, "end_ms": 2000, "x": 900, "y": 400},
        ],
    }
    (folder / f"{stem}.json").write_text(json.dumps(notes | fields), encoding="utf-8")
    return write_video(folder / f"{stem}.mp4", frames(50) if pictures is None else pictures)


def set_times(path: Path, milliseconds: Sequence[int]) -> None:
    """Give every frame of an MP4 the time for which it is shown: a variable frame rate."""
    runs = b"".join(struct.pack(">II", 1, duration) for duration in milliseconds)
    table = struct.pack(">II", 0, len(milliseconds)) + runs
    total = sum(milliseconds)

    def change(name: bytes, body: bytes) -> bytes:
        if name == b"stts":
            return table
        if name == b"mdhd":
            return body[:12] + struct.pack(">II", 1000, total) + body[20:]
        # The edit list would cut it to its old length.
        return body.replace(b"elst", b"free") if name == b"edts" else body

    path.write_bytes(_rewritten(path.read_bytes(), change))


def set_rotation(path: Path, quarter_turns: int) -> None:
    """Set the rotation flag of an MP4: turned clockwise to be shown."""
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarter_turns % 4]
    one = 1 << 16
    matrix = struct.pack(">9i", cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)

    def change(name: bytes, body: bytes) -> bytes:
        return body[:40] + matrix + body[76:] if name == b"tkhd" else body

    path.write_bytes(_rewritten(path.read_bytes(), change))


def _rewritten(content: bytes, change: Callable[[bytes, bytes], bytes]) -> bytes:
    """Rebuild the boxes of an MP4, each as `change` returns its body."""
    made, at = [], 0
    while at < len(content):
        size, name = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + size]
        body = _rewritten(body, change) if name in CONTAINERS else change(name, body)
        made.append(struct.pack(">I4s", len(body) + 8, name) + body)
        at += size
    return b"".join(made)
