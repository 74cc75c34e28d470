"""Frames come with their presentation times, upright; what is no video is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from face_videos import face, frames, set_rotation, set_times, write_video

from eyecli.errors import DataError
from eyecli.imaging.video import duration_ms, read_frames


def test_frames_are_rgb_in_order_with_their_times(tmp_path: Path) -> None:
    shades = [np.full((64, 96, 3), 20 * i, np.uint8) for i in range(6)]
    shades[3][..., 0] = 255
    found = list(read_frames(write_video(tmp_path / "a.mp4", shades, rate=20)))
    assert [frame.number for frame in found] == list(range(6))
    assert [frame.time_ms for frame in found] == pytest.approx([0, 50, 100, 150, 200, 250])
    for i in (0, 1, 2, 4, 5):
        assert abs(float(found[i].pixels.mean()) - 20 * i) < 6
    red, green, _ = found[3].pixels.reshape(-1, 3).mean(axis=0)
    assert red > 200 and green < 100
    assert duration_ms(tmp_path / "a.mp4") == pytest.approx(300)


def test_a_variable_frame_rate_is_timed_by_presentation(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames(6))
    set_times(path, [40, 100, 10, 200, 33, 50])
    assert [f.time_ms for f in read_frames(path)] == pytest.approx([0, 40, 140, 150, 350, 383])
    assert duration_ms(path) == pytest.approx(433)


@pytest.mark.parametrize("turns", range(4))
def test_the_rotation_flag_is_applied(tmp_path: Path, turns: int) -> None:
    path = write_video(tmp_path / "a.mp4", [face()])
    set_rotation(path, turns)
    (frame,) = read_frames(path)
    shown = np.rot90(face(), -turns)  # NumPy turns the other way
    assert frame.pixels.shape == shown.shape
    assert np.abs(frame.pixels.astype(int) - shown).mean() < 8


@pytest.mark.parametrize("what", ["no frames", "empty", "text", "cut"])
def test_what_is_no_video_is_named(tmp_path: Path, what: str) -> None:
    path = write_video(tmp_path / "bad.mp4", [] if what == "no frames" else frames(5))
    if what != "no frames":
        whole = path.read_bytes()
        path.write_bytes(
            {"empty": b"", "text": b"subject,x,y\n", "cut": whole[: len(whole) // 2]}[what]
        )
    for read in (duration_ms, lambda p: list(read_frames(p))):
        with pytest.raises(DataError, match=r"bad\.mp4"):
            read(path)
